"""Writing with a model that knows what comes next: ask it, choose, append, ask again.

This is the obvious way, in which the whole text is read again for every new token; `learnable.sampling.cache` does the same
work once.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from learnable.data.examples import Info
from learnable.data.tokens import opening, to_text, to_tokens
from learnable.errors import CallError, WorldError

# Anything that turns tokens (batch, tokens) into logits (batch, tokens, vocab) and has `config.context`, the most tokens that
# it can read; of a longer text it reads the end.
LanguageModel = Any
Choose = Callable[[Tensor], Tensor]  # logits (batch, vocab) -> tokens (batch, 1)


def generate(
    model: LanguageModel, tokens: Int[Tensor, "batch tokens"], count: int, choose: Choose, *, stop: int | None = None
) -> Int[Tensor, "batch longer"]:
    """Append up to `count` tokens to every text.

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
        CallError: a count below 0.
    """
    if count < 0:
        raise CallError(f"expected a count of at least 0 tokens, came {count}; 0 leaves the texts as they are")
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
    """The most expected token, always: good for facts, dull for stories."""
    return logits.argmax(dim=-1, keepdim=True)


def sample(temperature: float = 1.0, top_k: int | None = None, generator: torch.Generator | None = None) -> Choose:
    """A way to choose: draw each token as often as the model expects it.

    Args:
        temperature: the logits are divided by it; below 1 the expected is preferred, above 1 the unexpected gets a chance.
        top_k: only the `top_k` most expected tokens are drawn from (Fan et al. 2018, section 5.1), as the many that are
            nearly impossible are together probable, and one of them can derail a text.
        generator: where the random numbers come from; the same one gives the same text.

    Raises:
        CallError: a temperature that is not above 0, a `top_k` below 1.
        WorldError: when choosing: logits of which no probabilities can be made (NaN, infinity, nothing but its negative).
    """
    if not 0 < temperature < float("inf"):
        raise CallError(f"expected a temperature above 0, came {temperature}; for always the most expected, use greedy")
    if top_k is not None and top_k < 1:
        raise CallError(f"expected a top_k of at least 1, came {top_k}; leave it out to draw from all tokens")

    def choose(logits: Float[Tensor, "batch vocab"]) -> Int[Tensor, "batch 1"]:
        scores = logits.double() / temperature
        if top_k is not None and top_k < scores.shape[-1]:
            last = scores.topk(top_k, dim=-1).values[:, -1:]
            scores = scores.masked_fill(scores < last, -torch.inf)
        # The probabilities laid end to end are a line of length 1: a point of it, drawn evenly, lies in one of them.
        ends = scores.softmax(dim=-1).cumsum(dim=-1)
        if not (ends[:, -1] > 0).all():  # NaN is not: every point would lie behind the line, where there is no token
            raise WorldError("the model's answer is no number: its training has diverged; train it again at a lower "
                             "learning rate, or go back to an earlier checkpoint")  # fmt: skip
        device = generator.device if generator is not None else logits.device
        point = torch.rand(len(logits), 1, dtype=torch.float64, generator=generator, device=device).to(logits.device)
        return torch.searchsorted(ends, point * ends[:, -1:], right=True)

    return choose


def write_text(
    model: LanguageModel,
    info: Info,
    prompt: str,
    *,
    count: int = 300,
    seed: int = 0,
    temperature: float = 0.8,
    top_k: int | None = None,
) -> dict[str, Any]:
    """`prompt`, continued by `count` tokens: what `learnable generate` calls for a model of characters or byte pairs.

    A temperature of 0 always takes the most expected token. An empty prompt begins a line.

    Raises:
        CallError: a character of the prompt that the model has never seen, a count, temperature or top_k out of range.
    """
    from learnable.sampling.cache import stream_cached

    if count < 0:
        raise CallError(f"expected a count of at least 0 tokens, came {count}")
    choose = greedy if temperature == 0 else sample(temperature, top_k, torch.Generator().manual_seed(seed))
    device = next(model.parameters()).device
    start = to_tokens(prompt or opening(info), info).long().to(device)
    new = [int(token) for token in stream_cached(model, [start], count, choose)]
    return {"text": prompt + to_text(new, info)}
