"""Filters by hand on small rows; against transformers in `tests/parity/test_text_generation.py`."""

import inspect
import math

import pytest
import torch
from torch.testing import assert_close

from learnable.errors import CallError, WorldError
from learnable.sampling.choosing import (
    Unrepeating,
    chances,
    draw,
    filters,
    min_p,
    only_best,
    temperature,
    top_k,
    top_p,
    toss,
)
from learnable.sampling.text import greedy

ROW = torch.tensor([[0.4, 0.05, 0.3, 0.2, 0.05]]).double().log()


def left(keep):
    """Which tokens of ROW a filter leaves."""
    return keep(ROW).isfinite().nonzero()[:, 1].tolist()


def test_what_is_left_of_a_row():
    assert left(temperature(3.0)) == [0, 1, 2, 3, 4]
    assert left(top_k(2)) == [0, 2]
    assert left(top_k(4)) == [0, 1, 2, 3, 4]  # the fourth and the fifth tie
    assert left(top_k(99)) == [0, 1, 2, 3, 4]
    assert left(top_p(0.3)) == [0] and left(top_p(0.5)) == [0, 2] and left(top_p(0.85)) == [0, 2, 3]
    assert left(top_p(1e-9)) == [0] and left(top_p(1.0)) == [0, 1, 2, 3, 4]
    assert left(min_p(0.6)) == [0, 2] and left(min_p(0.4)) == [0, 2, 3] and left(min_p(1.0)) == [0]
    assert left(only_best) == [0]


def test_a_nucleus_that_is_reached_exactly_takes_no_more():
    assert top_p(0.5)(torch.zeros(1, 4)).isfinite().tolist() == [[True, True, False, False]]


def test_what_stays_keeps_its_score():
    assert_close(top_p(0.5)(ROW)[0, [0, 2]], ROW[0, [0, 2]])
    assert_close(temperature(2.0)(ROW), ROW / 2)


def test_filters_in_a_row_see_what_the_ones_before_left():
    """Half of what top_k leaves (0.4 and 0.3) is the first alone; half of everything would be both."""
    assert_close(chances(ROW, [top_k(2), top_p(0.5)]), torch.tensor([[1.0, 0, 0, 0, 0]]).double())
    assert_close(chances(ROW, [top_k(2)]), torch.tensor([[4 / 7, 0, 3 / 7, 0, 0]]).double())
    assert len(filters(0.5, 3, 0.9, 0.1)) == 4 and len(filters()) == 1 and filters(0) == (only_best,)


def test_the_temperature_comes_first():
    """At a half the first token is as probable as 0.54, so that it is the nucleus; as it stands, 0.4 would not be enough."""
    assert chances(ROW, filters(0.5, nucleus=0.5)).tolist() == [[1, 0, 0, 0, 0]]


def test_of_equals_the_first_is_best():
    equal = torch.tensor([[1.0, 2.0, 2.0]])
    assert chances(equal, [only_best]).tolist() == [[0, 1, 0]]
    assert greedy(equal).tolist() == [[1]]


def test_drawing_follows_the_chances():
    drawn = draw(top_p(0.85), generator=torch.Generator().manual_seed(0))(ROW.expand(20_000, 5))
    shares = torch.bincount(drawn[:, 0], minlength=5) / 20_000
    assert_close(shares, torch.tensor([4 / 9, 0, 3 / 9, 2 / 9, 0]), atol=0.012, rtol=0)


def test_a_token_of_no_probability_is_never_drawn(monkeypatch):
    """Not even by the least of all numbers, which is where it begins and ends."""
    monkeypatch.setattr(torch, "rand", lambda *shape, dtype, **how: torch.zeros(shape, dtype=dtype))
    assert toss(torch.tensor([[0.0, 0.5, 0.5]])).tolist() == [[1]]


def test_what_was_said_is_worth_less_and_each_text_has_its_own_memory():
    choose = Unrepeating(greedy, 2.0, [torch.tensor([1, 1]), torch.tensor([3])])
    logits = torch.tensor([[1.0, 1.5, -3.0, -4.0], [-1.0, -9.0, -1.2, -0.7]])
    assert choose(logits).tolist() == [[0], [0]]  # 1.5 / 2 < 1, and -0.7 * 2 < -1
    assert choose(logits).tolist() == [[1], [2]]  # now 0 is known too
    assert choose.seen.tolist() == [[True, True, False, False], [True, False, True, True]]


def test_a_penalty_of_one_changes_nothing():
    logits = torch.randn(1, 9)
    choose = Unrepeating(greedy, 1.0, torch.tensor([[2]]))
    assert [int(choose(logits)) for _ in range(3)] == [int(greedy(logits))] * 3


@pytest.mark.parametrize(
    "make, value",
    [(temperature, 0), (temperature, math.nan), (temperature, math.inf), (top_k, 0),
     *((inspect.unwrap(top_k), value) for value in (2.5, 2.0, True, "2")), (top_p, 0), (top_p, 1.1),
     (top_p, math.nan), (min_p, -0.1), (min_p, 2), (lambda value: Unrepeating(greedy, value, []), 0)],
)  # fmt: skip
def test_numbers_out_of_range(make, value):
    with pytest.raises(CallError, match=f"expected a .* came {value}"):
        make(value)


@pytest.mark.parametrize(
    "through",
    [(), (top_p(0.9),), (min_p(0.1),), (top_k(2),), (only_best,)],
    ids=["draw", "top_p", "min_p", "top_k", "only_best"],
)
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_no_numbers_no_token(through, wrong):
    with pytest.raises(WorldError, match="no number"):
        chances(torch.tensor([[0.0, wrong, 1.0]]), through)
