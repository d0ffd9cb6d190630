r"""Rotary positions: a query and a key are turned by their places, so that their product knows how far apart they are.

Cut a vector of `width` numbers into pairs, take each pair as a point of the plane, and turn it about the origin by

    angle = position x frequency        frequency_i = base^(-2i / width)

the first pair by one radian for each place, the last by hardly anything. Turning both sides by the same angle leaves their
product as it is, so what stays in the product of a query at m and a key at n is the turn by m - n: the distance alone.

Which numbers form a pair is a matter of taste. The paper takes neighbors (`rotate_pairs`); the files that most people
have take number i of the first half with number i of the second (`rotate_halves`). The order of a query's numbers is
nobody's business but its key's, so either can be turned into the other by reordering the rows of the two matrices
(`pairs_to_halves`, `halves_to_pairs`).

To read further than it was trained, a model is made to believe that the places are nearer together: see the scalings.

Paper    Su et al. 2021, "RoFormer", section 3.2.2 - https://arxiv.org/abs/2104.09864
Letters  their d is our `width`, their theta_i our frequency i, their m and n positions, their 10000 our `base`
Differs  the first angle's index is 0, as in all code (their equation 15 counts from 1 and subtracts it again)
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from learnable.errors import CallError


@runtime_checkable
class Scaling(Protocol):
    """Other frequencies for texts that are longer than those in training."""

    @property
    def magnitude(self) -> float:
        """What the turned vectors are multiplied by."""
        ...

    def __call__(
        self, frequencies: Float[Tensor, "half"], base: float, positions: Int[Tensor, "*batch tokens"]
    ) -> Float[Tensor, "*#any half"]:
        """The frequencies to turn by instead; in the last axis they broadcast to (*batch, tokens, half)."""
        ...


def rotary_frequencies(
    width: int, base: float = 10_000.0, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> Float[Tensor, "half"]:
    """Radians that each pair turns from one place to the next.

    Raises:
        CallError: a width that is no number of pairs.

    >>> rotary_frequencies(4)
    tensor([1.0000, 0.0100])
    """
    if width < 2 or width % 2:
        raise CallError(f"expected an even width, since numbers are turned in pairs, came {width}")
    return 1.0 / base ** (torch.arange(0, width, 2, dtype=dtype, device=device) / width)


def rotary_turns(
    positions: Int[Tensor, "*batch tokens"],
    width: int,
    base: float = 10_000.0,
    scaling: Scaling | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Float[Tensor, "*batch tokens half"], Float[Tensor, "*batch tokens half"]]:
    """Cosine and sine of every pair's angle at every position: made once, used by all layers and heads.

    Angles grow with the text, and in half precision neighbors at place 1,000 would have the same: so whatever the model
    computes in, they are computed in float32 at least, and rounded to `dtype` as cosine and sine.

    >>> cos, sin = rotary_turns(torch.arange(5), width=8)
    >>> cos.shape, cos[0], sin[0]
    (torch.Size([5, 4]), tensor([1., 1., 1., 1.]), tensor([0., 0., 0., 0.]))
    """
    exact = dtype if dtype == torch.float64 else torch.float32
    frequencies = rotary_frequencies(width, base, exact, positions.device)
    if scaling is not None:
        frequencies = scaling(frequencies, base, positions)
    angles = positions[..., None].to(exact) * frequencies
    magnitude = 1.0 if scaling is None else scaling.magnitude
    return (angles.cos() * magnitude).to(dtype), (angles.sin() * magnitude).to(dtype)


def rotate_halves(
    x: Float[Tensor, "*batch width"], cos: Float[Tensor, "... half"], sin: Float[Tensor, "... half"]
) -> Float[Tensor, "*batch width"]:
    """Turn number i of the first half together with number i of the second: as in the files of Llama and its kin.

    >>> quarter = torch.tensor([0.0]), torch.tensor([1.0])  # cosine and sine of a quarter turn
    >>> rotate_halves(torch.tensor([3.0, 4.0]), *quarter)
    tensor([-4.,  3.])
    """
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def rotate_pairs(
    x: Float[Tensor, "*batch width"], cos: Float[Tensor, "... half"], sin: Float[Tensor, "... half"]
) -> Float[Tensor, "*batch width"]:
    """Turn neighbors together, numbers 2i and 2i + 1: equation 34 of the paper, and Meta's own code.

    >>> rotate_pairs(torch.tensor([3.0, 4.0, 5.0, 6.0]), torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]))
    tensor([-4.,  3.,  5.,  6.])
    """
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)


def pairs_to_halves(x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
    """The same numbers, those of even number first: what `rotate_pairs` turns becomes what `rotate_halves` turns.

    >>> pairs_to_halves(torch.tensor([0.0, 1.0, 2.0, 3.0]))
    tensor([0., 2., 1., 3.])
    """
    return torch.cat([x[..., 0::2], x[..., 1::2]], dim=-1)


def halves_to_pairs(x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
    """`pairs_to_halves`, undone.

    >>> halves_to_pairs(torch.tensor([0.0, 2.0, 1.0, 3.0]))
    tensor([0., 1., 2., 3.])
    """
    return torch.stack(x.chunk(2, dim=-1), dim=-1).flatten(-2)


@dataclass(frozen=True)
class LinearScaling:
    """Every place counts `factor` times less: 8,000 tokens look like 2,000, and neighbors like a quarter of a step.

    Paper    Chen et al. 2023, "Extending context window of large language models via positional interpolation", equation 4
    """

    factor: float

    def __post_init__(self) -> None:
        _check(factor=self.factor)

    @property
    def magnitude(self) -> float:
        return 1.0

    def __call__(self, frequencies: Tensor, base: float, positions: Tensor) -> Tensor:
        return frequencies / self.factor


@dataclass(frozen=True)
class DynamicScaling:
    """A larger base, which slows the slow pairs alone, and only as much as the text at hand is too long.

    Each text has its own: what its first tokens are turned by depends on how many there are, so a key that was computed
    for a shorter text is of no use for a longer one (past `context`).

    Paper    Peng et al. 2023, "YaRN", section 3.3 (dynamic scaling) and appendix A.1 (the base)
    Differs  a batch's texts are stretched one by one; transformers stretches all as the longest needs it
    """

    factor: float
    context: int  # tokens in training

    def __post_init__(self) -> None:
        _check(factor=self.factor, context=self.context)

    @property
    def magnitude(self) -> float:
        return 1.0

    def __call__(self, frequencies: Tensor, base: float, positions: Tensor) -> Tensor:
        width = 2 * len(frequencies)
        if width < 4:
            raise CallError(f"expected a width of at least 4 for dynamic scaling, came {width}")
        tokens = (positions.amax(dim=-1, keepdim=True) + 1).clamp(min=self.context).to(frequencies.dtype)
        stretch = self.factor * tokens / self.context - (self.factor - 1)  # 1 up to the context
        bases = base * stretch ** (width / (width - 2))  # (*batch, 1)
        exponents = torch.arange(0, width, 2, dtype=frequencies.dtype, device=frequencies.device) / width
        return 1.0 / bases[..., None] ** exponents


@dataclass(frozen=True)
class YarnScaling:
    """Pairs that turn often within the old context stay, those that turn less than once are slowed, between them a ramp.

    Fast pairs tell neighbors apart, and slowing them would blur them. And as a longer text spreads attention thinner, all
    scores are made a little larger, through the vectors' magnitude.

    Paper    Peng et al. 2023, "YaRN", section 3.2 (equation 23 is the ramp) and 3.4 - https://arxiv.org/abs/2309.00071
    Letters  their s is our `factor`, L `context`, beta `fast` and alpha `slow`, sqrt(1/t) our `magnitude`
    """

    factor: float
    context: int  # tokens in training
    fast: float = 32.0  # turns within the context from which on a pair stays as it is
    slow: float = 1.0  # turns up to which it is slowed by the whole factor
    whole: bool = True  # the ramp begins and ends at a whole pair
    attention: float | None = None  # the magnitude, where it is not the paper's

    def __post_init__(self) -> None:
        _check(factor=self.factor, context=self.context, fast=self.fast, slow=self.slow)

    @property
    def magnitude(self) -> float:
        if self.attention is not None:
            return self.attention
        return 0.1 * math.log(self.factor) + 1.0 if self.factor > 1 else 1.0

    def __call__(self, frequencies: Tensor, base: float, positions: Tensor) -> Tensor:
        pairs = len(frequencies)
        first, last = self._pair_that_turns(self.fast, pairs, base), self._pair_that_turns(self.slow, pairs, base)
        if self.whole:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, 2 * pairs - 1)
        if first == last:
            last += 0.001
        numbers = torch.arange(pairs, dtype=frequencies.dtype, device=frequencies.device)
        slowed = ((numbers - first) / (last - first)).clamp(0, 1)  # 0: as it is; 1: by the whole factor
        return frequencies / self.factor * slowed + frequencies * (1 - slowed)

    def _pair_that_turns(self, times: float, pairs: int, base: float) -> float:
        """The number of the pair (it may lie between two) that turns so many times within the context."""
        return pairs * math.log(self.context / (times * 2 * math.pi)) / math.log(base)


@dataclass(frozen=True)
class Llama3Scaling:
    """As `YarnScaling`, with the ramp over turns rather than over pairs, and no change of magnitude.

    Paper    Meta's code for Llama 3.1 (the paper, Dubey et al. 2024, section 3.4.2, does not say how)
    """

    factor: float
    context: int  # tokens in the first part of training
    slow: float = 1.0  # turns within it up to which a pair is slowed by the whole factor
    fast: float = 4.0  # from which on it stays

    def __post_init__(self) -> None:
        _check(factor=self.factor, context=self.context, slow=self.slow, fast=self.fast)
        if self.fast <= self.slow:
            raise CallError(f"expected `fast` to be more turns than `slow`, came {self.fast:g} and {self.slow:g}")

    @property
    def magnitude(self) -> float:
        return 1.0

    def __call__(self, frequencies: Tensor, base: float, positions: Tensor) -> Tensor:
        turns = self.context * frequencies / (2 * math.pi)
        kept = ((turns - self.slow) / (self.fast - self.slow)).clamp(0, 1)  # 1: as it is; 0: by the whole factor
        return (1 - kept) * frequencies / self.factor + kept * frequencies


def _check(**numbers: float) -> None:
    wrong = {name: number for name, number in numbers.items() if not 0 < number < math.inf}
    if wrong:
        raise CallError(f"expected numbers above 0, came {wrong}")
