r"""Attention with many heads, in its general form: to itself or to something else, with as many keys per query as one likes.

    head_i   = attend(x W_i^Q, memory W_i^K, memory W_i^V)
    answer   = [head_1 ... head_h] W^O

One softmax looks for one thing. Several heads, each with a slice of the width, look for several at the same cost.

Where the keys and values come from something else than the queries, `memory`, this is cross-attention: a translation looks
at the sentence that it translates. And while a text is written token by token, the keys and values of all that was written
are kept in memory and read again for every token; so it pays to have fewer of them:

    key_heads = heads    multi-head attention (MHA)
    key_heads = 1        multi-query attention (MQA): all queries ask the same keys
    between              grouped-query attention (GQA): each group of heads / key_heads queries shares one

Paper    Vaswani et al. 2017, section 3.2.2 - https://arxiv.org/abs/1706.03762; MQA: Shazeer 2019 -
         https://arxiv.org/abs/1911.02150; GQA: Ainslie et al. 2023 - https://arxiv.org/abs/2305.13245
Letters  their d_model is our `width`, h `heads`, d_k and d_v `head_width`; GQA's H is our `heads`, G our `key_heads`
Differs  no dropout on the weights; masks are tables of True ("may look"); one who may look at nothing answers zero
Lesson   course/lessons/transformers/multi-head-attention
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.attention import as_table
from learnable.ops.rotary import rotate_halves

Turns = tuple[Tensor, Tensor]  # cosine and sine, each (batch or 1, 1, tokens, head_width / 2); see `ops.rotary`


def attend_heads(
    query: Float[Tensor, "batch heads queries width"],
    key: Float[Tensor, "batch key_heads keys width"],
    value: Float[Tensor, "batch key_heads keys value_width"],
    allowed: Bool[Tensor, "#batch #heads #queries #keys"] | None = None,
    bias: Float[Tensor, "#batch #heads #queries #keys"] | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "batch heads queries value_width"]:
    """Every head by itself, written out; `heads / key_heads` neighbors share the keys and values of one.

    Args:
        allowed: True where a query may look.
        bias: numbers that are added to the scores: what a place is worth, whatever is said there.
        causal: nobody looks ahead, in addition to `allowed`.
        scale: what scores are multiplied by; None: 1 / sqrt(width).

    >>> query, key, value = torch.randn(2, 4, 5, 8), torch.randn(2, 1, 5, 8), torch.randn(2, 1, 5, 8)
    >>> attend_heads(query, key, value, causal=True).shape
    torch.Size([2, 4, 5, 8])
    """
    group = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
    scores = query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale) @ key.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    hidden = torch.zeros_like(scores, dtype=torch.bool) if allowed is None else ~as_table(allowed)
    if causal:
        hidden = hidden | torch.ones_like(scores, dtype=torch.bool).triu(1)
    deaf = hidden.all(dim=-1, keepdim=True)
    scores = scores.masked_fill(hidden, -math.inf).masked_fill(deaf, 0.0)
    return scores.softmax(dim=-1).masked_fill(deaf, 0.0) @ value


def attend_heads_fast(
    query: Float[Tensor, "batch heads queries width"],
    key: Float[Tensor, "batch key_heads keys width"],
    value: Float[Tensor, "batch key_heads keys value_width"],
    allowed: Bool[Tensor, "#batch #heads #queries #keys"] | None = None,
    bias: Float[Tensor, "#batch #heads #queries #keys"] | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "batch heads queries value_width"]:
    """`attend_heads` by torch's fused kernel, which reads shared keys where they are instead of copying them."""
    grouped = query.shape[1] != key.shape[1]
    if allowed is None and bias is None:
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal, scale=scale, enable_gqa=grouped)
    if causal:  # the kernel takes one or the other
        past = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril()
        allowed = past if allowed is None else as_table(allowed) & past
    mask = None if allowed is None else as_table(allowed)
    if bias is not None:
        mask = (bias if mask is None else bias.masked_fill(~mask, -math.inf)).to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped)


class MultiHeadAttention(nn.Module):
    """Queries of `x`, keys and values of `x` or of a memory, answers back to `x`.

    >>> attention = MultiHeadAttention(width=16, heads=4, key_heads=2, causal=True)
    >>> attention(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    >>> MultiHeadAttention(width=16, heads=4, memory_width=24)(torch.randn(2, 5, 16), torch.randn(2, 9, 24)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        key_heads: int | None = None,  # None: as many as heads
        head_width: int | None = None,  # None: width / heads
        memory_width: int | None = None,  # of what keys, and values, are made from; None: width
        value_width: int | None = None,  # of what values are made from; None: as the keys
        biases: bool = True,
        out_biases: bool | None = None,  # None: as the others
        causal: bool = False,
        scale: float | None = None,  # of the scores; None: 1 / sqrt(head_width)
    ):
        super().__init__()
        key_heads = heads if key_heads is None else key_heads
        if heads < 1 or key_heads < 1 or heads % key_heads:
            raise CallError(f"expected heads that share the key heads evenly, came {heads} and {key_heads} key heads")
        if head_width is None and width % heads:
            raise CallError(f"expected a width that the heads divide evenly, came width {width} and {heads} heads; or say "
                            "which head_width they have")  # fmt: skip
        self.heads = heads
        self.key_heads = key_heads
        self.head_width = head_width = width // heads if head_width is None else head_width
        self.causal = causal
        self.scale = scale
        memory_width = width if memory_width is None else memory_width
        value_width = memory_width if value_width is None else value_width
        self.to_query = nn.Linear(width, heads * head_width, bias=biases)
        self.to_key = nn.Linear(memory_width, key_heads * head_width, bias=biases)
        self.to_value = nn.Linear(value_width, key_heads * head_width, bias=biases)
        self.to_out = nn.Linear(heads * head_width, width, bias=biases if out_biases is None else out_biases)

    def forward(
        self,
        x: Float[Tensor, "batch queries width"],
        memory: Float[Tensor, "batch keys memory_width"] | None = None,
        values: Float[Tensor, "batch keys value_width"] | None = None,
        *,
        allowed: Bool[Tensor, "#batch #heads #queries #keys"] | None = None,
        bias: Float[Tensor, "#batch #heads #queries #keys"] | None = None,
        turns: Turns | None = None,
    ) -> Float[Tensor, "batch queries width"]:
        """Let `x` ask.

        Args:
            memory: what is asked; None: `x` itself.
            values: what the values are made from, where that is something else again; None: the memory.
            allowed: True where a query may look; broadcasts to (batch, heads, queries, keys).
            bias: added to the scores, as ALiBi's and T5's (`nn.positions`).
            turns: cosine and sine of rotary positions; queries and keys then stand at the same places.
        """
        query, key, value = self.project(x, memory, values, turns=turns)
        return self.finish(attend_heads_fast(query, key, value, allowed, bias, self.causal, self.scale))

    def project(
        self, x: Tensor, memory: Tensor | None = None, values: Tensor | None = None, *, turns: Turns | None = None
    ) -> tuple[
        Float[Tensor, "batch heads queries head_width"],
        Float[Tensor, "batch key_heads keys head_width"],
        Float[Tensor, "batch key_heads keys head_width"],
    ]:
        """The first half of `forward`: what is asked, what is offered, what is handed over."""
        query, (key, value) = self.ask(x), self.remember(x if memory is None else memory, values)
        if turns is not None:  # cosine and sine may be more exact than the vectors, which stay what they are
            query, key = rotate_halves(query, *turns).to(query.dtype), rotate_halves(key, *turns).to(key.dtype)
        return query, key, value

    def ask(self, x: Float[Tensor, "batch queries width"]) -> Float[Tensor, "batch heads queries head_width"]:
        """What each head asks."""
        return rearrange(self.to_query(x), "b t (h d) -> b h t d", h=self.heads)

    def remember(
        self,
        memory: Float[Tensor, "batch keys memory_width"],
        values: Float[Tensor, "batch keys value_width"] | None = None,
    ) -> tuple[Float[Tensor, "batch key_heads keys head_width"], Float[Tensor, "batch key_heads keys head_width"]]:
        """What a memory offers and hands over: it is the same for whoever asks, and so may be kept."""
        key = rearrange(self.to_key(memory), "b t (h d) -> b h t d", h=self.key_heads)
        value = rearrange(self.to_value(memory if values is None else values), "b t (h d) -> b h t d", h=self.key_heads)
        return key, value

    def finish(self, answers: Float[Tensor, "batch heads queries head_width"]) -> Float[Tensor, "batch queries width"]:
        """The second half: the heads' answers side by side, mixed."""
        return self.to_out(rearrange(answers, "b h t d -> b t (h d)"))
