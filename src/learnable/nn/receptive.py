r"""Receptive fields: the pixels that a unit of a network can see, by rule and by gradient.

By rule: each layer has a window. Through a layer whose kernel spans `span` pixels and whose places are `stride` apart,

    size  <- size + (span - 1) * jump        jump <- jump * stride        start <- start - padding * jump

so sizes add up and steps multiply. Where branches meet, in a sum or beside each other, the unit sees what any of them sees.
By gradient: a pixel is seen if moving it moves the unit; how strongly it does is the *effective* field, which is
much smaller, and round.

Paper    Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks" - https://distill.pub/2019/computing-receptive-fields
         Luo, Li, Urtasun & Zemel 2016, "Understanding the effective receptive field" - https://arxiv.org/abs/1701.04128
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.activations import as_map, parts, watch


@dataclass(frozen=True)
class Field:
    """What units see along one side of the picture: unit number n the pixels from `start + n * jump`, `size` of them.

    >>> Field().through(span=3, stride=1, padding=1).through(span=3, stride=2, padding=1)
    Field(size=5, jump=2, start=-2)
    """

    size: int = 1
    jump: int = 1
    start: int = 0

    def through(self, span: int, stride: int, padding: int) -> "Field":
        """The field of the units behind a layer with such a window."""
        return Field(self.size + (span - 1) * self.jump, self.jump * stride, self.start - padding * self.jump)

    def joined(self, other: "Field") -> "Field":
        """The field of a unit that hears both."""
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return Field(end - start, self.jump, start)

    def pixels(self, unit: int, side: int) -> range:
        """Those of the pixels that lie in the picture and not in the padding."""
        first = self.start + unit * self.jump
        return range(max(0, first), min(side, first + self.size))


Fields = tuple[Field, Field] | None  # down and across; None: everything
POINTWISE = {
    "relu", "relu_", "relu6", "hardtanh", "hardtanh_", "hardswish", "hardswish_", "hardsigmoid", "silu", "silu_", "gelu",
    "sigmoid", "tanh", "batch_norm", "dropout", "dropout_", "clone", "contiguous", "to", "add", "add_", "mul", "mul_", "sub",
    "rsub", "div", "pow", "getitem", "identity", "alias", "detach", "feature_dropout", "channel_shuffle",
}  # fmt: skip
# What joins, cuts or turns along axes that it names, and what counts the same numbers in other rows.
ALONG = {"cat", "stack", "chunk", "split", "split_with_sizes", "unbind", "select", "transpose"}
REGROUPED = {"flatten", "unflatten", "view", "reshape", "unsqueeze"}


def receptive_field(model: nn.Module, name: str, *inputs: Tensor) -> tuple[Field, Field]:
    """By rule: what the units of the part `name` see, down and across, found by following the layers of any model.

    The model is traced in the mode it is in: batch norm in training mode sees all of every picture, so call `.eval()` first.

    Args:
        inputs: pictures of the size in question; their numbers do not matter.

    Raises:
        CallError: no such part; or a part whose units may see everything, as behind a dense layer or an attention.

    >>> from learnable.models.vision.resnet import RESNETS, ResNet
    >>> model = ResNet(RESNETS["resnet18"][0]).eval()
    >>> receptive_field(model, "stages.0", torch.zeros(1, 3, 64, 64))[0]
    Field(size=43, jump=4, start=-21)
    """
    name = _one(model, name)
    graph = torch.export.export(model, inputs, strict=False).graph
    fields: dict[Any, Fields] = {}
    found: Fields = None
    inside = False
    for node in graph.nodes:
        if node.op == "placeholder" and _flat(node):
            fields[node] = (Field(), Field())
        elif node.op == "call_function":
            fields[node] = _behind(node, fields)
            if any(path == name for path, _ in node.meta.get("nn_module_stack", {}).values()):
                found, inside = fields[node], True
    if not inside:
        raise CallError(f"{name} computes nothing for this input, so it has no receptive field")
    if found is None:
        raise CallError(f"the units of {name} may see the whole picture; an operation in it or in front of "
                        "it mixes all places, or is none that the rule knows; `sensitivity` measures instead")  # fmt: skip
    return found


def sensitivity(
    model: nn.Module, image: Float[Tensor, "batch channels height width"], name: str, unit: tuple[int, int]
) -> Float[Tensor, "height width"]:
    """By gradient: how much each pixel moves the unit in row and column `unit` of a part, over all of its maps and pictures.

    A single picture shows what moves it there: a ReLU may be shut, a maximum listens to its winner alone. Over some
    random pictures every pixel that can move it does, and the rectangle of those is `receptive_field`.

    Raises:
        CallError: no such part; it gives no maps, or they have no such unit.
    """
    image = image.detach().clone().requires_grad_()
    name = _one(model, name)
    with torch.enable_grad(), watch(model, [name]) as seen:
        model(image)
        maps = as_map(model, name, seen[name])
        if maps.dim() != 4 or not all(0 <= place < side for place, side in zip(unit, maps.shape[2:], strict=True)):
            raise CallError(f"expected a unit of maps, came {unit} in what {name} gives, of shape {tuple(maps.shape)}")
        chosen = maps[:, :, unit[0], unit[1]]
        weights = torch.linspace(1, 2, chosen[0].numel(), dtype=chosen.dtype, device=chosen.device)
        (gradient,) = torch.autograd.grad((chosen * weights).sum(), image)
    return gradient.abs().sum(dim=(0, 1))


def _one(model: nn.Module, name: str) -> str:
    found = parts(model, name)
    if len(found) > 1:
        raise CallError(
            f"expected the name of one part, came {name!r}, which fits {len(found)}: {', '.join(found[:6])}"
        )
    return found[0]


def _flat(node: Any) -> bool:
    """Whether this input is pictures; the others are weights."""
    value = node.meta.get("val")
    return isinstance(value, Tensor) and not node.name.startswith(("p_", "b_", "c_")) and value.dim() == 4


def _behind(node: Any, fields: dict[Any, Fields]) -> Fields:
    """The rule of one operation."""
    operation = node.target.__name__.partition(".")[0] if hasattr(node.target, "__name__") else str(node.target)
    heard = [fields[source] for source in node.all_input_nodes if source in fields]
    if not heard or any(field is None for field in heard):
        return None
    if operation == "batch_norm" and node.args[5]:  # in training mode it hears all places of all pictures
        return None
    down, across = heard[0] or (Field(), Field())
    if operation in ("conv2d", "max_pool2d", "avg_pool2d"):
        window = _window(operation, node)
        (a, b) = (field.through(*side) for field, side in zip((down, across), window, strict=True))
        return a, b
    if operation == "pad" and _given(node)["mode"] == "constant":
        left, _, top, _ = [*_given(node)["pad"], 0, 0][:4]
        return down.through(1, 1, top), across.through(1, 1, left)
    if operation == "slice":
        window = _step(node)
        return down.through(*window[0]), across.through(*window[1])
    if (
        not _in_place(operation, node)
        or len({_sides(source) for source in node.all_input_nodes if source in fields}) > 1
    ):
        return None  # it may look anywhere
    for other in heard[1:]:
        assert other is not None
        down, across = down.joined(other[0]), across.joined(other[1])
    return down, across


def _in_place(operation: str, node: Any) -> bool:
    """Whether each place of what comes out has heard the same place of what went in, whatever happens among the maps."""
    if operation in REGROUPED:  # row by row as before: where the last two axes are as long, they are the same
        return _sides(node) == _sides(node.args[0])
    if operation in ALONG:
        given, axes = _given(node), max(len(_shape(each)) for each in (node, *node.all_input_nodes))
        return all(given[key] % axes < axes - 2 for key in ("dim", "dim0", "dim1") if key in given)
    return operation in POINTWISE


def _given(node: Any) -> dict[str, Any]:
    """The arguments of an operation by their names."""
    schema = node.target._schema.arguments
    given = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    return given | {argument.name: value for argument, value in zip(schema, node.args, strict=False)} | node.kwargs


def _shape(node: Any) -> torch.Size:
    value = node.meta["val"]
    return (value if isinstance(value, Tensor) else value[0]).shape  # the pieces of a cut are a list


def _sides(node: Any) -> tuple[int, ...]:
    """How many places there are, down and across: pictures' last two axes."""
    return tuple(_shape(node)[-2:])


def _step(node: Any) -> list[tuple[int, int, int]]:
    """Span, stride and padding, down and across, of `x[..., first::step]`: a window of one place that leaves some out."""
    given, shape = _given(node), _shape(node.args[0])
    axis, first = given["dim"] % len(shape), given["start"] or 0
    first = max(first + shape[axis], 0) if first < 0 else first
    return [(1, given["step"], -first) if axis == place else (1, 1, 0) for place in (len(shape) - 2, len(shape) - 1)]


def _window(operation: str, node: Any) -> list[tuple[int, int, int]]:
    """Span, stride and padding of a layer, down and across."""
    given = _given(node)
    kernel = _sides(node.args[1]) if operation == "conv2d" else given["kernel_size"]
    stride = given["stride"] or kernel
    sides = []
    for side in range(2):
        k, s, p, d = (_side(value, side) for value in (kernel, stride, given["padding"], given.get("dilation", 1)))
        sides.append((d * (k - 1) + 1, s, p))
    return sides


def _side(value: Any, side: int) -> int:
    if isinstance(value, str):
        raise CallError(f"a layer with padding={value!r}: give its number, the rule adds up numbers")
    return int(value) if isinstance(value, int) else int(value[side if len(value) > 1 else 0])
