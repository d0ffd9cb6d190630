r"""Attention: each token asks a question, and every token that it may look at answers.

    query   what a token is looking for
    key     what a token offers
    value   what it hands over when chosen

How well a query fits each key becomes weights that sum to one, and the answer is the mean of the values under these
weights. A token can so fetch something from any other in one step, however far away: which one is not built into the
network, it is computed from what the two of them say.

Paper    Vaswani et al. 2017, "Attention is all you need", section 3.2 - https://arxiv.org/abs/1706.03762
Letters  their Q, K, V are our `query`, `key`, `value`; their d_model is our `width`, their h our `heads`,
         their d_k our `head_width` = width / heads; their W^Q, W^K, W^V of all heads are one matrix here, `to_qkv`
Differs  no dropout on the weights; biases, as in GPT-2; masks are tables of True ("may look"), not of minus infinity;
         a query that may look at nothing answers zero, where the formula would be 0/0
Lesson   course/lessons/transformers/self-attention
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.errors import CallError


def attention_weights(
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*batch keys width"],
    allowed: Bool[Tensor, "*#batch #queries #keys"] | Bool[Tensor, "#keys"] | None = None,
) -> Float[Tensor, "*batch queries keys"]:
    r"""Who listens to whom: softmax(Q Kᵀ / √d_k), of which row i says how query i divides its attention over the keys.

    Dividing by the root of the width keeps the scores near one: a sum of `width` products of random numbers grows with
    that root, and a softmax of large numbers picks one key and passes no gradient to the others.

    Every row sums to one, except where nothing is allowed: there it is zero.

    Raises:
        CallError: a mask of numbers.

    >>> attention_weights(torch.zeros(1, 4), torch.zeros(3, 4), torch.tensor([[True, True, False]]))
    tensor([[0.5000, 0.5000, 0.0000]])
    """
    query = query / math.sqrt(query.shape[-1])  # first: in half precision a sum before its division may be infinite
    scores = query @ key.transpose(-2, -1)  # (*batch, queries, keys)
    if allowed is None:
        return scores.softmax(dim=-1)
    hidden = ~as_table(allowed)
    deaf = hidden.all(dim=-1, keepdim=True)  # rows where nothing is allowed, whose softmax would be 0/0
    scores = scores.masked_fill(hidden, -math.inf).masked_fill(deaf, 0.0)  # exp(-inf) = 0: not heard, and not counted
    return scores.softmax(dim=-1).masked_fill(deaf, 0.0)


def attend(
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*batch keys width"],
    value: Float[Tensor, "*batch keys value_width"],
    allowed: Bool[Tensor, "*#batch #queries #keys"] | Bool[Tensor, "#keys"] | None = None,
) -> Float[Tensor, "*batch queries value_width"]:
    """Equation 1, written out: a mean of the values, weighted by how well their keys fit the query.

    `allowed` is True where a query may look. A query that may look at nothing answers zero and passes no gradient.

    >>> query, key, value = torch.randn(3, 2, 5, 8)  # 2 examples, 5 tokens, 8 wide
    >>> attend(query, key, value, causal_mask(5)).shape
    torch.Size([2, 5, 8])
    """
    return attention_weights(query, key, allowed) @ value


def attend_fast(
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*batch keys width"],
    value: Float[Tensor, "*batch keys value_width"],
    allowed: Bool[Tensor, "*#batch #queries #keys"] | Bool[Tensor, "#keys"] | None = None,
    causal: bool = False,
) -> Float[Tensor, "*batch queries value_width"]:
    """The same sum as `attend`, by torch's fused kernel, which never stores the (queries, keys) table.

    `causal` adds `causal_mask` to what is allowed; without `allowed` the kernel skips the forbidden half altogether.
    It counts queries and keys from the same first token: to continue a sequence of which only the keys are kept, pass
    the rows of the mask that belong to the new queries as `allowed`.

    On a CPU the kernel has no second derivative: for the slope of a slope (a gradient penalty) use `attend`.

    Raises:
        CallError: a mask of numbers, which the kernel would add to the scores.
    """
    if allowed is not None:
        allowed = as_table(allowed)
    if causal and allowed is not None:  # the kernel takes one or the other
        past = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
        allowed, causal = allowed & past, False
    if query.dim() == 3:  # without an axis for heads a CPU falls back to the table
        if allowed is not None and allowed.dim() == 3:
            allowed = allowed[:, None]
        return F.scaled_dot_product_attention(
            query[:, None], key[:, None], value[:, None], attn_mask=allowed, is_causal=causal
        )[:, 0]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=allowed, is_causal=causal)


def as_table(allowed: Tensor) -> Bool[Tensor, "*batch queries keys"]:
    """The mask with an axis for the queries: a row of keys holds for all of them.

    Raises:
        CallError: it is not made of True and False.
    """
    if allowed.dtype != torch.bool:
        raise CallError(f"expected a mask of True (may look) and False, came {allowed.dtype}; ones and zeros become one "
                        "by mask.bool(), zeros and minus infinity by mask == 0")  # fmt: skip
    return allowed if allowed.dim() > 1 else allowed[None]


def causal_mask(tokens: int, device: torch.device | None = None) -> Bool[Tensor, "tokens tokens"]:
    """Row i allows 0 to i: each token sees itself and the past, so that the next one can be its target.

    >>> causal_mask(3)
    tensor([[ True, False, False],
            [ True,  True, False],
            [ True,  True,  True]])
    """
    return torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()


def padding_mask(lengths: Int[Tensor, "batch"], tokens: int) -> Bool[Tensor, "batch 1 1 tokens"]:
    """Allow the first `lengths[i]` of the `tokens` keys of example i, for every head and every query.

    Sequences of different lengths share a batch by filling the short ones up; nobody may look at the filling.

    >>> padding_mask(torch.tensor([1, 3]), tokens=3)[:, 0, 0]
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    return (torch.arange(tokens, device=lengths.device) < lengths[:, None])[:, None, None]


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself: every token asks, offers and answers (section 3.2.2).

    Several heads, each on its own slice of the width, because one softmax can only look for one thing at a time.
    Without a mask it is blind to order: shuffle the tokens, and the answers are shuffled with them.

    >>> SelfAttention(width=16, heads=4, causal=True)(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(self, width: int, heads: int, causal: bool = False):
        super().__init__()
        if heads < 1 or width % heads:
            raise CallError(f"expected a width that the heads divide evenly, came width {width} and {heads} heads")
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        self.heads = heads
        self.causal = causal

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        allowed: Bool[Tensor, "*#heads #tokens #tokens"] | Bool[Tensor, "#tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        """Let the tokens talk. `allowed`, True where one may look, broadcasts to (batch, heads, queries, keys)."""
        query, key, value = self.project(x)
        return self.finish(attend_fast(query, key, value, allowed, self.causal))

    def project(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "three batch heads tokens head_width"]:
        """The first half: query, key and value of every token, head by head."""
        return rearrange(self.to_qkv(x), "b t (three h d) -> three b h t d", three=3, h=self.heads)

    def finish(self, answers: Float[Tensor, "batch heads tokens head_width"]) -> Float[Tensor, "batch tokens width"]:
        """The second half: the heads' answers side by side, mixed."""
        return self.to_out(rearrange(answers, "b h t d -> b t (h d)"))
