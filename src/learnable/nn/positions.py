r"""Where a token stands, told to a network that would not notice: attention is blind to order.

Five ways have been in use. Two add a vector to each token before the first layer, two add a number to each score, by how far
the key is from the query; the fifth turns query and key (`learnable.ops.rotary`).

    Sinusoids         a fixed vector for each place: sines and cosines, from fast to slow      added to the token
    nn.Embedding      a learned one, for each place that occurs in training                    added to the token
    Alibi             a penalty for each step of distance, steeper in some heads               added to the score
    RelativeBias      a learned number for each distance, distances far away in common         added to the score

Paper    sinusoids: Vaswani et al. 2017, section 3.5; ALiBi: Press et al. 2021, section 3 - https://arxiv.org/abs/2108.12409;
         relative bias: Raffel et al. 2020, "T5", section 2.1 - https://arxiv.org/abs/1910.10683
Letters  ALiBi's m is our `slopes`
Differs  the sinusoids put all sines before all cosines, as the first code did (the paper's text takes turns): the layer that
         reads them cannot tell
Lesson   course/lessons/transformers/positional-encoding
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.ops.rotary import pairs_to_halves


def sinusoids(
    positions: Int[Tensor, "*batch tokens"], width: int, base: float = 10_000.0
) -> Float[Tensor, "*batch tokens width"]:
    r"""Sine and cosine of position / base^(2i / width), taking turns: section 3.5 of the paper, to the letter.

    Any place has one, however far; and the vector of place p + k is that of place p turned, pair by pair, by an angle that
    depends on k alone, so that a layer can find "k places before me" by one matrix.

    >>> sinusoids(torch.arange(2), width=4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    if width < 2 or width % 2:
        raise CallError(f"expected an even width, half sines and half cosines, came {width}")
    exponents = torch.arange(0, width, 2, dtype=torch.float64, device=positions.device) / width
    angles = positions[..., None] / base**exponents  # float64: a table like this is made once
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2).float()


class Sinusoids(nn.Module):
    """The table of `sinusoids`, sines first, to be added to the tokens; nothing is learned.

    >>> Sinusoids(width=8)(torch.arange(5)).shape
    torch.Size([5, 8])
    """

    def __init__(self, width: int, base: float = 10_000.0):
        super().__init__()
        self.width = width
        self.base = base

    def forward(self, positions: Int[Tensor, "*batch tokens"]) -> Float[Tensor, "*batch tokens width"]:
        return pairs_to_halves(sinusoids(positions, self.width, self.base))


class Alibi(nn.Module):
    """Attention with linear biases: slope x (key's place - query's place), which is at most nought for those before.

    Each head has its slope: steep ones see their neighbors alone, the flattest sees far. Nothing is learned, and distances
    that never occurred in training are punished a little more than the largest that did.

    >>> Alibi(heads=2)(torch.arange(3))[0, 0]  # slope 1/16
    tensor([[ 0.0000,  0.0625,  0.1250],
            [-0.0625,  0.0000,  0.0625],
            [-0.1250, -0.0625,  0.0000]])
    """

    def __init__(self, heads: int):
        super().__init__()
        self.heads = heads

    def forward(self, positions: Int[Tensor, "tokens"]) -> Float[Tensor, "1 heads tokens tokens"]:
        """What is added to the scores; what it says about the future is for the mask to hide."""
        distance = positions - positions[:, None]  # (queries, keys)
        slopes = torch.tensor(alibi_slopes(self.heads), device=positions.device)
        return (slopes[:, None, None] * distance)[None]


def alibi_slopes(heads: int) -> list[float]:
    """From 2^(-8/heads) down to 2^-8 by equal ratios; where the heads are no power of two, as many as fit between come from
    the next one.

    >>> alibi_slopes(4), alibi_slopes(3)
    ([0.25, 0.0625, 0.015625, 0.00390625], [0.0625, 0.00390625, 0.25])
    """
    if heads < 1:
        raise CallError(f"expected at least one head, came {heads}")
    power = 2 ** int(math.log2(heads))
    slopes = [2.0 ** (-8 * (head + 1) / power) for head in range(power)]
    between = [2.0 ** (-8 * (head + 1) / (2 * power)) for head in range(0, 2 * (heads - power), 2)]
    return slopes + between


class RelativeBias(nn.Module):
    """T5's: a learned number for each head and each distance, where distances share a bucket the more, the larger they are.

    Half of the buckets are for one distance each; the other half grow by a constant ratio up to `furthest`, and the last
    holds all that is further still. So a text may be longer than those of training.

    >>> RelativeBias(heads=2)(torch.arange(3)).shape
    torch.Size([1, 2, 3, 3])
    """

    def __init__(self, heads: int, buckets: int = 32, furthest: int = 128, causal: bool = False):
        super().__init__()
        if buckets < 4 or buckets % 4 or furthest <= buckets:
            raise CallError(
                f"expected a number of buckets that 4 divides and a larger distance, came {buckets} and {furthest}"
            )
        self.weight = nn.Parameter(torch.zeros(buckets, heads))
        self.furthest = furthest
        self.causal = causal

    def forward(
        self, positions: Int[Tensor, "queries"], keys: Int[Tensor, "keys"] | None = None
    ) -> Float[Tensor, "1 heads queries keys"]:
        """What is added to the scores of queries at `positions` and keys at `keys`; None: at the same places."""
        keys = positions if keys is None else keys
        bucket = distance_bucket(keys - positions[:, None], len(self.weight), self.furthest, self.causal)
        return self.weight[bucket].movedim(-1, 0)[None]


def distance_bucket(
    distance: Int[Tensor, "queries keys"], buckets: int = 32, furthest: int = 128, causal: bool = False
) -> Int[Tensor, "queries keys"]:
    """Which number belongs to a key that is `distance` places after the query (before, if negative).

    Without `causal`, the second half of the buckets is for those that come after; with it, they all count as distance 0.

    >>> distance_bucket(torch.tensor([[0, -1, -5, -9, -50, -500, 1]]), causal=True)
    tensor([[ 0,  1,  5,  9, 24, 31,  0]])
    """
    if causal:
        offset, steps = torch.zeros_like(distance), (-distance).clamp(min=0)
    else:
        buckets //= 2
        offset, steps = buckets * (distance > 0), distance.abs()
    alone = buckets // 2  # distances with a bucket of their own
    share = torch.log(steps.clamp(min=1) / alone) / math.log(furthest / alone)  # 0 at `alone`, 1 at `furthest`
    shared = (alone + (share * (buckets - alone)).long()).clamp(max=buckets - 1)
    return offset + torch.where(steps < alone, steps, shared)
