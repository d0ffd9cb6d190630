"""Squeeze and excitation: by hand, and against torchvision."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.nn.squeeze import SqueezeExcitation


def test_a_channel_gets_one_factor_for_the_whole_picture():
    layer, x = SqueezeExcitation(6, squeezed=2), torch.rand(3, 6, 4, 5) + 0.1
    factors = (layer(x) / x).detach()
    assert_close(factors, factors[:, :, :1, :1].expand_as(factors))
    assert float(factors.min()) > 0
    assert float(factors.max()) < 1


def test_by_hand():
    layer = SqueezeExcitation(1, squeezed=1)
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), (2.0, 0.5, -1.0, 0.25), strict=True):
            parameter.fill_(value)
    x = torch.tensor([[[[0.0, 1.0], [1.0, 2.0]]]])  # its mean is 1: relu(2 * 1 + 0.5) = 2.5, -1 * 2.5 + 0.25 = -2.25
    assert_close(layer(x), x * torch.tensor(-2.25).sigmoid())


@pytest.mark.reference
@pytest.mark.parametrize("activation, gate", [(nn.ReLU, nn.Hardsigmoid), (nn.SiLU, nn.Sigmoid)])
def test_agrees_with_torchvision(activation, gate):
    ops = pytest.importorskip("torchvision").ops
    ours, theirs = SqueezeExcitation(8, 3, activation, gate), ops.SqueezeExcitation(8, 3, activation, gate)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = torch.randn(2, 8, 5, 4)
    assert_close(ours(x), theirs(x))
