r"""How well a model expects a text: loss in nats, perplexity, bits per character; and a floor that counting alone reaches.

loss                 mean of -ln p(token | the ones before it)
perplexity           e^loss: as unsure as between so many equally likely tokens
bits per character   all nats / ln 2 / characters: the size of the text, packed by this model. It does not depend on how the text was
                     cut into tokens, as loss and perplexity do.
"""

import math
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Integer
from torch import Tensor, nn

from learnable.errors import CallError


@torch.no_grad()
def language_metrics(model: nn.Module, examples: Any, info: Any, batch_size: int = 64) -> dict[str, float]:
    """Loss over a whole text in windows that do not overlap: each token but the first is predicted exactly once.

    Tokens at the start of a window have little before them, so a model with a longer context also gains from fewer starts.

    Args:
        examples: `TextWindows`: the text as `tokens`, and the `context` that the windows have.
        info: how tokens become text; where it has no tokenizer, a token is a character.
    """
    tokens, context = examples.tokens.long(), examples.context
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    targets = len(tokens) - 1
    starts = torch.arange(0, targets - context + 1, context)
    windows = [tokens[part[:, None] + torch.arange(context + 1)] for part in starts.split(batch_size)]
    if targets % context:
        windows.append(tokens[targets - targets % context :][None])  # the rest is shorter than the others
    nats = 0.0
    for window in windows:
        window = window.to(device)
        logits = model(window[:, :-1]).flatten(0, 1)
        nats += F.cross_entropy(logits.float(), window[:, 1:].flatten(), reduction="none").double().sum().item()
    loss, characters = nats / targets, characters_in(tokens[1:], info)
    bits = nats / max(characters, 1) / math.log(2)
    found = {"loss": loss, "perplexity": math.exp(min(loss, 700.0)), "bits_per_character": bits}
    return found | ({"characters_per_token": characters / targets} if getattr(info, "tokenizer", None) else {})


def characters_in(tokens: Integer[Tensor, "tokens"], info: Any) -> int:
    """How many characters begin in these tokens: of UTF-8's bytes, all but 10xxxxxx begin one."""
    cutter = getattr(info, "cutter", None)
    if cutter is None:
        return len(tokens)
    numbers, counts = tokens.unique(return_counts=True)
    begun = [sum(byte >> 6 != 0b10 for byte in cutter.bytes_of(number)) for number in numbers.tolist()]
    return sum(one * count for one, count in zip(begun, counts.tolist(), strict=True))


def stretched_metrics(model: nn.Module, examples: Any, info: Any, times: tuple[int, ...] = (2, 4)) -> dict[str, float]:
    """`language_metrics`, and the bits per character in windows that are so many `times` as long: `bits_at_2x` ...

    A longer window gives most tokens more to go by. So a model that can use it gets better, and one that gets worse has
    met places that it does not understand.
    """
    metrics = language_metrics(model, examples, info)
    for factor in times:
        longer = SimpleNamespace(tokens=examples.tokens, context=factor * examples.context)
        metrics[f"bits_at_{factor}x"] = language_metrics(model, longer, info)["bits_per_character"]
    return metrics


def ngram_loss(
    train: Integer[Tensor, "seen"], test: Integer[Tensor, "unseen"], order: int, vocab: int, strength: float = 1.0
) -> float:
    r"""Nats per token of `test` for a model that only counts which token followed the last `order` - 1 in `train`.

    What was seldom seen is backed by the next shorter memory, which is worth `strength` extra observations, down to
    all tokens being equally likely (MacKay & Peto 1995):

        p_n(c | h) = (count(h c) + strength * p_{n-1}(c | shorter h)) / (count(h) + strength)

    The floor that a network has to beat before it can be said to have learned more than short stretches by heart.

    >>> text = torch.tensor([0, 1, 2] * 50)
    >>> ngram_loss(text, text, order=1, vocab=3) > 1.09, ngram_loss(text, text, order=2, vocab=3) < 0.03
    (True, True)
    """
    if order < 1:
        raise CallError(f"expected an order of at least 1 (2: the token before is known), came {order}")
    if vocab**order >= 2**62:
        raise CallError(
            f"expected an order at which {vocab} tokens can still be numbered, came {order}; take a lower one"
        )
    train, test = train.long(), test.long()
    # As in a network's windows, the first tokens have less before them; nothing is known there beyond what was counted.
    probability = torch.full((len(test) - 1,), 1.0 / vocab, dtype=torch.float64)
    for length in range(1, order + 1):
        known = max(0, length - 2)  # predicted tokens with too little text before them keep the shorter memory's answer
        seen_codes = _codes(train, length, vocab)
        pairs, pair_counts = seen_codes.unique(return_counts=True)
        histories, history_counts = (seen_codes // vocab).unique(return_counts=True)
        asked = _codes(test, length, vocab)[1 if length == 1 else 0 :]
        seen = _count(asked, pairs, pair_counts)
        of = _count(asked // vocab, histories, history_counts)
        backed = probability[known:]
        probability = torch.cat([probability[:known], (seen + strength * backed) / (of + strength)])
    return float(-probability.log().mean())


def _codes(tokens: Tensor, length: int, vocab: int) -> Tensor:
    """One number for every stretch of `length` tokens: its digits in base `vocab`; without the last one, its history."""
    codes = torch.zeros(len(tokens) - length + 1, dtype=torch.int64)
    for offset in range(length):
        codes = codes * vocab + tokens[offset : offset + len(codes)]
    return codes


def _count(asked: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
    place = torch.searchsorted(codes, asked).clamp(max=len(codes) - 1)
    return torch.where(codes[place] == asked, counts[place], 0)
