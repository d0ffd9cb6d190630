"""Translating with a model that reads one text and writes another: word after word, or several beginnings at once.

What the model was asked to learn is the next word of a known translation; what is wanted is the likeliest whole. Taking the
likeliest word each time (greedy) may run into a corner; a beam keeps the few likeliest beginnings, and compares what ends.

Paper    Wu et al. 2016, section 7 (beam search, length penalty) - https://arxiv.org/abs/1609.08144;
         Vaswani et al. 2017, section 6.1 (a beam of 4, alpha = 0.6, at most 50 words more than the source has)
Differs  no coverage penalty
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.translation import decode, encode
from learnable.errors import CallError
from learnable.nn.attention import attend, attend_fast
from learnable.sampling.beam import Reader, beam_search, gnmt

# A model with `encode(source)`, giving a memory and where it may be looked at, `decode(target, memory, allowed)`, giving
# logits (batch, target, vocab), and `config` with `start`, `end`, `padding` and `context`. Sampling imports no models.
Translator = Any


class Rereading:
    """The obvious way: all that is written is read again for each new word."""

    def __init__(self, model: Translator, source: Int[Tensor, "rows source"]):
        self.model = model
        self.memory, self.allowed = model.encode(source)

    def next(self, target: Int[Tensor, "rows written"]) -> Float[Tensor, "rows vocab"]:
        return self.model.decode(target, self.memory, self.allowed)[:, -1]

    def keep(self, rows: Int[Tensor, "kept"]) -> None:
        self.memory, self.allowed = self.memory[rows], self.allowed[rows]


class Remembering:
    """The same with memory: keys and values of the source are computed once, those of each written word once.

    For models with the parts of `learnable.models.language.transformer.Transformer`; the tests hold it to `Rereading`.
    """

    def __init__(self, model: Translator, source: Int[Tensor, "rows source"]):
        self.model = model
        memory, self.allowed = model.encode(source)
        self.read = [layer.cross_attention.remember(memory) for layer in model.decoder]
        self.written: list[tuple[Tensor, Tensor] | None] = [None] * len(model.decoder)
        self.length = 0

    def next(self, target: Int[Tensor, "rows written"]) -> Float[Tensor, "rows vocab"]:
        x = self.model.embed(target[:, self.length :], start=self.length)
        for number, layer in enumerate(self.model.decoder):
            x = layer.add_norm1(x, partial(self._look_back, layer.attention, number))
            x = layer.add_norm2(x, partial(self._look_over, layer.cross_attention, number))
            x = layer.add_norm3(x, layer.mlp)
        self.length = target.shape[1]
        return self.model.head(self.model.decoder_end(x))[:, -1]

    def keep(self, rows: Int[Tensor, "kept"]) -> None:
        self.allowed = self.allowed[rows]
        self.read = [(key[rows], value[rows]) for key, value in self.read]
        self.written = [pair and (pair[0][rows], pair[1][rows]) for pair in self.written]

    def _look_back(self, attention: Any, number: int, x: Float[Tensor, "rows new width"]) -> Tensor:
        query, key, value = attention.project(x)
        before = self.written[number]
        if before is not None:
            key, value = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
        self.written[number] = (key, value)
        past = torch.arange(key.shape[2], device=x.device) <= torch.arange(
            self.length, key.shape[2], device=x.device
        ).unsqueeze(1)
        return attention.finish(attend(query, key, value, past))

    def _look_over(self, cross: Any, number: int, x: Float[Tensor, "rows new width"]) -> Tensor:
        key, value = self.read[number]
        return cross.finish(attend_fast(cross.ask(x), key, value, self.allowed))


@torch.inference_mode()
def greedy(
    model: Translator, source: Int[Tensor, "rows source"], count: int, reader: Callable[..., Reader] = Remembering
) -> list[Tensor]:
    """The likeliest word each time, at most `count` of them; each row without its start and up to its end.

    Raises:
        CallError: a count below 1 or above what the model's context holds.
    """
    _check(model, count)
    reading = reader(model, source)
    target = source.new_full((len(source), 1), model.config.start)
    ended = torch.zeros(len(source), dtype=torch.bool, device=source.device)
    for _ in range(count):
        chosen = reading.next(target).argmax(dim=-1).masked_fill(ended, model.config.padding)
        target = torch.cat([target, chosen[:, None].to(target.dtype)], dim=1)
        ended |= chosen == model.config.end
        if ended.all():
            break
    return [_until(row[1:], model.config.end) for row in target]


@torch.inference_mode()
def beam(
    model: Translator,
    source: Int[Tensor, "rows source"],
    count: int,
    *,
    size: int = 4,
    penalty: Callable[[int], float] | None = None,
    reader: Callable[..., Reader] = Remembering,
) -> list[Tensor]:
    """The likeliest translation that a beam of `size` beginnings finds, for each row; up to its end.

    Those that `count` cuts short compete only if nothing has ended.

    Args:
        penalty: number of words (the end is one) -> what the log probability is divided by; None: `gnmt()`.

    Raises:
        CallError: a count or size below 1, or a count above what the model's context holds.
    """
    _check(model, count)
    beginnings = source.new_full((len(source), 1), model.config.start)
    return beam_search(
        reader(model, source), beginnings, count, size, penalty or gnmt(), end=model.config.end, unfinished=False
    )


def _check(model: Translator, count: int) -> None:
    if not 1 <= count <= model.config.context:
        raise CallError(
            f"expected a count of 1 to {model.config.context} tokens, which is the model's context, came {count}"
        )


def _until(row: Int[Tensor, "written"], end: int) -> Tensor:
    place = (row == end).nonzero()
    return row[: int(place[0]) + 1] if len(place) else row


def translate_text(
    model: nn.Module,
    info: Info,
    prompt: str,
    *,
    count: int = 200,
    seed: int = 0,
    temperature: float = 0.0,
    reader: Callable[..., Reader] = Remembering,
) -> dict[str, Any]:
    """The translation of `prompt`, of at most `count` tokens: what `learnable generate` calls for a translator.

    By a beam of four, which throws no dice: seed and temperature make no difference.

    Raises:
        CallError: an empty prompt, one longer than the context, or with letters that training has never shown.
    """
    device = next(model.parameters()).device
    source = encode(prompt, info)[None].to(device)
    if count < 1:
        raise CallError(f"expected a count of at least 1 token, came {count}")
    written = beam(model, source, min(count, info.context), reader=reader)[0]
    return {"text": decode(written.tolist(), info)}


@torch.inference_mode()
def translate_all(
    model: nn.Module,
    sources: Sequence[Tensor],
    info: Info,
    write: Callable[[Translator, Tensor, int], list[Tensor]] = greedy,
    *,
    extra: int = 50,
    rows: int = 100,
) -> list[str]:
    """The translations of many texts (tokens with their END), some hundred at a time, similar lengths together."""
    device = next(model.parameters()).device
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    texts = [""] * len(sources)
    for start in range(0, len(order), rows):
        part = order[start : start + rows]
        batch = nn.utils.rnn.pad_sequence([sources[i].long() for i in part], batch_first=True).to(device)
        count = min(info.context, batch.shape[1] + extra)
        for i, written in zip(part, write(model, batch, count), strict=True):
            texts[i] = decode(written.tolist(), info)
    return texts
