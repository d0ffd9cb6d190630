"""Weights in the order in which a CPU reads them soonest, while a model writes one token at a time.

With one row there is nothing to compute with a weight but one product, so a layer takes as long as its weights take to come
from memory, and `F.linear` brings a row-by-row matrix at half the speed that the memory has. oneDNN reads a matrix that was laid
out in its own blocks two to four times as fast. Layers that are asked about the same input, as query, key and value are, become
one matrix, since a long read is faster than three short ones. The packed copy is made once for a model; the model itself is
not touched.

With `int8` the copy has weights of one byte, so there is a quarter as much to bring: each output's weights are divided by
their largest, over 127, and rounded. That changes the numbers, a little, and so it is never done unasked. Which kernel computes
with them is the machine's matter: where the processor has products of bytes (AVX512-VNNI) and no bfloat16, activations too are
rounded to bytes, row by row; where it has bfloat16, or AVX2 to widen it with, activations are bfloat16; elsewhere the bytes
become numbers again, which saves nothing.

Paper    Dettmers et al. 2022, section 2.1 (absmax, row by row) - https://arxiv.org/abs/2208.07339
Differs  no outliers are kept apart
"""

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeGuard

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.errors import CallError

FEW = 8  # rows; with more of them there is enough to compute
WORTH = 1 << 20  # weights; a smaller model stays in the processor's cache, however it is laid out
MANY = 16  # new tokens, for which packing the weights is worth its time
SAMPLE = 64  # numbers of each weight that are looked at, to see whether it has changed
SEVERAL = 16  # rows; with more of them weights of one byte are sooner multiplied as ordinary numbers
BLOCK = 32  # numbers of a row that the products of bytes with bfloat16 take at a time

ALIKE = (("to_query", "to_key", "to_value"), ("gate", "up"))  # layers of one module that are asked about the same input

Linear = Callable[[Tensor], Tensor]
Key = tuple[int, str]  # whose function, by its id, and the function's name
Pack = Callable[[Sequence[Tensor], Tensor | None], Linear]  # matrices, one below the other, and the bias of all of them
_kept: "weakref.WeakKeyDictionary[nn.Module, dict[bool, tuple[tuple[Any, ...], Any]]]" = weakref.WeakKeyDictionary()
_turning = threading.Lock()  # held while functions are put in or taken out


class _Here(threading.local):
    """What the thread that asks computes with."""

    twins: Mapping[Key, Linear] = {}


_here = _Here()


def fastest(model: Any, count: int, *, int8: bool = False) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """What to put around each pass while `count` tokens are written; nothing where nothing is gained.

    Args:
        int8: weights of one byte, whatever the count.

    Raises:
        CallError: int8 for a model that is not on a CPU, in float32 or bfloat16.
    """
    if int8:
        weights = {(weight.device.type, weight.dtype) for weight in model.parameters()}
        if not weights <= {("cpu", torch.float32), ("cpu", torch.bfloat16)}:
            raise CallError("expected a model on a CPU, in float32 or bfloat16, for weights of one byte, came "
                            + ", ".join(f"{device} {dtype}" for device, dtype in sorted(weights, key=str)))  # fmt: skip
        return partial(Packed.of(model, int8=True).active, model)
    return partial(Packed.of(model).active, model) if count >= MANY and can_pack(model) else contextlib.nullcontext


def can_pack(model: nn.Module) -> bool:
    """Whether this machine and this model gain by it: a CPU that oneDNN knows, float32 or bfloat16, and enough weights."""
    weights = list(model.parameters())
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    if torch.is_autocast_enabled("cpu") or {weight.device.type for weight in weights} != {"cpu"}:
        return False
    kinds = {weight.dtype for weight in weights}
    known = kinds == {torch.float32} or (kinds == {torch.bfloat16} and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return known and sum(weight.numel() for weight in weights) >= WORTH


class Switch:
    """What stands in the place of a function while any thread computes packed: in such a thread its twin, else itself."""

    def __init__(self, key: Key, plain: Linear, own: bool):
        self.key, self.plain, self.own = key, plain, own  # `own`: it stood in the object, and has to be put back
        self.users = 0

    def __call__(self, x: Tensor) -> Tensor:
        return _here.twins.get(self.key, self.plain)(x)


class Packed:
    """A model's linear layers and its head, packed. Entered around a pass, they take the place of the plain ones."""

    def __init__(self, model: Any, pack: Pack):
        groups = [layers for module in model.modules() for names in ALIKE if (layers := alike(module, names))]
        grouped = {layer for layers in groups for layer in layers}
        groups += [[layer] for layer in model.modules() if is_plain(layer) and layer not in grouped]
        # Whose function, its name, its twin. None is the model itself: to hold it would keep it in memory for ever.
        self.swaps: list[tuple[nn.Module | None, str, Linear]] = []
        for layers in groups:
            weights = [layer.weight for layer in layers]
            linear = pack(weights, None if layers[0].bias is None else torch.cat([layer.bias for layer in layers]))
            parts = [linear] if len(layers) == 1 else together(linear, [len(weight) for weight in weights])
            self.swaps += [(layer, "forward", part) for layer, part in zip(layers, parts, strict=True)]
        own = not isinstance(model.__dict__.get("head"), Switch | None)
        if getattr(model, "unembed", None) is None and not own:  # the head is the token embedding, no layer of its own
            self.swaps.append((None, "head", pack([model.token.weight], None)))

    @classmethod
    def of(cls, model: Any, *, int8: bool = False) -> "Packed":
        """Packed now, or before and not changed since."""
        state = tuple(mark(weight) for weight in model.parameters())
        kept = _kept.setdefault(model, {})
        if int8 not in kept or kept[int8][0] != state:
            kept[int8] = (state, cls(model, byte_linear() if int8 else packed_linear))
        return kept[int8][1]

    @contextlib.contextmanager
    def active(self, model: Any) -> Iterator[None]:
        """Until the end of the block this thread computes with the packed weights; without gradients."""
        swaps = [(model if owner is None else owner, name, twin) for owner, name, twin in self.swaps]
        before = _here.twins
        with _turning:
            for owner, name, _ in swaps:
                there = owner.__dict__.get(name)
                if not isinstance(there, Switch):
                    there = Switch((id(owner), name), getattr(owner, name), name in owner.__dict__)
                    owner.__dict__[name] = there
                there.users += 1
        _here.twins = {**before, **{(id(owner), name): twin for owner, name, twin in swaps}}
        try:
            yield
        finally:
            _here.twins = before
            with _turning:
                for owner, name, _ in swaps:
                    there = owner.__dict__[name]
                    there.users -= 1
                    if not there.users and there.own:
                        owner.__dict__[name] = there.plain
                    elif not there.users:
                        del owner.__dict__[name]


def mark(weight: Tensor) -> tuple[float, ...]:
    """What differs once a weight has changed: where it lies, how often it was written to, and some of its numbers, as who
    writes to `weight.data` is not counted."""
    some = weight.detach().flatten()[:: 1 + weight.numel() // SAMPLE]
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version, float(some.double().sum())


def is_plain(module: nn.Module | None) -> TypeGuard[nn.Linear]:
    """Whether it is a linear layer that does nothing else beside, as a subclass may, or a function put in its place."""
    if not isinstance(module, nn.Linear) or type(module).forward is not nn.Linear.forward:
        return False
    return isinstance(module.__dict__.get("forward"), Switch | None)


def alike(module: nn.Module, names: tuple[str, ...]) -> list[nn.Linear]:
    """The module's layers of these names, if it has them all and one matrix can stand for them; otherwise none.

    >>> alike(nn.ModuleDict({"gate": nn.Linear(4, 6), "up": nn.Linear(4, 8)}), ("gate", "up"))
    [Linear(in_features=4, out_features=6, bias=True), Linear(in_features=4, out_features=8, bias=True)]
    """
    children = dict(module.named_children())
    layers = [layer for name in names if is_plain(layer := children.get(name))]
    one = len({(layer.in_features, layer.bias is None, layer.weight.dtype) for layer in layers}) == 1
    return layers if one and len(layers) == len(names) else []


def together(linear: Linear, sizes: Sequence[int]) -> list[Linear]:
    """A function for each part of what `linear` gives; whichever is called first about an input computes it for all.

    What was given out is not kept: of a long prompt it is large, and there are many layers.
    """
    last: list[tuple[Tensor, dict[int, Tensor]]] = []

    def part(number: int, x: Tensor) -> Tensor:
        asked = last[:]  # one look, as another thread may write in the meantime
        if not asked or asked[0][0] is not x or number not in asked[0][1]:
            asked = [(x, dict(enumerate(linear(x).split(sizes, dim=-1))))]
            last[:] = asked
        given = asked[0][1].pop(number)
        if not asked[0][1]:
            last.clear()
        return given

    return [partial(part, number) for number in range(len(sizes))]


def packed_linear(weights: Sequence[Tensor], bias: Tensor | None) -> Linear:
    """`F.linear` with these weights, for few rows from a packed copy."""
    with torch.no_grad():
        packed = torch.ops.mkldnn._reorder_linear_weight(torch.cat([weight.detach() for weight in weights]), 1)
    return partial(_linear, weights, packed, bias)


def _linear(weights: Sequence[Tensor], packed: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    if x.numel() <= FEW * x.shape[-1]:
        return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    if len(weights) == 1:
        return F.linear(x, weights[0], bias)
    y = torch.cat([F.linear(x, weight) for weight in weights], dim=-1)
    return y if bias is None else y + bias


def to_bytes(weight: Float[Tensor, "out in"]) -> tuple[Int8[Tensor, "out in"], Float[Tensor, "out"]]:
    """Whole numbers from -127 to 127, and what each row of them has to be multiplied by.

    >>> to_bytes(torch.tensor([[0.5, -1.0], [0.0, 0.0]]))[0].tolist()
    [[64, -127], [0, 0]]
    """
    weight = weight.detach().float()
    scale = weight.abs().amax(dim=1).clamp(min=1e-30) / 127
    return (weight / scale[:, None]).round().to(torch.int8), scale


def byte_linear() -> Pack:
    """The way of computing with bytes that this machine is best at."""
    bfloat16 = hasattr(torch, "_weight_int8pack_mm")
    if bfloat16 and torch.cpu._is_avx512_bf16_supported():
        return bytes_times_bfloat16
    if torch.cpu._is_vnni_supported() and hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return bytes_times_bytes
    return bytes_times_bfloat16 if bfloat16 and torch.cpu._is_avx2_supported() else bytes_as_numbers


def bytes_as_numbers(weights: Sequence[Tensor], bias: Tensor | None) -> Linear:
    """The rounded weights as ordinary numbers: what the others compute, the slow way."""
    whole, scale = to_bytes(torch.cat([weight.detach() for weight in weights]))
    return lambda x: F.linear(x, (whole * scale[:, None]).to(x.dtype), bias)


def bytes_times_bfloat16(weights: Sequence[Tensor], bias: Tensor | None) -> Linear:
    """Activations in bfloat16, but for those of a prompt: the kernel is made for few rows.

    It reads whole blocks of a row, also past its end; so rows are filled up with zeros.
    """
    whole, scale = to_bytes(torch.cat([weight.detach() for weight in weights]))
    width, short = whole.shape[1], scale.bfloat16()
    whole = F.pad(whole, (0, -width % BLOCK))

    def linear(x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        if len(rows) > SEVERAL:
            y = F.linear(rows, whole[:, :width].to(x.dtype)).mul_(scale.to(x.dtype))
        else:
            rows = F.pad(rows.bfloat16(), (0, whole.shape[1] - width)).contiguous()
            y = torch._weight_int8pack_mm(rows, whole, short).to(x.dtype)
        return (y if bias is None else y + bias).unflatten(0, x.shape[:-1])

    return linear


def bytes_times_bytes(weights: Sequence[Tensor], bias: Tensor | None) -> Linear:
    """Activations rounded to bytes as well, each row by its own largest; sums of products are whole numbers, and exact."""
    whole, scale = to_bytes(torch.cat([weight.detach() for weight in weights]))
    packed = torch.ops.onednn.qlinear_prepack(whole, None)
    zeros = torch.zeros(len(whole), dtype=torch.int64)

    def linear(x: Tensor) -> Tensor:
        rows = x.flatten(0, -2).float()
        largest = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-30)
        # The kernel wants bytes from 0 to 255, with 128 for zero.
        numbers = (rows * (127 / largest)).round_().add_(128).to(torch.uint8)
        y = torch.ops.onednn.qlinear_pointwise(
            numbers, 1.0, 128, packed, scale, zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        y = y * (largest / 127)
        return (y if bias is None else y + bias).to(x.dtype).unflatten(0, x.shape[:-1])

    return linear
