"""Weights in the order in which a CPU reads them soonest, while a model writes one token at a time.

With one row there is nothing to compute with a weight but one product, so a layer takes as long as its weights take to come
from memory, and `F.linear` brings a row-by-row matrix at half the speed that the memory has. oneDNN reads a matrix that was laid
out in its own blocks two to four times as fast. The packed copy is made once for a model; the model itself is not touched.
"""

import contextlib
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEW = 8  # rows; with more of them there is enough to compute
WORTH = 1 << 20  # weights; a smaller model stays in the processor's cache, however it is laid out

_kept: "weakref.WeakKeyDictionary[nn.Module, tuple[tuple[int, ...], Any]]" = weakref.WeakKeyDictionary()


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


class Packed:
    """A model's linear layers and its head, packed. Entered around a pass, they take the place of the plain ones."""

    def __init__(self, model: Any):
        layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
        self.swaps: list[tuple[Any, str, Callable[[Tensor], Tensor]]] = [
            (layer, "forward", packed_linear(layer.weight, layer.bias)) for layer in layers
        ]
        if getattr(model, "unembed", None) is None:  # the head is the token embedding, no layer of its own
            self.swaps.append((model, "head", packed_linear(model.token.weight, None)))

    @classmethod
    def of(cls, model: Any) -> "Packed":
        """Packed now, or before and not changed since."""
        state = tuple(number for weight in model.parameters() for number in (weight.data_ptr(), weight._version))
        if model not in _kept or _kept[model][0] != state:
            _kept[model] = (state, cls(model))
        return _kept[model][1]

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Until the end of the block the model computes with the packed weights; without gradients."""
        try:
            for owner, name, function in self.swaps:
                owner.__dict__[name] = function
            yield
        finally:
            for owner, name, _ in self.swaps:
                owner.__dict__.pop(name, None)


def packed_linear(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """`F.linear` with this weight, for few rows from a packed copy."""
    with torch.no_grad():
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), 1)
    return partial(_linear, weight, packed, bias)


def _linear(weight: Tensor, packed: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    if x.numel() > FEW * x.shape[-1]:
        return F.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
