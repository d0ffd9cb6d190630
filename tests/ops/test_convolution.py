"""Convolution and pooling, obvious and fast, against torch.nn.functional: outputs and gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.ops import convolution as ops

few = settings(max_examples=60, deadline=None, derandomize=True)
small = st.integers(1, 3)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def same_gradients(mine: torch.Tensor, reference: torch.Tensor, inputs: list[torch.Tensor]) -> None:
    assert_close(mine, reference)
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    ours = torch.autograd.grad((mine * weight).sum(), inputs)
    theirs = torch.autograd.grad((reference * weight).sum(), inputs)
    assert_close(ours, theirs)


@pytest.mark.parametrize("convolve", [ops.convolve, ops.convolve_fast])
@given(
    batch=small, groups=small, channels=small, out=small, high=st.integers(1, 9), wide=st.integers(1, 9),
    kernel=st.tuples(small, small), stride=small, padding=st.integers(0, 3), dilation=small, with_bias=st.booleans(),
)  # fmt: skip
@few
def test_convolution_is_torch_s(
    convolve, batch, groups, channels, out, high, wide, kernel, stride, padding, dilation, with_bias
):
    assume(min(high + 2 * padding - dilation * (kernel[0] - 1), wide + 2 * padding - dilation * (kernel[1] - 1)) > 0)
    image, weight = random(batch, groups * channels, high, wide), random(groups * out, channels, *kernel, seed=1)
    bias = random(groups * out, seed=2) if with_bias else None
    inputs = [image, weight, *([bias] if bias is not None else [])]
    reference = F.conv2d(image, weight, bias, stride, padding, dilation, groups)
    same_gradients(convolve(image, weight, bias, stride, padding, dilation, groups), reference, inputs)


@given(
    groups=small, channels=small, out=small, high=st.integers(1, 6), wide=st.integers(1, 6),
    kernel=st.tuples(small, small), stride=small, padding=st.integers(0, 2), dilation=small,
)  # fmt: skip
@few
def test_transposed_convolution_is_torch_s(groups, channels, out, high, wide, kernel, stride, padding, dilation):
    spans = [(s - 1) * stride + dilation * (k - 1) + 1 for s, k in zip((high, wide), kernel, strict=True)]
    assume(min(spans) > 2 * padding)
    image, weight = random(2, groups * channels, high, wide), random(groups * channels, out, *kernel, seed=1)
    bias = random(groups * out, seed=2)
    reference = F.conv_transpose2d(image, weight, bias, stride, padding, 0, groups, dilation)
    mine = ops.convolve_transposed(image, weight, bias, stride, padding, dilation, groups)
    same_gradients(mine, reference, [image, weight, bias])


def test_the_way_back_is_the_gradient_of_the_way():
    image, weight = random(1, 2, 7, 6), random(3, 2, 3, 3, seed=1)
    output = ops.convolve(image, weight, stride=2, padding=1)
    gradient = random(*output.shape, seed=2).detach()
    (back,) = torch.autograd.grad(output, image, gradient)
    laid = ops.convolve_transposed(gradient, weight, stride=2, padding=1)
    assert_close(laid, back[:, :, : laid.shape[2], : laid.shape[3]])


@given(
    high=st.integers(1, 9), wide=st.integers(1, 9), size=small, stride=st.none() | small, padding=st.integers(0, 1),
    dilation=small,
)  # fmt: skip
@few
def test_pooling_is_torch_s(high, wide, size, stride, padding, dilation):
    assume(2 * padding <= size and min(high, wide) + 2 * padding > dilation * (size - 1))
    assume(
        dilation == 1 or padding == 0
    )  # a window may lie in the padding altogether, and torch's gradient then crashes
    image = random(2, 3, high, wide)
    same_gradients(
        ops.max_pool(image, size, stride, padding, dilation),
        F.max_pool2d(image, size, stride, padding, dilation), [image],
    )  # fmt: skip
    assume(min(high, wide) + 2 * padding >= size)
    same_gradients(ops.average_pool(image, size, stride, padding), F.avg_pool2d(image, size, stride, padding), [image])


def test_global_pooling_is_torch_s():
    image = random(2, 3, 5, 4)
    same_gradients(ops.global_average_pool(image), F.adaptive_avg_pool2d(image, 1).flatten(1), [image])


def test_a_shifted_picture_gives_shifted_maps():
    """What weight sharing promises, away from the borders."""
    image, weight = random(1, 1, 12, 12), random(2, 1, 3, 3, seed=1)
    before, after = ops.convolve(image, weight), ops.convolve(image.roll((2, 1), (2, 3)), weight)
    assert_close(after[:, :, 2:, 1:], before[:, :, :-2, :-1])


def test_columns_are_torch_s_unfold():
    image = random(2, 3, 7, 6)
    seen = ops.columns(image, (3, 2), stride=2, padding=1, dilation=2)
    assert_close(seen.flatten(3).flatten(1, 2), F.unfold(image, (3, 2), dilation=2, padding=1, stride=2))


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: ops.convolve(random(1, 1, 2, 2), random(1, 1, 3, 3)), "nothing would be left"),
        (lambda: ops.convolve(random(1, 3, 5, 5), random(1, 2, 3, 3)), "kernels of 3 channels"),
        (lambda: ops.convolve_fast(random(1, 4, 5, 5), random(3, 2, 3, 3), groups=2), "in 2 groups"),
        (lambda: ops.convolve(random(1, 1, 5, 5), random(1, 1, 3, 3), stride=0), "at least 1"),
        (lambda: ops.convolve(random(1, 1, 5, 5), random(1, 1, 3, 3), padding=-1), "at least 0"),
        (lambda: ops.max_pool(random(1, 1, 5, 5), 2, padding=2), "at most half"),
        (lambda: ops.convolve_transposed(random(1, 1, 2, 2), random(1, 1, 1, 1), padding=1), "leaves nothing"),
        (lambda: ops.convolve_transposed(random(1, 2, 2, 2), random(1, 1, 1, 1)), "for 2 channels"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(call, said):
    with pytest.raises(CallError, match=said):
        call()
