r"""From scores to a token: what is left of a model's opinion, and how one draws from it.

A filter turns scores into scores, in which a token that is out has minus infinity. Filters are put in a row, and `draw` throws
the dice over what they leave:

    temperature   scores / temperature: below 1 the expected is preferred, above 1 the unexpected gets a chance
    top_k         the k most expected tokens: always as many, whether the model is sure or not
    top_p         the fewest tokens that are together as probable as p (the nucleus): few where it is sure, many where not
    min_p         the tokens at least p times as probable as the most expected
    only_best     the most expected: what `greedy` takes

The likeliest text is not what people write: it is short of surprises and goes round in circles. The many tokens that are each
nearly impossible are together probable, and one of them derails a text. Everything here is a way between the two.

Paper    Holtzman et al. 2020, section 3.1 (top_p, and why not the likeliest) - https://arxiv.org/abs/1904.09751;
         top_k: Fan et al. 2018, section 5.1 - https://arxiv.org/abs/1805.04833; min_p: Nguyen et al. 2024, section 3 -
         https://arxiv.org/abs/2407.01082; repetition: Keskar et al. 2019, section 4.1 - https://arxiv.org/abs/1909.05858
Letters  Holtzman's V^(p) is what `top_p` leaves; Keskar's theta is our `penalty`
Differs  tokens that tie with the last that `top_k` keeps stay; everything is computed in float64
Lesson   course/lessons/transformers/text-generation
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from learnable.errors import CallError, WorldError

Filter = Callable[[Tensor], Tensor]  # scores (rows, vocab) -> scores (rows, vocab)
Choose = Callable[[Tensor], Tensor]  # logits (batch, vocab) -> tokens (batch, 1)


def temperature(value: float) -> Filter:
    """Scores divided by `value`.

    Raises:
        CallError: it is not above 0.
    """
    if not 0 < value < math.inf:
        raise CallError(f"expected a temperature above 0, came {value}; for always the most expected, use greedy")
    return lambda scores: scores / value


def top_k(count: int) -> Filter:
    """The `count` most expected tokens.

    >>> top_k(2)(torch.tensor([[0.0, 3.0, 1.0, 2.0]]))
    tensor([[-inf, 3., -inf, 2.]])

    Raises:
        CallError: a count below 1, or no whole number.
    """
    if isinstance(count, bool) or not hasattr(count, "__index__") or count < 1:  # NumPy's whole numbers are some, too
        raise CallError(f"expected a top_k of 1, 2 or more, came {count}; leave it out to draw from all tokens")

    def keep(scores: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
        last = scores.topk(min(count, scores.shape[-1]), dim=-1).values[:, -1:]
        return scores.masked_fill(scores < last, -math.inf)

    return keep


def top_p(share: float) -> Filter:
    """The most expected tokens, until they are together at least as probable as `share`: the nucleus.

    >>> top_p(0.7)(torch.tensor([[0.5, 0.1, 0.3, 0.1]]).log()).exp()
    tensor([[0.5000, 0.0000, 0.3000, 0.0000]])

    Raises:
        CallError: a share that is not above 0 and at most 1.
    """
    _check_share("top_p", share)

    def keep(scores: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
        ordered, places = scores.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.softmax(dim=-1)
        before = probabilities.cumsum(dim=-1) - probabilities  # of all that are more expected
        out = before >= share
        out[:, 0] = False
        return scores.masked_fill(torch.zeros_like(out).scatter(1, places, out), -math.inf)

    return keep


def min_p(share: float) -> Filter:
    """The tokens that are at least `share` times as probable as the most expected one.

    >>> min_p(0.5)(torch.tensor([[0.5, 0.1, 0.3, 0.1]]).log()).exp()
    tensor([[0.5000, 0.0000, 0.3000, 0.0000]])

    Raises:
        CallError: a share that is not above 0 and at most 1.
    """
    _check_share("min_p", share)
    return lambda scores: scores.masked_fill(scores < scores.amax(dim=-1, keepdim=True) + math.log(share), -math.inf)


def only_best(scores: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
    """The most expected token alone, of equals the first: drawing from it is `greedy`."""
    best = scores.argmax(dim=-1, keepdim=True)
    return torch.full_like(scores, -math.inf).scatter(1, best, scores.gather(1, best))


def _check_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise CallError(f"expected a {name} above 0 and at most 1, came {share}; leave it out to draw from all tokens")


def filters(
    heat: float = 1.0, k: int | None = None, nucleus: float | None = None, relative: float | None = None
) -> tuple[Filter, ...]:
    """The filters that were asked for, in the order in which the field's libraries put them: temperature, k, top_p, min_p.

    A temperature of 0 leaves the most expected token.
    """
    if heat == 0:
        return (only_best,)
    asked = [temperature(heat)]
    asked += [] if k is None else [top_k(k)]
    asked += [] if nucleus is None else [top_p(nucleus)]
    asked += [] if relative is None else [min_p(relative)]
    return tuple(asked)


def chances(logits: Float[Tensor, "rows vocab"], through: Sequence[Filter]) -> Float[Tensor, "rows vocab"]:
    """The probability with which each token is drawn, after the filters.

    Raises:
        WorldError: logits of which no probabilities can be made (NaN, infinity, nothing but its negative).
    """
    scores = logits.double()
    for keep in through:
        scores = keep(scores)
    probabilities = scores.softmax(dim=-1)
    if not (probabilities.sum(dim=-1) > 0).all():  # NaN is not
        raise diverged()
    return probabilities


def draw(*through: Filter, generator: torch.Generator | None = None) -> Choose:
    """Each token as often as it is probable, after the filters. The same generator draws the same.

    >>> draw(top_k(1))(torch.tensor([[0.0, 3.0, 1.0]]))
    tensor([[1]])

    Raises:
        WorldError: when choosing: what `chances` refuses.
    """
    return lambda logits: toss(chances(logits, through), generator)


def toss(probabilities: Float[Tensor, "rows vocab"], generator: torch.Generator | None = None) -> Int[Tensor, "rows 1"]:
    """A token of each row.

    The probabilities laid end to end are a line of length 1: a point of it, drawn evenly, lies in one of them.
    """
    ends = probabilities.double().cumsum(dim=-1)
    device = generator.device if generator is not None else ends.device
    point = torch.rand(len(ends), 1, dtype=torch.float64, generator=generator, device=device).to(ends.device)
    return torch.searchsorted(ends, point * ends[:, -1:], right=True)


class Unrepeating:
    """`choose`, after every token that stands in the text already has lost: a score above 0 is divided by the penalty, one
    below multiplied.

    It remembers what it has chosen, so a text needs one of its own.

    >>> from learnable.sampling.text import greedy
    >>> choose = Unrepeating(greedy, 2.0, torch.tensor([[0]]))
    >>> [int(choose(torch.tensor([[3.0, 2.0, 1.2]]))) for _ in range(3)]
    [1, 0, 0]
    """

    def __init__(self, choose: Choose, penalty: float, texts: Sequence[Tensor] | Tensor):
        if not 0 < penalty < math.inf:
            raise CallError(
                f"expected a repetition penalty above 0, came {penalty}; 1 changes nothing, above 1 repeats less"
            )
        self.choose = choose
        self.penalty = penalty
        self.texts = texts
        self.seen: Bool[Tensor, "batch vocab"] | None = None

    def __call__(self, logits: Float[Tensor, "batch vocab"]) -> Int[Tensor, "batch 1"]:
        if self.seen is None:
            self.seen = torch.zeros_like(logits, dtype=torch.bool)
            for row, text in zip(self.seen, self.texts, strict=True):
                row[text.long()] = True
        weaker = torch.where(logits > 0, logits / self.penalty, logits * self.penalty)
        chosen = self.choose(torch.where(self.seen, weaker, logits))
        self.seen.scatter_(1, chosen, True)
        return chosen


def diverged() -> WorldError:
    """Of a model that answers with no number."""
    return WorldError("the model's answer is no number: its training has diverged; train it again at a lower learning rate, "
                      "or go back to an earlier checkpoint")  # fmt: skip
