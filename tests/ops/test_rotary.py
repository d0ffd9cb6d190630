import math

import pytest
import torch
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.ops.rotary import (
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    YarnScaling,
    halves_to_pairs,
    pairs_to_halves,
    rotary_frequencies,
    rotary_turns,
    rotate_halves,
    rotate_pairs,
)

SCALINGS = {
    "none": None,
    "linear": LinearScaling(4.0),
    "dynamic": DynamicScaling(2.0, context=16),
    "yarn": YarnScaling(4.0, context=16),
    "llama3": Llama3Scaling(8.0, context=64),
}
ROTATIONS = [rotate_halves, rotate_pairs]


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_turn_is_a_turn(rotate):
    """Against the plane's own rotation matrix, pair by pair."""
    width, position = 6, 3
    x = torch.randn(width, dtype=torch.float64)
    cos, sin = rotary_turns(torch.tensor([position]), width, dtype=torch.float64)
    pairs = [(i, i + 3) for i in range(3)] if rotate is rotate_halves else [(2 * i, 2 * i + 1) for i in range(3)]
    expected = torch.empty_like(x)
    for i, pair in enumerate(pairs):
        angle = position * 10_000 ** (-2 * i / width)
        matrix = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        expected[list(pair)] = torch.tensor(matrix, dtype=torch.float64) @ x[list(pair)]
    assert_close(rotate(x, cos[0], sin[0]), expected)


@pytest.mark.parametrize("rotate", ROTATIONS)
@pytest.mark.parametrize("name", [name for name in SCALINGS if name != "dynamic"])
def test_only_the_distance_counts(rotate, name):
    query, key = torch.randn(2, 8, dtype=torch.float64)
    places = torch.tensor([0, 5, 100, 105])
    cos, sin = rotary_turns(places, 8, scaling=SCALINGS[name], dtype=torch.float64)

    def score(m, n):
        return rotate(query, cos[m], sin[m]) @ rotate(key, cos[n], sin[n])

    assert_close(score(1, 0), score(3, 2))
    assert_close(score(0, 1), score(2, 3))
    assert not torch.isclose(score(1, 0), score(0, 1)), "before is not after"


def test_the_first_place_is_not_turned():
    cos, sin = rotary_turns(torch.tensor([0]), 8)
    x = torch.randn(1, 8)
    assert torch.equal(rotate_halves(x, cos, sin), x) and torch.equal(rotate_pairs(x, cos, sin), x)


def test_the_two_orders_are_each_other_reordered():
    x = torch.randn(2, 5, 12)
    cos, sin = rotary_turns(torch.arange(5), 12)
    assert torch.equal(halves_to_pairs(pairs_to_halves(x)), x)
    assert torch.equal(pairs_to_halves(halves_to_pairs(x)), x)
    assert torch.equal(rotate_halves(pairs_to_halves(x), cos, sin), pairs_to_halves(rotate_pairs(x, cos, sin)))
    assert not torch.allclose(rotate_halves(x, cos, sin), rotate_pairs(x, cos, sin))


def test_lengths_stay_as_they_are():
    x = torch.randn(3, 7, 16, dtype=torch.float64)
    cos, sin = rotary_turns(torch.arange(7), 16, dtype=torch.float64)
    assert_close(rotate_halves(x, cos, sin).norm(dim=-1), x.norm(dim=-1))


def test_turns_know_the_type_but_are_computed_exactly():
    """In bfloat16, places 1000 and 1001 would be the same number."""
    positions = torch.tensor([1000, 1001])
    cos, _ = rotary_turns(positions, 4, dtype=torch.bfloat16)
    assert cos.dtype == torch.bfloat16
    assert_close(cos, rotary_turns(positions, 4, dtype=torch.float64)[0].bfloat16())
    assert not torch.equal(cos[0], cos[1])


def test_every_row_has_its_own_positions():
    positions = torch.tensor([[0, 1, 2], [4, 4, 9]])
    cos, sin = rotary_turns(positions, 8)
    assert cos.shape == sin.shape == (2, 3, 4)
    for row, own in enumerate(positions):
        assert torch.equal(cos[row], rotary_turns(own, 8)[0])


def test_linear_scaling_is_another_unit_of_length():
    cos, sin = rotary_turns(torch.tensor([8]), 8, scaling=LinearScaling(4.0))
    assert_close((cos, sin), rotary_turns(torch.tensor([2]), 8))


@pytest.mark.parametrize("name", ["yarn", "llama3"])
def test_fast_pairs_stay_and_slow_ones_are_slowed(name):
    scaling = {"yarn": YarnScaling(4.0, context=2048), "llama3": Llama3Scaling(4.0, context=2048)}[name]
    plain = rotary_frequencies(128, dtype=torch.float64)
    ratio = scaling(plain, 10_000.0, torch.arange(2)) / plain
    assert ratio[0] == 1 and math.isclose(ratio[-1], 1 / 4)
    assert (ratio.diff() <= 1e-12).all(), "the slower a pair, the more it is slowed"
    assert ((ratio > 0.26) & (ratio < 0.99)).any(), "between them a ramp"


def test_dynamic_scaling_begins_at_the_context():
    scaling = DynamicScaling(2.0, context=16)
    plain = rotary_frequencies(8)
    assert_close(scaling(plain, 10_000.0, torch.arange(16)), plain[None])
    longer = scaling(plain, 10_000.0, torch.arange(17))[0]
    assert longer[0] == 1 and (longer[1:] < plain[1:]).all()


def test_dynamic_scaling_looks_at_each_text_alone():
    both = torch.stack([torch.arange(40), torch.arange(40) // 4])  # the second needs no stretching
    cos, _ = rotary_turns(both, 8, scaling=DynamicScaling(2.0, context=16))
    assert_close(cos[1], rotary_turns(both[1], 8)[0])
    assert not torch.allclose(cos[0], rotary_turns(both[0], 8)[0])


def test_only_yarn_changes_the_magnitude():
    assert YarnScaling(4.0, context=16).magnitude == pytest.approx(0.1 * math.log(4) + 1)
    assert YarnScaling(0.5, context=16).magnitude == 1
    assert YarnScaling(4.0, context=16, attention=1.5).magnitude == 1.5
    cos, sin = rotary_turns(torch.arange(3), 8, scaling=YarnScaling(4.0, context=16, attention=1.5))
    assert_close(cos**2 + sin**2, torch.full((3, 4), 2.25))


@pytest.mark.parametrize("width", [0, 1, 7])
def test_an_odd_width_is_refused(width):
    with pytest.raises(CallError, match=f"even width.*{width}"):
        rotary_frequencies(width)


@pytest.mark.parametrize("make", [
    lambda: LinearScaling(0.0),
    lambda: DynamicScaling(-1.0, 16),
    lambda: YarnScaling(2.0, 0),
    lambda: Llama3Scaling(float("nan"), 16),
])  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(make):
    with pytest.raises(CallError, match="above 0"):
        make()


def test_a_ramp_that_runs_backwards_is_refused():
    with pytest.raises(CallError, match="4 and 4"):
        Llama3Scaling(8.0, 64, slow=4.0, fast=4.0)


def test_dynamic_scaling_needs_two_pairs():
    with pytest.raises(CallError, match="at least 4"):
        rotary_turns(torch.arange(3), 2, scaling=DynamicScaling(2.0, 2))
