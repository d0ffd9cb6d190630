import math

import pytest
import torch
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.nn.multihead import attend_heads
from learnable.nn.positions import Alibi, RelativeBias, Sinusoids, alibi_slopes, distance_bucket, sinusoids


def test_sinusoids_by_hand():
    table = sinusoids(torch.tensor([0, 7]), width=6, base=100.0)
    assert_close(table[0], torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0]))
    for i in range(3):
        angle = 7 / 100 ** (2 * i / 6)
        assert_close(table[1, 2 * i : 2 * i + 2], torch.tensor([math.sin(angle), math.cos(angle)]))


def test_a_place_far_away_is_as_exact_as_a_near_one():
    table = sinusoids(torch.tensor([1_000_003]), width=4)[0]
    exact = [math.sin(1_000_003), math.cos(1_000_003), math.sin(10_000.03), math.cos(10_000.03)]
    assert_close(table, torch.tensor(exact))


def test_one_matrix_leads_from_any_place_to_three_further_on():
    table = sinusoids(torch.arange(40), width=8).double()
    step = torch.linalg.lstsq(table[:20], table[3:23]).solution
    assert_close(table[20:37] @ step, table[23:40], atol=1e-3, rtol=0)


def test_the_module_has_the_sines_first_and_no_parameters():
    module = Sinusoids(width=8)
    table = sinusoids(torch.arange(5), width=8)
    assert torch.equal(module(torch.arange(5)), torch.cat([table[:, 0::2], table[:, 1::2]], dim=1))
    assert not list(module.parameters()) and not module.state_dict()
    assert module(torch.tensor([[0, 1], [5, 6]])).shape == (2, 2, 8)


def test_alibi_is_a_straight_line_for_each_head():
    bias = Alibi(heads=8)(torch.arange(6))[0]
    for head in range(8):
        for query in range(6):
            for key in range(6):
                assert bias[head, query, key] == 2.0 ** -(head + 1) * (key - query)


@pytest.mark.parametrize("heads", range(1, 20))
def test_slopes_are_as_many_as_heads_and_all_different(heads):
    slopes = alibi_slopes(heads)
    assert len(set(slopes)) == len(slopes) == heads and all(0 < slope < 1 for slope in slopes)


def test_alibi_knows_distances_alone():
    assert torch.equal(Alibi(heads=4)(torch.arange(5) + 100), Alibi(heads=4)(torch.arange(5)))


@pytest.mark.parametrize("causal", [False, True])
def test_near_distances_have_a_bucket_each_and_far_ones_share(causal):
    distances = -torch.arange(1000)[None]
    buckets = distance_bucket(distances, causal=causal)[0]
    alone = 16 if causal else 8
    assert torch.equal(buckets[:alone], torch.arange(alone))
    assert (buckets.diff() >= 0).all() and buckets.max() == 2 * alone - 1
    assert (buckets[128:] == 2 * alone - 1).all() and buckets[100] < 2 * alone
    after = distance_bucket(-distances, causal=causal)[0]
    assert (after == 0).all() if causal else torch.equal(after[1:], buckets[1:] + 16)


def test_a_learned_bias_learns():
    bias = RelativeBias(heads=2, causal=True)
    query = torch.randn(1, 2, 5, 4)
    attend_heads(query, query, query, bias=bias(torch.arange(5)), causal=True).square().sum().backward()
    assert bias.weight.grad[:5].any(dim=1).all() and not bias.weight.grad[5:].any()


def test_a_bias_may_be_asked_for_the_last_query_alone():
    bias = RelativeBias(heads=2)
    torch.nn.init.normal_(bias.weight)
    whole = bias(torch.arange(6))
    assert torch.equal(bias(torch.tensor([5]), torch.arange(6)), whole[:, :, 5:])


@pytest.mark.parametrize("make", [
    lambda: sinusoids(torch.arange(3), 5),
    lambda: alibi_slopes(0),
    lambda: RelativeBias(2, buckets=6),
    lambda: RelativeBias(2, buckets=32, furthest=32),
])  # fmt: skip
def test_numbers_that_do_not_fit_are_refused(make):
    with pytest.raises(CallError, match="expected"):
        make()
