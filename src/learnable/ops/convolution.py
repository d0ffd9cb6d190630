r"""Convolution and pooling: one small question, asked at every place of a picture with the same weights.

    output[o, y, x] = bias[o] + sum over c, i, j of  weight[o, c, i, j] * image[c, stride y + dilation i - padding, ...]

It is said twice. `convolve` is the sum as it stands: for each of the kernel's few entries the whole picture, shifted, times a
matrix of channels. `convolve_fast` lays out everything that each place sees as a column (im2col) and has one large product of
matrices: the same numbers, each pixel copied as often as the kernel has entries, and all the speed of a matrix product.
What runs in the models is `torch.nn.functional.conv2d`, which is both again.

    stride     steps between places: 2 halves the picture
    padding    pixels of zeros around it: half a kernel keeps its size
    dilation   steps between the kernel's entries: it sees further with as many weights
    groups     the channels in so many parts that do not see each other; as many parts as channels is "depthwise"

Paper    Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning" - https://arxiv.org/abs/1603.07285
         Chellapilla, Puri & Simard 2006, "High performance convolutional neural networks for document processing" (im2col)
Letters  kernel entries are (i, j), rows first; as everywhere in this field the kernel is not turned around, so mathematicians
         would call it a cross-correlation
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from learnable.errors import CallError

Maps = Float[Tensor, "batch maps h w"]
Pooled = Float[Tensor, "batch maps rows columns"]


def places(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many places of a side a kernel is laid on.

    >>> places(28, kernel=5), places(28, kernel=5, padding=2), places(224, kernel=7, stride=2, padding=3)
    (24, 28, 112)

    Raises:
        CallError: none: the kernel is larger than the picture; or a number below 1 (padding: below 0).
    """
    if min(size, kernel, stride, dilation) < 1 or padding < 0:
        raise CallError(f"expected sizes, stride and dilation of at least 1 and padding of at least 0, came size {size}, "
                        f"kernel {kernel}, stride {stride}, dilation {dilation}, padding {padding}")  # fmt: skip
    found = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if found < 1:
        raise CallError(f"a kernel of {kernel} with dilation {dilation} spans {dilation * (kernel - 1) + 1} pixels, the side "
                        f"with its padding has {size + 2 * padding}: nothing would be left")  # fmt: skip
    return found


def shifts(
    image: Maps, kernel: tuple[int, int], stride: int = 1, padding: int = 0, dilation: int = 1, fill: float = 0.0
) -> Iterator[tuple[int, int, Float[Tensor, "batch maps rows columns"]]]:
    """For each entry (i, j) of a kernel: what it sees, at all places at once."""
    rows, columns = (
        places(size, k, stride, padding, dilation) for size, k in zip(image.shape[2:], kernel, strict=True)
    )
    padded = F.pad(image, (padding,) * 4, value=fill)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            top, left = i * dilation, j * dilation
            yield (
                i,
                j,
                padded[:, :, top : top + stride * rows : stride, left : left + stride * columns : stride][
                    :, :, :rows, :columns
                ],
            )


def convolve(
    image: Maps,
    weight: Float[Tensor, "out part kh kw"],
    bias: Float[Tensor, "out"] | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Float[Tensor, "batch out rows columns"]:
    """The sum of shifted products.

    >>> edge = torch.tensor([[[[-1.0, 1.0]]]])
    >>> convolve(torch.tensor([[[[0.0, 0.0, 5.0, 5.0]]]]), edge)
    tensor([[[[0., 5., 0.]]]])

    Raises:
        CallError: channels and groups that do not fit, or a kernel larger than the picture.
    """
    _check(image, weight, groups)
    kernels = rearrange(weight, "(g o) c i j -> g o c i j", g=groups)
    total: Tensor | float = 0.0
    for i, j, seen in shifts(image, (weight.shape[2], weight.shape[3]), stride, padding, dilation):
        parts = rearrange(seen, "b (g c) y x -> b g c y x", g=groups)
        total = total + einsum(parts, kernels[..., i, j], "b g c y x, g o c -> b g o y x")
    assert isinstance(total, Tensor)
    output = rearrange(total, "b g o y x -> b (g o) y x")
    return output if bias is None else output + bias[:, None, None]


def columns(
    image: Maps, kernel: tuple[int, int], stride: int = 1, padding: int = 0, dilation: int = 1
) -> Float[Tensor, "batch maps entries rows columns"]:
    """im2col: for each place all that the kernel sees there. A 3x3 kernel makes nine copies of the picture."""
    return torch.stack([seen for _, _, seen in shifts(image, kernel, stride, padding, dilation)], dim=2)


def convolve_fast(
    image: Maps,
    weight: Float[Tensor, "out part kh kw"],
    bias: Float[Tensor, "out"] | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Float[Tensor, "batch out rows columns"]:
    """The same as one product of matrices for each group."""
    _check(image, weight, groups)
    seen = columns(image, (weight.shape[2], weight.shape[3]), stride, padding, dilation)
    high = seen.shape[3]
    matrix = rearrange(seen, "b (g c) k y x -> b g (c k) (y x)", g=groups)
    product = rearrange(weight, "(g o) c i j -> g o (c i j)", g=groups) @ matrix
    output = rearrange(product, "b g o (y x) -> b (g o) y x", y=high)
    return output if bias is None else output + bias[:, None, None]


def convolve_transposed(
    image: Maps,
    weight: Float[Tensor, "in part kh kw"],
    bias: Float[Tensor, "out"] | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Float[Tensor, "batch out rows columns"]:
    """The way back: each number of the picture is laid down as a whole kernel; where kernels overlap they add up.

    It is what the gradient of `convolve` does with a gradient, so a stride of 2 doubles the picture. The weight is
    (in, out / groups, height, width), as in torch.

    Raises:
        CallError: channels and groups that do not fit, or padding that takes everything away.
    """
    if groups < 1 or image.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise CallError(
            f"expected kernels for {image.shape[1]} channels in {groups} groups, came {tuple(weight.shape)}"
        )
    batch, _, high, wide = image.shape
    kernels = rearrange(weight, "(g c) o i j -> g c o i j", g=groups)
    parts = rearrange(image, "b (g c) y x -> b g c y x", g=groups)
    rows, across = (
        (size - 1) * stride + dilation * (k - 1) + 1 for size, k in zip((high, wide), weight.shape[2:], strict=True)
    )
    if min(rows, across) <= 2 * padding:
        raise CallError(f"padding {padding} on each side leaves nothing of {rows}x{across}")
    output = image.new_zeros(batch, groups * weight.shape[1], rows, across)
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            laid = rearrange(
                einsum(parts, kernels[..., i, j], "b g c y x, g c o -> b g o y x"), "b g o y x -> b (g o) y x"
            )
            top, left = i * dilation, j * dilation
            output[
                :, :, top : top + stride * (high - 1) + 1 : stride, left : left + stride * (wide - 1) + 1 : stride
            ] += laid
    output = output[:, :, padding : rows - padding, padding : across - padding]
    return output if bias is None else output + bias[:, None, None]


def max_pool(image: Maps, size: int, stride: int | None = None, padding: int = 0, dilation: int = 1) -> Pooled:
    """The largest number of each square: whether something was there, no longer where exactly.

    >>> max_pool(torch.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])

    Raises:
        CallError: a square larger than the picture, or padding over half of the square, which would see nothing else.
    """
    _check_padding(size, padding)
    squares = shifts(image, (size, size), stride or size, padding, dilation, fill=-torch.inf)
    return torch.stack([seen for _, _, seen in squares]).max(dim=0).values


def average_pool(image: Maps, size: int, stride: int | None = None, padding: int = 0) -> Pooled:
    """The mean of each square, zeros of the padding included: a convolution that has nothing to learn.

    Raises:
        CallError: a square larger than the picture, or padding over half of the square.
    """
    _check_padding(size, padding)
    return torch.stack([seen for _, _, seen in shifts(image, (size, size), stride or size, padding)]).mean(dim=0)


def global_average_pool(image: Maps) -> Float[Tensor, "batch maps"]:
    """One number for each map: how much of it there is, wherever; so the picture may have any size."""
    return image.mean(dim=(2, 3))


def _check(image: Tensor, weight: Tensor, groups: int) -> None:
    if groups < 1 or image.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise CallError(f"expected kernels of {image.shape[1]} channels in {groups} groups, came {tuple(weight.shape)}; a kernel "
                        "is (out, in / groups, height, width)")  # fmt: skip


def _check_padding(size: int, padding: int) -> None:
    if 2 * padding > size:
        raise CallError(f"expected padding of at most half the square's side, {size // 2}, came {padding}")
