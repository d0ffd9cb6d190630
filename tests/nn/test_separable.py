"""Separable convolutions: what they save, TensorFlow's padding, and channels by eights."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from learnable.nn.separable import (
    ConvNorm,
    Inverted,
    InvertedResidual,
    SamePadding,
    Separable,
    ends_of_scales,
    reset_convolutions,
    rounded,
)


def weights(model: nn.Module) -> int:
    return sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d))


def test_a_separable_convolution_has_nearly_a_ninth_of_the_weights():
    assert weights(ConvNorm(256, 256, 3)) == 9 * 256 * 256
    assert weights(Separable(256, 256)) == 9 * 256 + 256 * 256


def test_it_is_a_full_convolution_whose_kernels_are_alike():
    """Without what is in between: the outer product of a depthwise and a pointwise kernel."""
    x, depthwise, pointwise = torch.randn(1, 3, 6, 6), torch.randn(3, 1, 3, 3), torch.randn(5, 3, 1, 1)
    two = F.conv2d(F.conv2d(x, depthwise, padding=1, groups=3), pointwise)
    assert_close(two, F.conv2d(x, pointwise * depthwise.transpose(0, 1), padding=1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize("kernel", [3, 5])
def test_same_padding_gives_ceil_of_half(size: int, kernel: int):
    x = torch.ones(1, 1, size, 4)
    padded = SamePadding(kernel, 2)(x)
    assert F.conv2d(padded, torch.ones(1, 1, kernel, kernel), stride=2).shape[2] == -(-size // 2)


def test_the_odd_zero_is_below_and_at_the_right():
    padded = SamePadding(3, 2)(torch.ones(1, 1, 2, 2))
    assert padded[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_without_a_stride_the_two_paddings_are_one():
    assert isinstance(ConvNorm(3, 3, 3, same=True).pad, nn.Identity)


def test_the_shortcut_is_there_where_the_shapes_fit():
    assert InvertedResidual(Inverted(8, 48, 8, 3, 1), nn.ReLU6).residual
    assert not InvertedResidual(Inverted(8, 48, 8, 3, 2), nn.ReLU6).residual
    assert not InvertedResidual(Inverted(8, 48, 16, 3, 1), nn.ReLU6).residual
    block = InvertedResidual(Inverted(8, 8, 8, 3, 1), nn.ReLU6)
    assert isinstance(block.expand, nn.Identity), "nothing to widen"
    nn.init.zeros_(block.project.norm.weight)
    x = torch.randn(2, 8, 5, 5)
    assert_close(block(x), x)


@pytest.mark.parametrize("asked, got", [(1, 8), (11.2, 16), (12, 16), (18, 24), (22.4, 24), (35.2, 32), (100, 104)])
def test_channels_by_eights(asked: float, got: int):
    assert rounded(asked) == got
    assert got % 8 == 0 and got >= 0.9 * asked


def test_where_the_scales_end():
    blocks = [Inverted(8, 8, 8, 3, stride) for stride in (1, 2, 1, 2)]
    assert ends_of_scales([blocks[:2], blocks[2:]]) == ("stages.0.0", "stages.1.0", "stages.1.1")


def test_initialization_counts_the_outputs_that_a_weight_reaches():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(400, 400, 3, groups=400), nn.Conv2d(200, 100, 1))
    reset_convolutions(layers)
    depthwise, pointwise = (layer.weight.std().item() for layer in layers)
    assert depthwise == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    assert pointwise == pytest.approx((2 / 100) ** 0.5, rel=0.05)
