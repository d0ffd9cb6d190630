r"""Speculative decoding: a small model guesses some tokens, and the large one checks them all in one pass.

With one token a pass a large model spends its time bringing weights from memory; reading five tokens takes hardly longer than
one. So a cheap draft writes ahead, and of what it wrote, the large model keeps as much as it would have said itself. A guess
x, which the draft drew with probability q(x) where the large model gives it p(x), stays with probability min(1, p(x) / q(x));
the first that does not is drawn again from what the draft had too little of, max(0, p - q). Each token then has exactly the
large model's distribution: q(x) min(1, p(x) / q(x)) + P(refused) max(0, p(x) - q(x)) / P(refused) = p(x). With `only_best`
both are certain, and the text is the greedy one.

Paper    Leviathan et al. 2023, section 2 and appendix A.1 - https://arxiv.org/abs/2211.17192
Letters  their M_p is our `model`, M_q our `draft`, gamma our `ahead`
Differs  the filters of `sampling.choosing` are put over both models' scores
Lesson   course/lessons/transformers/text-generation
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from learnable.errors import CallError
from learnable.sampling.cache import Cache, check_prompts, step_of
from learnable.sampling.choosing import Filter, chances, only_best, toss
from learnable.sampling.packed import fastest
from learnable.sampling.recorded import Step

LanguageModel = Any  # with the parts that `sampling.cache` names


def generate_speculative(
    model: LanguageModel,
    draft: LanguageModel,
    prompt: Int[Tensor, "tokens"],
    count: int,
    through: Sequence[Filter] = (only_best,),
    *,
    ahead: int = 4,
    generator: torch.Generator | None = None,
    stop: int | None = None,
) -> Int[Tensor, "longer"]:
    """The prompt with up to `count` tokens appended, up to the first `stop`: what `stream_speculative` writes."""
    new = list(stream_speculative(model, draft, prompt, count, through, ahead=ahead, generator=generator, stop=stop))
    return torch.cat([prompt, *(token[0].to(prompt.dtype) for token in new)])


def stream_speculative(
    model: LanguageModel,
    draft: LanguageModel,
    prompt: Int[Tensor, "tokens"],
    count: int,
    through: Sequence[Filter] = (only_best,),
    *,
    ahead: int = 4,
    generator: torch.Generator | None = None,
    stop: int | None = None,
) -> Iterator[Tensor]:
    """The new tokens one by one, each (1, 1), distributed as if `model` had drawn them alone after the filters.

    Past the context of either model nothing is guessed any more.

    Args:
        draft: a smaller model with the same vocabulary.
        through: filters from scores to what is drawn from; `only_best` writes the greedy text.
        ahead: tokens that are guessed before the model is asked.

    Raises:
        CallError: other vocabularies, fewer than one token ahead, or what `stream_cached` refuses.
    """
    check_prompts([prompt], count)
    if model.config.vocab != draft.config.vocab:
        raise CallError(f"expected a draft with the model's own vocabulary of {model.config.vocab} tokens, came one with "
                        f"{draft.config.vocab}")  # fmt: skip
    if ahead < 1:
        raise CallError(f"expected at least 1 token ahead, came {ahead}")
    text = prompt[None].long()
    large, small = Side.of(model, text.shape[1], count), Side.of(draft, text.shape[1], count)
    left = count
    while left > 0:
        guesses, believed = text[:, :0], []
        for _ in range(max(0, min(ahead, left - 1, large.room - text.shape[1], small.room - text.shape[1]))):
            believed.append(chances(small.scores(torch.cat([text, guesses], dim=1), 1), through))
            guesses = torch.cat([guesses, toss(believed[-1], generator)], dim=1)
        known = chances(large.scores(torch.cat([text, guesses], dim=1), guesses.shape[1] + 1), through)
        new = checked(guesses[0], torch.cat(believed) if believed else known[:0], known, generator)
        text = torch.cat([text, new[None]], dim=1)
        for side in (large, small):
            side.forget(text.shape[1] - 1)  # the last token was read by nobody
        left -= len(new)
        for token in new:
            yield token[None, None]
            if stop is not None and token == stop:
                return


def checked(
    guesses: Int[Tensor, "ahead"],
    believed: Float[Tensor, "ahead vocab"],
    known: Float[Tensor, "ahead+1 vocab"],
    generator: torch.Generator | None = None,
) -> Int[Tensor, "kept"]:
    """Algorithm 1 from line 5 on: the guesses that stay, and one token of the large model's own.

    Args:
        believed: the probabilities by which the guesses were drawn, place by place.
        known: the large model's at the same places, and behind the last guess.
    """
    device = generator.device if generator is not None else known.device
    points = torch.rand(len(guesses), dtype=torch.float64, generator=generator, device=device).tolist()
    for place, (guess, point) in enumerate(zip(guesses.tolist(), points, strict=True)):
        if point * float(believed[place, guess]) >= float(known[place, guess]):
            return torch.cat([guesses[:place], toss(missing(known[place], believed[place])[None], generator)[0]])
    return torch.cat([guesses, toss(known[-1:], generator)[0]])


def missing(known: Float[Tensor, "vocab"], believed: Float[Tensor, "vocab"]) -> Float[Tensor, "vocab"]:
    """What the draft had too little of, as a distribution."""
    less = (known - believed).clamp(min=0)
    total = less.sum()
    return less / total if total > 0 else known  # the same distribution: only rounding can have refused


@dataclass
class Side:
    """One of the two models, and what it has read."""

    model: LanguageModel
    room: int  # tokens up to which what was read stays what it was
    cache: Cache
    pack: Callable[[], contextlib.AbstractContextManager[None]]
    step: Step

    @classmethod
    def of(cls, model: LanguageModel, given: int, count: int) -> "Side":
        room = min(given + count, getattr(model.config, "steady", model.config.context))
        pack = fastest(model, count)
        return cls(model, room, Cache.for_model(model, 1, room), pack, step_of(model, count, pack))

    def scores(self, text: Int[Tensor, "1 tokens"], last: int) -> Float[Tensor, "last vocab"]:
        """The logits after each of the `last` tokens of the text; of those it has read none again."""
        if text.shape[1] > self.room:  # every token stands at another place than before, or its key is another
            with torch.inference_mode():
                return self.model(text[:, -self.model.config.context :])[0, -last:]
        fresh = text[:, self.cache.longest :]
        if fresh.shape[1] == 1:
            return self.cache.read_one(self.model, fresh, self.step)
        with self.pack():
            return self.cache.read_last(self.model, fresh, last)[0]

    def forget(self, longest: int) -> None:
        self.cache.forget(longest)
