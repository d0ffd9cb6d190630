"""Stochastic depth: who is dropped, and that the mean stays."""

import pytest
import torch

from learnable.errors import CallError
from learnable.nn.stochastic_depth import StochasticDepth


def test_an_example_is_dropped_as_a_whole_or_not_at_all():
    torch.manual_seed(0)
    y = StochasticDepth(0.4).train()(torch.ones(200, 3, 4, 4))
    for example in y:
        assert len(example.unique()) == 1, "all numbers of an example share its fate"
    dropped, kept = (y[:, 0, 0, 0] == 0), y[y != 0]
    assert 50 < int(dropped.sum()) < 110
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.6))


def test_the_expected_sum_stays():
    torch.manual_seed(0)
    y = StochasticDepth(0.25).train()(torch.ones(40_000, 1))
    assert abs(float(y.mean()) - 1) < 0.02


def test_in_use_and_at_nought_nothing_happens():
    x = torch.randn(4, 3)
    assert StochasticDepth(0.9).eval()(x) is x
    assert StochasticDepth(0.0).train()(x) is x


def test_an_example_that_is_dropped_gives_no_gradient():
    torch.manual_seed(0)
    x = torch.ones(64, 2, requires_grad=True)
    y = StochasticDepth(0.5).train()(x)
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad == 0, y == 0)


@pytest.mark.parametrize("probability", [-0.1, 1.0, 2.0])
def test_a_block_that_never_speaks_is_refused(probability: float):
    with pytest.raises(CallError, match="below 1"):
        StochasticDepth(probability)
