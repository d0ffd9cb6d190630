"""Beam search: the few likeliest beginnings of a text go on together, and what ends is compared.

Taking the likeliest token each time may run into a corner: a good beginning with nothing good to follow. A beam keeps several
beginnings, so that one which looks worse at first can still win.

Paper    Wu et al. 2016, section 7 (beam search, length penalty) - https://arxiv.org/abs/1609.08144
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from learnable.errors import CallError
from learnable.sampling.cache import Cache, check_prompts, step_of
from learnable.sampling.choosing import diverged
from learnable.sampling.packed import fastest


@runtime_checkable
class Reader(Protocol):
    """What writes: scores of the next token after some beginnings; which beginnings go on is told by `keep`."""

    def next(self, target: Int[Tensor, "rows written"]) -> Float[Tensor, "rows vocab"]: ...

    def keep(self, rows: Int[Tensor, "kept"]) -> None: ...


def gnmt(alpha: float = 0.6) -> Callable[[int], float]:
    """Wu et al.'s length penalty: the log probability of a text of n tokens is divided by ((5 + n) / 6)^alpha.

    Each token makes a text less probable; undivided, the shortest would win.

    >>> round(gnmt(0.6)(7), 3)
    1.516
    """
    return lambda tokens: float(((5 + tokens) / 6) ** alpha)


def power(alpha: float = 1.0) -> Callable[[int], float]:
    """The plainer length penalty, n^alpha; 1 compares the mean log probability of a token."""
    return lambda tokens: float(tokens**alpha)


@torch.inference_mode()
def beam_search(
    reading: Reader,
    beginnings: Int[Tensor, "rows given"],
    count: int,
    size: int,
    penalty: Callable[[int], float],
    *,
    end: int | None,
    unfinished: bool,
) -> list[Tensor]:
    """The likeliest continuation that a beam of `size` finds for each beginning: at most `count` tokens, up to its end.

    A text that ends is put aside with its score divided by the penalty. A row is done when `size` have ended and no
    beginning can still get better than the best of them, or when `count` tokens are written.

    Args:
        reading: what was made for these rows; it is told which of them go on.
        end: the token that ends a text; None: nothing does.
        unfinished: whether texts that `count` cuts short compete with those that have ended, or only if nothing has.

    Raises:
        CallError: a size below 1.
        WorldError: the model answers with no number.
    """
    if size < 1:
        raise CallError(f"expected a beam of at least 1 beginning, came {size}; 1 is greedy")
    rows, given, device = *beginnings.shape, beginnings.device
    target = beginnings.repeat_interleave(size, dim=0)
    scores = torch.full((rows, size), -torch.inf, dtype=torch.float64, device=device)
    scores[:, 0] = 0.0  # all beginnings are the same at first: one of them is enough
    found: list[list[tuple[float, Tensor]]] = [[] for _ in range(rows)]
    done = [False] * rows
    for tokens_written in range(1, count + 1):
        if tokens_written == 1:
            logs = reading.next(beginnings).double().log_softmax(dim=-1).repeat_interleave(size, dim=0)
            reading.keep(torch.arange(rows, device=device).repeat_interleave(size))
        else:
            logs = reading.next(target).double().log_softmax(dim=-1)
        if logs.isnan().any():
            raise diverged()
        vocab = logs.shape[-1]
        total = (scores[:, :, None] + logs.reshape(rows, size, vocab)).flatten(1)
        best = total.topk(min(2 * size, total.shape[1]), dim=1)  # twice as many: half of them at most may end
        parents, tokens = best.indices // vocab, best.indices % vocab
        kept = torch.zeros(rows, size, dtype=torch.int64, device=device)  # places among the candidates
        for row in range(rows):
            ends = [False] * tokens.shape[1] if end is None else (tokens[row] == end).tolist()
            for place, ended in enumerate(ends[:size]):
                if ended and not done[row] and best.values[row, place] > -torch.inf:
                    text = target[row * size + parents[row, place], given:]
                    text = torch.cat([text, text.new_tensor([end])])
                    found[row].append((float(best.values[row, place]) / penalty(tokens_written), text))
            going = [place for place, ended in enumerate(ends) if not ended][:size]
            kept[row, : len(going)] = torch.tensor(going, device=device)
            scores[row] = -torch.inf
            scores[row, : len(going)] = best.values[row, going]
            if len(found[row]) >= size:  # the most that a beginning can still reach: no further loss, longest text
                reach = float(scores[row].max()) / penalty(count)
                done[row] = max(score for score, _ in found[row]) >= reach
        rest = (torch.arange(rows, device=device)[:, None] * size + parents.gather(1, kept)).flatten()
        target = torch.cat([target[rest], tokens.gather(1, kept).reshape(-1, 1).to(target.dtype)], dim=1)
        if all(done):
            break
        reading.keep(rest)
    for row in range(rows):
        if not found[row] or (unfinished and not done[row]):
            cut = float(scores[row, 0]) / penalty(max(count, 1))
            found[row].append((cut, target[row * size, given:]))
    return [max(texts, key=lambda pair: pair[0])[1] for texts in found]


class Continuing:
    """A reader of texts that are continued, with a cache of what was read; for the models of `sampling.cache`."""

    def __init__(self, model: Any, room: int):
        self.model = model
        self.room = room  # tokens that the texts will have at most
        self.cache: Cache | None = None
        self.read = 0
        self.pack = fastest(model, room)
        self.step = step_of(model, room, self.pack)

    def next(self, target: Int[Tensor, "rows written"]) -> Float[Tensor, "rows vocab"]:
        if self.cache is not None and self.cache.has_room:
            fresh = target[:, self.read :]
        else:  # the first time, and past the context, where every token stands at another place than before
            config = self.model.config
            fresh = target[:, -config.context :]
            most = min(self.room, getattr(config, "steady", config.context))
            self.cache = Cache.for_model(self.model, len(target), max(fresh.shape[1], most))
        self.read = target.shape[1]
        if fresh.shape[1] == 1:
            return self.cache.read_one(self.model, fresh, self.step)
        with self.pack():
            return self.cache.read(self.model, fresh)

    def keep(self, rows: Int[Tensor, "kept"]) -> None:
        if self.cache is not None:
            self.cache.keep(rows)


def generate_beam(
    model: Any,
    prompts: Sequence[Tensor] | Tensor,
    count: int,
    *,
    size: int = 4,
    penalty: Callable[[int], float] | None = None,
    stop: int | None = None,
) -> list[Tensor]:
    """Each prompt with the likeliest up to `count` tokens that a beam of `size` finds; it ends with its first `stop`.

    Args:
        penalty: number of new tokens -> what their log probability is divided by; None: `power()`.

    Raises:
        CallError: a size below 1, or what `stream_cached` refuses.
    """
    check_prompts(prompts, count)
    texts = []
    for prompt in prompts:  # one by one: their lengths may differ
        reading = Continuing(model, len(prompt) + count)
        new = beam_search(reading, prompt[None].long(), count, size, penalty or power(), end=stop, unfinished=True)[0]
        texts.append(torch.cat([prompt, new.to(prompt.dtype)]))
    return texts
