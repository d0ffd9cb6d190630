"""Three hearts of a convolutional network: how large, how computed, how put together."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from learnable.course.exercise import Check, Exercise
from learnable.models.vision.lenet import LeNet

# ------------------------------------------------------------------------------------------------- output size


def output_size_stub(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    """How many places a kernel has along one side of a picture.

    Args:
        size: pixels along the side, before the padding.
        kernel: pixels that the kernel covers.
        padding: zeros that are laid on at each of the two ends.
        stride: the kernel moves by so many pixels at a time.

    >>> output_size(28, kernel=5, padding=2)
    28
    """
    raise NotImplementedError


def output_size(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def without_the_one(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    return (size + 2 * padding - kernel) // stride


def padded_once(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    return (size + padding - kernel) // stride + 1


def rounded_up(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    return -((size + 2 * padding - kernel) // -stride) + 1


def divided_first(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    return (size + 2 * padding - kernel + 1) // stride


def a_fraction(size: int, kernel: int, padding: int = 0, stride: int = 1) -> float:
    return (size + 2 * padding - kernel) / stride + 1


def counted(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    return len(range(0, size + 2 * padding - kernel + 1, stride))


def check_output_size(f: Any) -> Iterator[Check]:
    def one(name: str, size: int, kernel: int, padding: int, stride: int) -> Check:
        expected = len(range(0, size + 2 * padding - kernel + 1, stride))
        came = f(size, kernel, padding, stride)
        right = isinstance(came, int) and not isinstance(came, bool) and came == expected
        words = f"size={size}, kernel={kernel}, padding={padding}, stride={stride}"
        return Check(name, right, "" if right else f"{words}: expected {expected}, came {came!r}")

    def all_of(name: str, cases: list[tuple[int, int, int, int]]) -> Check:
        return next((found for case in cases if not (found := one(name, *case)).passed), Check(name, True))

    some = torch.randint(1, 8, (40, 2)).tolist()
    yield all_of("a kernel of 1 has a place at every pixel", [(size, 1, 0, 1) for size in (1, 5, 28)])
    yield all_of("a larger kernel has fewer places", [(10 + a, 1 + b, 0, 1) for a, b in some])
    yield all_of("padding counts at both ends", [(10 + a, 1 + b, a, 1) for a, b in some])
    yield all_of("a stride skips places, and a last step that does not fit is left out",
                 [(12 + a + c, 2 + b, c, 2 + b) for a, b in some for c in (0, 1, 2)])  # fmt: skip
    came = f(28, 5, 2, 1)
    yield Check("the answer is a whole number", isinstance(came, int), f"expected an int, came {came!r}")


# ------------------------------------------------------------------------------------------------- convolution


def convolve_stub(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """One map: the kernel laid over every place of the picture, multiplied, added up, plus the bias.

    No padding, stride 1. Nothing of torch.nn or torch.nn.functional; loops over the kernel's cells are fine.

    Args:
        image: (channels, height, width)
        kernel: (channels, k, l), one slice for each channel
        bias: a single number, shape ()

    Returns:
        (height - k + 1, width - l + 1)
    """
    raise NotImplementedError


def convolve(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    _, rows, columns = kernel.shape
    height, width = image.shape[1] - rows + 1, image.shape[2] - columns + 1
    total = torch.zeros(height, width) + bias
    for u in range(rows):
        for v in range(columns):
            weight = kernel[:, u, v, None, None]
            total = total + (weight * image[:, u : u + height, v : v + width]).sum(dim=0)
    return total


def flipped(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return convolve(image, kernel.flip(1, 2), bias)


def first_channel_only(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return convolve(image[:1], kernel[:1], bias)


def without_bias(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return convolve(image, kernel, 0 * bias)


def bias_for_each_cell(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return convolve(image, kernel, bias * kernel[0].numel())


def bias_without_its_sign(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return convolve(image, kernel, bias.abs())


def mean_for_sum(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return convolve(image, kernel / kernel.numel(), bias)


def one_place_too_few(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return convolve(image, kernel, bias)[:-1, :-1]


def square_kernels_only(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    k = kernel.shape[1]
    square = F.pad(kernel, (0, max(0, k - kernel.shape[2])))[:, :, :k]
    patches = image.unfold(1, k, 1).unfold(2, k, 1)
    return (patches * square[:, None, None]).sum(dim=(0, 3, 4)) + bias


def by_numbers(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return convolve(image.detach(), kernel.detach(), bias.detach())


def transposed(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return (
        convolve(image, kernel.transpose(1, 2), bias)
        if kernel.shape[1] == kernel.shape[2]
        else convolve(image, kernel, bias)
    )


def by_unfolding(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    patches = image.unfold(1, kernel.shape[1], 1).unfold(2, kernel.shape[2], 1)
    return (patches * kernel[:, None, None]).sum(dim=(0, 3, 4)) + bias


def place_by_place(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    _, k, w = kernel.shape
    rows = [
        torch.stack([(image[:, i : i + k, j : j + w] * kernel).sum() + bias for j in range(image.shape[2] - w + 1)])
        for i in range(image.shape[1] - k + 1)
    ]
    return torch.stack(rows)


def check_convolve(f: Any) -> Iterator[Check]:
    def truth(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(image[None], kernel[None], bias[None])[0, 0]

    def same(name: str, image: Tensor, kernel: Tensor, bias: Tensor, words: str = "") -> Check:
        expected, came = truth(image, kernel, bias), f(image, kernel, bias)
        if not isinstance(came, Tensor):
            return Check(name, False, f"expected a tensor, came {type(came).__name__}")
        if came.shape != expected.shape:
            shapes = f"image {tuple(image.shape)}, kernel {tuple(kernel.shape)}"
            return Check(name, False, f"{shapes}: expected shape {tuple(expected.shape)}, came {tuple(came.shape)}")
        right = torch.allclose(came, expected, atol=1e-4)
        example = f"image\n{rounded(image)}\nkernel\n{rounded(kernel)}\nbias {float(bias):.1f}\nexpected\n{rounded(expected)}\ncame\n{rounded(came)}"
        return Check(name, right, "" if right else words + example)

    none = torch.tensor(0.0)
    picture = torch.randint(-3, 4, (1, 3, 3)).float()
    yield same("a kernel of a single 1 gives the picture back", picture, torch.ones(1, 1, 1), none)
    rows, columns = torch.randint(1, 4, (2,)).tolist()
    image, kernel = torch.ones(1, 4 + rows, 8 + columns), torch.ones(1, rows, rows + columns)
    came = f(image, kernel, none)
    shape, wanted = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__, (5, 9 - rows)
    yield Check("the map has height - k + 1 rows and width - l + 1 columns", shape == wanted,
                f"image {tuple(image.shape)}, kernel {tuple(kernel.shape)}: expected shape {wanted}, came {shape}")  # fmt: skip
    yield same("all products are added up, their mean is not taken", torch.ones(1, 2, 2), torch.ones(1, 2, 2), none)
    lonely = torch.zeros(1, 3, 3)
    lonely[0, 0, 2] = 1.0
    kernel = torch.arange(1.0, 5.0).view(1, 2, 2)
    yield same("the kernel is laid on as it is, neither turned nor transposed", lonely, kernel, none)
    yield same(
        "every channel adds its share",
        torch.randint(-2, 3, (3, 2, 3)).float(),
        torch.randint(-2, 3, (3, 2, 2)).float(),
        none,
    )
    yield same("the bias is added once to each number", torch.zeros(1, 3, 3), torch.ones(1, 2, 2), torch.tensor(-5.0))
    yield same("kernels need not be square", torch.randn(2, 5, 6), torch.randn(2, 1, 4), torch.randn(()))
    yield same("any picture, any kernel", torch.randn(3, 9, 7), torch.randn(3, 4, 3), torch.randn(()))
    image, kernel, bias = torch.randn(2, 6, 5), torch.randn(2, 3, 2), torch.randn(())
    inputs = [one.clone().requires_grad_() for one in (image, kernel, bias)]
    weight = torch.randn(4, 4)
    expected = torch.autograd.grad((weight * truth(*inputs)).sum(), inputs)
    came = f.gradient(image, kernel, bias, wrt=(0, 1, 2), upstream=weight)
    right = all(isinstance(got, Tensor) and got.shape == wanted.shape and torch.allclose(got, wanted, atol=1e-3)
                for got, wanted in zip(came, expected, strict=True))  # fmt: skip
    yield Check("gradients flow to picture, kernel and bias", right,
                "" if right else "no gradient, or another one: do not leave torch (`.item()`, `.detach()`, NumPy) on the way")  # fmt: skip


def rounded(values: Tensor) -> str:
    rows = values.tolist()
    if values.ndim == 3:
        return (
            "\n".join(f"channel {at + 1}: {rounded(one)}" for at, one in enumerate(values))
            if len(values) > 1
            else rounded(values[0])
        )
    return "[" + ", ".join("[" + " ".join(f"{x:.4g}" for x in row) + "]" for row in rows) + "]"


# ------------------------------------------------------------------------------------------------- forward pass


def forward_stub(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """LeNet from its weights: pictures in, a score for each class out.

    Use torch.nn.functional (F): conv2d, max_pool2d, relu, linear.

    Args:
        image: (batch, 1, 28, 28)
        weights: "c1.weight" (6, 1, 5, 5), "c1.bias" (6), "c3.weight" (16, 6, 5, 5), "c3.bias" (16),
            "c5.weight" (120, 400), "c5.bias" (120), "f6.weight" (84, 120), "f6.bias" (84),
            "output.weight" (classes, 84), "output.bias" (classes)

    Returns:
        logits (batch, classes)
    """
    raise NotImplementedError


def forward(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    x = F.relu(F.conv2d(image, weights["c1.weight"], weights["c1.bias"], padding=2))
    x = F.max_pool2d(x, 2)
    x = F.relu(F.conv2d(x, weights["c3.weight"], weights["c3.bias"]))
    x = F.max_pool2d(x, 2)
    x = F.relu(F.linear(x.flatten(1), weights["c5.weight"], weights["c5.bias"]))
    x = F.relu(F.linear(x, weights["f6.weight"], weights["f6.bias"]))
    return F.linear(x, weights["output.weight"], weights["output.bias"])


def _variant(image: Tensor, weights: dict[str, Tensor], **how: Any) -> Tensor:
    """The forward pass with one mistake, for the mutants."""
    pool = how.get("pool", F.max_pool2d)
    first = how.get("first", F.relu)
    x = pool(first(F.conv2d(image, weights["c1.weight"], weights["c1.bias"], padding=how.get("padding", 2))), 2)
    x = pool(F.relu(F.conv2d(x, weights["c3.weight"], weights["c3.bias"])), 2)
    x = x.transpose(1, 3) if how.get("channels_last") else x
    x = how.get("fifth", F.relu)(F.linear(x.flatten(1), weights["c5.weight"], weights["c5.bias"]))
    x = how.get("sixth", F.relu)(F.linear(x, weights["f6.weight"], weights["f6.bias"]))
    return how.get("last", nothing)(F.linear(x, weights["output.weight"], weights["output.bias"]))


def nothing(x: Tensor) -> Tensor:
    return x


def softmax_at_the_end(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return _variant(image, weights, last=lambda x: x.softmax(-1))


def relu_at_the_end(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return _variant(image, weights, last=F.relu)


def means_for_maxima(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return _variant(image, weights, pool=F.avg_pool2d)


def no_relu_after_c1(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return _variant(image, weights, first=nothing)


def no_relu_after_c5(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return _variant(image, weights, fifth=nothing)


def no_relu_after_f6(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return _variant(image, weights, sixth=nothing)


def without_padding(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return _variant(image, weights, padding=0)


def flattened_the_wrong_way(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return _variant(image, weights, channels_last=True)


def always_ten(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return F.pad(forward(image, weights)[:, :10], (0, max(0, 10 - weights["output.bias"].shape[0])))


def pooled_before_relu(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    x = F.relu(F.max_pool2d(F.conv2d(image, weights["c1.weight"], weights["c1.bias"], padding=2), 2))
    x = torch.clamp(F.conv2d(x, weights["c3.weight"], weights["c3.bias"]), min=0)
    x = F.max_pool2d(x, 2).reshape(len(image), -1)
    x = (x @ weights["c5.weight"].T + weights["c5.bias"]).relu()
    x = (x @ weights["f6.weight"].T + weights["f6.bias"]).relu()
    return x @ weights["output.weight"].T + weights["output.bias"]


def without_gradients(image: Tensor, weights: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return forward(image, weights)


def check_forward(f: Any) -> Iterator[Check]:
    def network(classes: int = 10) -> LeNet:
        model = LeNet(classes)
        for parameter in model.parameters():  # larger than at the start, so that each part shows in the result
            torch.nn.init.normal_(parameter, std=0.3)
        return model

    def values(model: LeNet) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in model.state_dict().items()}

    model, image = network(), torch.rand(3, 1, 28, 28)
    came = f(image, values(model))
    shape = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__
    yield Check("ten scores for each picture", shape == (3, 10), f"3 pictures: expected shape (3, 10), came {shape}")
    if shape != (3, 10):
        return
    expected = model(image).detach()
    by_hand = {
        "the end is a score, not yet a probability": lambda: _variant(image, values(model), last=lambda x: x.softmax(-1)),
        "scores may be negative: no ReLU at the end": lambda: _variant(image, values(model), last=F.relu),
        "each 2×2 square leaves its maximum": lambda: _variant(image, values(model), pool=F.avg_pool2d),
        "a ReLU follows c1": lambda: _variant(image, values(model), first=nothing),
        "a ReLU follows c5": lambda: _variant(image, values(model), fifth=nothing),
        "a ReLU follows f6": lambda: _variant(image, values(model), sixth=nothing),
        "maps are flattened map after map, row after row": lambda: _variant(image, values(model), channels_last=True),
    }  # fmt: skip
    for name, mistake in by_hand.items():
        made = torch.allclose(came, mistake(), rtol=1e-3, atol=1e-3)
        yield Check(name, not made, "the scores are exactly what comes out with this mistake" if made else "")
    right = torch.allclose(came, expected, rtol=1e-3, atol=1e-3)
    example = f"first picture: expected {rounded(expected[:1])}, came {rounded(came[:1])}"
    yield Check("the scores are LeNet's", right, "" if right else example)
    weights = {name: tensor.clone() for name, tensor in values(model).items()}
    upstream = torch.randn(3, 10)
    inputs = image.clone().requires_grad_()
    wanted = torch.autograd.grad((upstream * forward(inputs, weights)).sum(), inputs)[0]
    slope = f.gradient(image, weights, wrt=0, upstream=upstream)
    right = isinstance(slope, Tensor) and torch.allclose(
        slope, wanted, rtol=1e-2, atol=1e-2 * float(wanted.abs().max())
    )
    yield Check("gradients flow back to the picture", right,
                "" if right else "no gradient, or another one: without it nothing before this could be trained (no_grad, detach?)")  # fmt: skip
    few = network(classes=4)
    came = f(image[:1], values(few))
    shape = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__
    right = shape == (1, 4) and torch.allclose(came, few(image[:1]).detach(), rtol=1e-3, atol=1e-3)
    yield Check(
        "any number of classes and of pictures", right, f"1 picture, 4 classes: expected shape (1, 4), came {shape}"
    )


EXERCISES = (
    Exercise(
        name="output_size",
        title="How large is what comes out?",
        task="""
            Write the number of places that a kernel has along one side of a picture. It decides every shape in a
            convolutional network, and most first crashes come from getting it wrong.
            """,
        stub=output_size_stub,
        solution=output_size,
        why="The kernel's first cell can lie on pixel 0, stride, 2·stride, … and must leave room for the other kernel - 1 cells. Floor division leaves out the last step that does not fit; the + 1 is the place at which it starts.",
        hints=(
            "Take 5 pixels and a kernel of 3. Where can the kernel's first cell lie? How many places are these?",
            "Without padding and stride there are size - kernel + 1 places. Padding makes the picture longer at both ends.",
            "Of the size + 2·padding - kernel steps to the right only every stride-th is taken; floor division counts these, and the starting place comes on top.",
        ),
        mutants={
            "forgot the starting place": (without_the_one, "a kernel of 1 has a place at every pixel"),
            "padding at one end only": (padded_once, "padding counts at both ends"),
            "rounded up": (rounded_up, "a stride skips places, and a last step that does not fit is left out"),
            "divided the places, not the steps": (divided_first, "a stride skips places, and a last step that does not fit is left out"),
            "a fraction": (a_fraction, "a kernel of 1 has a place at every pixel"),
        },
        others={"counted with range": counted},
        check=check_output_size,
    ),
    Exercise(
        name="convolve",
        title="A convolution with nothing but sums",
        task="""
            Write the sum of this page: lay the kernel over every place of the picture, multiply, add up over rows, columns and
            channels, add the bias. Two loops over the kernel's cells are enough; the places can be done all at once.
            """,
        stub=convolve_stub,
        solution=convolve,
        why="The loops run over the 25 cells of the kernel, not over the places: for a fixed cell the pixels below it, over all places, are a window of the picture. So 25 multiplications of whole maps do it, and autograd follows them.",
        hints=(
            "Write it for one place first: which slice of the picture lies below the kernel at row i, column j?",
            "Turn it around: fix a cell (u, v) of the kernel. Which pixels does it meet, over all places? They are a rectangle as large as the map.",
            "total += (kernel[:, u, v, None, None] * image[:, u:u+height, v:v+width]).sum(dim=0), with height and width those of the map.",
        ),
        mutants={
            "kernel turned by 180°": (flipped, "the kernel is laid on as it is, neither turned nor transposed"),
            "kernel transposed": (transposed, "the kernel is laid on as it is, neither turned nor transposed"),
            "mean in place of sum": (mean_for_sum, "all products are added up, their mean is not taken"),
            "one place too few": (one_place_too_few, "a kernel of a single 1 gives the picture back"),
            "first channel only": (first_channel_only, "every channel adds its share"),
            "no bias": (without_bias, "the bias is added once to each number"),
            "bias without its sign": (bias_without_its_sign, "the bias is added once to each number"),
            "bias added in the loop": (bias_for_each_cell, "the bias is added once to each number"),
            "square kernels only": (square_kernels_only, "the map has height - k + 1 rows and width - l + 1 columns"),
            "cut off from the graph": (by_numbers, "gradients flow to picture, kernel and bias"),
        },
        others={"by unfolding": by_unfolding, "place by place": place_by_place},
        check=check_convolve,
    ),
    Exercise(
        name="forward",
        title="The whole network, from a dictionary",
        task="""
            Put LeNet together by hand: pictures and the dictionary of its weights in, scores out. It is what `model(image)` does, without a class.
            """,
        stub=forward_stub,
        solution=forward,
        why="c1 pads by two, so that 28 pixels stay 28 and the paper's 32×32 field is imitated. The last layer has no activation: cross-entropy wants scores that may be anything.",
        hints=(
            "Which layers have weights? What happens between them, and where does the picture stop being a picture?",
            "conv2d (c1 with padding=2), relu, max_pool2d by 2; the same with c3; flatten from dimension 1 on; three times linear.",
            "x = F.max_pool2d(F.relu(F.conv2d(image, weights['c1.weight'], weights['c1.bias'], padding=2)), 2); at the end F.linear without a relu.",
        ),
        mutants={
            "softmax at the end": (softmax_at_the_end, "the end is a score, not yet a probability"),
            "relu at the end": (relu_at_the_end, "scores may be negative: no ReLU at the end"),
            "means for maxima": (means_for_maxima, "each 2×2 square leaves its maximum"),
            "no relu after c1": (no_relu_after_c1, "a ReLU follows c1"),
            "no relu after c5": (no_relu_after_c5, "a ReLU follows c5"),
            "no relu after f6": (no_relu_after_f6, "a ReLU follows f6"),
            "no padding": (without_padding, "it runs to its end"),
            "flattened the wrong way": (flattened_the_wrong_way, "maps are flattened map after map, row after row"),
            "cut off from the graph": (without_gradients, "gradients flow back to the picture"),
            "ten classes built in": (always_ten, "any number of classes and of pictures"),
        },
        others={"pooled before the relu, with @": pooled_before_relu},
        check=check_forward,
    ),
)  # fmt: skip
