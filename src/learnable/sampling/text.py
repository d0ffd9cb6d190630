"""Writing with a model that knows what comes next: ask it, choose, append, ask again.

This is the obvious way, in which the whole text is read again for every new token; `learnable.sampling.cache` does the same
work once.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from learnable.data.examples import Info
from learnable.data.tokens import opening, to_pieces, to_text, to_tokens
from learnable.errors import CallError
from learnable.sampling import choosing
from learnable.sampling.choosing import Choose, Unrepeating, diverged, draw, filters

# Anything that turns tokens (batch, tokens) into logits (batch, tokens, vocab) and has `config.context`, the most tokens that
# it can read; of a longer text it reads the end.
LanguageModel = Any


def generate(
    model: LanguageModel, tokens: Int[Tensor, "batch tokens"], count: int, choose: Choose, *, stop: int | None = None
) -> Int[Tensor, "batch longer"]:
    """Append up to `count` tokens to every text: (batch, tokens) becomes (batch, up to tokens + count).

    Raises:
        CallError: what `stream` refuses.

    >>> from types import SimpleNamespace
    >>> counts = torch.nn.Embedding.from_pretrained(torch.eye(10).roll(1, dims=1))  # row i expects i + 1
    >>> counts.config = SimpleNamespace(context=4)
    >>> generate(counts, torch.tensor([[1, 2]]), 3, greedy)
    tensor([[1, 2, 3, 4, 5]])
    """
    return torch.cat([tokens, *stream(model, tokens, count, choose, stop=stop)], dim=1)


def stream(
    model: LanguageModel, tokens: Int[Tensor, "batch tokens"], count: int, choose: Choose, *, stop: int | None = None
) -> Iterator[Tensor]:
    """The new tokens one by one, each (batch, 1), as they are chosen.

    A text in which `stop` was chosen gets nothing but `stop` from then on; when all have it, the stream ends.

    Raises:
        CallError: a count below 0, or tokens that are no table.
    """
    if count < 0:
        raise CallError(f"expected a count of at least 0 tokens, came {count}; 0 leaves the texts as they are")
    if tokens.dim() != 2:
        raise CallError(
            f"expected tokens of shape (batch, tokens), came {tuple(tokens.shape)}; a single text is tokens[None]"
        )
    ended = torch.zeros_like(tokens[:, :1], dtype=torch.bool)
    for _ in range(count):
        with torch.inference_mode():  # inside the loop: whoever takes the tokens may want gradients of his own
            chosen = choose(model(tokens[:, -model.config.context :])[:, -1])
        if stop is not None:
            chosen = chosen.masked_fill(ended, stop)  # so it stays ended
            ended = chosen == stop
        yield chosen
        tokens = torch.cat([tokens, chosen], dim=1)
        if ended.all():
            return


def greedy(logits: Float[Tensor, "batch vocab"]) -> Int[Tensor, "batch 1"]:
    """The most expected token, always: good for facts, dull for stories.

    Raises:
        WorldError: there is none: NaN, or infinity.
    """
    best, tokens = logits.max(dim=-1, keepdim=True)
    if not best.isfinite().all():
        raise diverged()
    return tokens


def sample(
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
    *,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Choose:
    """A way to choose: draw each token as often as the model expects it, after the filters of `sampling.choosing`.

    Args:
        temperature: the logits are divided by it; below 1 the expected is preferred, above 1 the unexpected gets a chance.
        top_k: only so many tokens are drawn from, the most expected.
        generator: where the random numbers come from; the same one gives the same text.
        top_p: only from the most expected tokens that are together so probable.
        min_p: only from those that are at least so many times as probable as the most expected.

    Raises:
        CallError: a temperature that is not above 0, a `top_k` below 1, a share out of range.
        WorldError: when choosing: logits of which no probabilities can be made (NaN, infinity, nothing but its negative).
    """
    if not temperature > 0:
        choosing.temperature(temperature)  # which refuses it
    return draw(*filters(temperature, top_k, top_p, min_p), generator=generator)


def write_text(
    model: LanguageModel,
    info: Info,
    prompt: str,
    *,
    count: int = 300,
    seed: int = 0,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float | None = None,
    beams: int | None = None,
    int8: bool = False,
    draft: tuple[LanguageModel, Info] | None = None,
) -> dict[str, Any]:
    """`prompt`, continued by `count` tokens: what `learnable generate` calls for a model of characters or byte pairs.

    A temperature of 0 always takes the most expected token. An empty prompt begins a line. `beams` look for the likeliest
    text, and throw no dice. A `draft` is a smaller model, with what its own data says, that guesses ahead for this one
    (`sampling.speculative`): sooner if it guesses well, and still this model's text.

    Raises:
        CallError: a character of the prompt that the model has never seen, a number out of range, wishes that contradict,
            a draft whose tokens stand for something else.
    """
    from learnable.sampling.beam import generate_beam

    if beams is None:
        written = stream_text(
            model, info, prompt, count=count, seed=seed, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
            repetition_penalty=repetition_penalty, int8=int8, draft=draft,
        )  # fmt: skip
        return {"text": prompt + "".join(written)}
    dice = {
        "top-k": top_k,
        "top-p": top_p,
        "min-p": min_p,
        "repetition-penalty": repetition_penalty,
        "int8": int8 or None,
        "draft": draft,
    }
    for name, value in dice.items():
        if value is not None:
            raise CallError(f"beams look for the likeliest text, and --{name} is for one that is written token by token; "
                            "leave one of them out")  # fmt: skip
    start = _beginning(model, info, prompt)
    text = generate_beam(model, [start], count, size=beams)[0]
    return {"text": prompt + to_text(text[len(start) :], info)}


def stream_text(
    model: LanguageModel,
    info: Info,
    prompt: str,
    *,
    count: int = 300,
    seed: int = 0,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float | None = None,
    int8: bool = False,
    draft: tuple[LanguageModel, Info] | None = None,
) -> Iterator[str]:
    """What `write_text` writes after the prompt, piece by piece as it is chosen; what is wrong is said before the first.

    Raises:
        CallError: what `write_text` refuses.
    """
    from learnable.sampling.cache import stream_cached
    from learnable.sampling.speculative import stream_speculative

    if count < 0:
        raise CallError(f"expected a count of at least 0 tokens, came {count}")
    for name, value in {"top-k": top_k, "top-p": top_p, "min-p": min_p}.items():
        if temperature == 0 and value is not None:
            raise CallError(f"a temperature of 0 always takes the likeliest, and --{name} leaves several to draw from; leave "
                            "one of them out")  # fmt: skip
    dice = torch.Generator().manual_seed(seed)
    choose = greedy if temperature == 0 else sample(temperature, top_k, dice, top_p=top_p, min_p=min_p)
    start = _beginning(model, info, prompt)
    if draft is not None:
        for name, wish in {"repetition-penalty": repetition_penalty, "int8": int8 or None}.items():
            if wish is not None:
                raise CallError(f"a draft guesses what the model alone would write, and --{name} changes that; leave one of "
                                "them out")  # fmt: skip
        smaller, words = draft
        if meanings(words) != meanings(info):
            raise CallError("expected a draft whose tokens stand for the same as the model's own, came another vocabulary; train "
                            "both on the same data")  # fmt: skip
        through = filters(temperature, top_k, top_p, min_p)
        guessed = stream_speculative(model, smaller, start, count, through, generator=dice)
        return to_pieces((int(token) for token in guessed), info)
    if repetition_penalty is not None:
        choose = Unrepeating(choose, repetition_penalty, [start])
    tokens = stream_cached(model, [start], count, choose, int8=int8)
    return to_pieces((int(token) for token in tokens), info)


def meanings(info: Info) -> dict[int, str]:
    """What each token of this data stands for."""
    return dict(enumerate(info.alphabet)) if info.cutter is None else info.cutter.tokens


def _beginning(model: LanguageModel, info: Info, prompt: str) -> Int[Tensor, "tokens"]:
    return to_tokens(prompt or opening(info), info).long().to(next(model.parameters()).device)
