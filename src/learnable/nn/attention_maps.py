r"""Who looks at whom, in any network that attends by torch's fused kernel, without changing it.

The kernel never stores its table of weights, so there is nothing to read out. But its arguments say all: while a model runs,
each call of the kernel is listened to, and the table is computed beside it from the same queries, keys and mask.

    attention_maps   the table of every attention layer
    rollout          what a token has seen by the end of a stack, straight and by way of others

Paper    Abnar & Zuidema 2020, "Quantifying attention flow in transformers", section 3 (rollout) - https://arxiv.org/abs/2005.00928
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from learnable.errors import CallError


def attention_maps(model: nn.Module, *inputs: Any, **more: Any) -> dict[str, Tensor]:
    """The weights of every attention layer for these inputs, by the name of the layer, without gradients.

    Each is (batch, heads, queries, keys), and its rows sum to one. A layer that is called several times has the last call.
    The model stays in the mode it is in. torch's own `nn.MultiheadAttention` hides its call of the kernel; it gives its weights
    itself, by `need_weights=True`.

    Raises:
        CallError: nothing in the model attends by `F.scaled_dot_product_attention`.

    >>> from learnable.nn.attention import SelfAttention
    >>> maps = attention_maps(nn.Sequential(SelfAttention(width=8, heads=2, causal=True)), torch.randn(1, 3, 8))
    >>> {name: tuple(table.shape) for name, table in maps.items()}
    {'0': (1, 2, 3, 3)}
    """
    listening = _Listening()
    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda _, __, name=name: listening.names.append(name)))
        handles.append(module.register_forward_hook(lambda *_: (listening.names.pop(), None)[1], always_call=True))
    try:
        with torch.no_grad(), listening:
            model(*inputs, **more)
    finally:
        for handle in handles:
            handle.remove()
    if not listening.seen:
        raise CallError(
            f"no part of {type(model).__name__} attends by torch's scaled_dot_product_attention, so there is nothing to see"
        )
    return listening.seen


class _Listening(TorchFunctionMode):
    """Hears every call of the kernel, and whose it is: the module that was entered last and not left."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.seen: dict[str, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.seen[self.names[-1]] = weights_of(*args, **kwargs)
        return func(*args, **kwargs)


def weights_of(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Float[Tensor, "... heads queries keys"]:
    """The table that the kernel does not store, from the kernel's own arguments; a row that may look nowhere is nought."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(ahead, -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(dim=-1).nan_to_num(0.0)


def rollout(
    maps: Mapping[str, Tensor] | Sequence[Float[Tensor, "batch heads tokens tokens"]],
) -> Float[Tensor, "batch tokens tokens"]:
    """How much of each first token is in each last one: the tables multiplied, each half attention and half the way around it.

    Only for a stack in which every layer attends to the same tokens (ViT, BERT, GPT), the first layer first.

    Raises:
        CallError: no tables, or tables of different sizes.

    >>> rollout([torch.eye(3).expand(1, 2, 3, 3)])[0]
    tensor([[1., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """
    tables = list(maps.values()) if isinstance(maps, Mapping) else list(maps)
    shapes = {(table.shape[0], *table.shape[2:]) for table in tables}
    if len(shapes) != 1 or len({table.shape[2] for table in tables} | {table.shape[3] for table in tables}) != 1:
        raise CallError(f"expected square tables of one size, one a layer, came {[tuple(t.shape) for t in tables] or 'none'}; "
                        "windows and memories have no rollout")  # fmt: skip
    seen = torch.eye(tables[0].shape[-1], dtype=tables[0].dtype, device=tables[0].device)
    for table in tables:
        seen = (
            0.5 * table.mean(dim=1) + 0.5 * torch.eye(table.shape[-1], dtype=table.dtype, device=table.device)
        ) @ seen
    return seen
