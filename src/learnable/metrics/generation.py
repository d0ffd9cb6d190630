r"""How a written text differs from what people write: does it say the same again and again, and how much is there in it?

repeated    share of a text's n-grams (stretches of n tokens) that stood in it before
distinct    share of the n-grams of many texts together that are different from one another
bits        how unexpected the text is to a model, in bits per token

Of people's texts all three have a value, and written ones should have the same: more repetition is a text that turns in
circles, fewer bits is one without surprises, more bits is one that has lost its way.

Paper    Holtzman et al. 2020, section 4 - https://arxiv.org/abs/1904.09751; distinct: Li et al. 2016, section 5.2 -
         https://arxiv.org/abs/1510.03055
"""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from learnable.errors import CallError


def repeated(tokens: Sequence[Any], n: int) -> float:
    """Share of the n-grams that stood in the text before.

    >>> repeated("abcabcabc", 3), repeated("abcdefg", 3)
    (0.571..., 0.0)

    Raises:
        CallError: the text is shorter than an n-gram.
    """
    grams = _grams(tokens, n)
    return 1 - len(set(grams)) / len(grams)


def distinct(texts: Sequence[Sequence[Any]], n: int) -> float:
    """Different n-grams of all texts, over all that there are.

    >>> distinct(["abc", "abd"], 2)
    0.75

    Raises:
        CallError: a text is shorter than an n-gram.
    """
    grams = list(chain.from_iterable(_grams(text, n) for text in texts))
    return len(set(grams)) / len(grams)


def _grams(tokens: Sequence[Any], n: int) -> list[tuple[Any, ...]]:
    if n < 1 or len(tokens) < n:
        raise CallError(f"expected a text of at least {max(n, 1)} tokens, came {len(tokens)}, for stretches of {n}")
    return [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]


@torch.inference_mode()
def bits_of(model: Any, texts: Int[Tensor, "batch tokens"], given: int) -> float:
    """Mean bits of each token behind the first `given`, with as much before it as the model's context holds."""
    context, length = model.config.context, texts.shape[1]
    if not 1 <= given < length:
        raise CallError(f"expected at least one token to be given and one to be measured, came {given} of {length}")
    nats = 0.0
    start, known = max(0, given - max(1, context // 2)), given
    while known < length:  # windows, the first half of which is known already
        end = min(length, start + context)
        logs = model(texts[:, start:end]).double().log_softmax(dim=-1)
        upto = min(end + 1, length)
        wanted = texts[:, known:upto, None]
        nats -= float(logs[:, known - 1 - start : upto - 1 - start].gather(2, wanted).sum())
        known, start = upto, max(0, upto - max(1, context // 2))
    return nats / math.log(2) / (len(texts) * (length - given))
