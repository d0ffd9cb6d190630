"""Six ways to say where a token stands, on texts of the length of training, twice and four times as long.

Run it       learnable train positional-encoding                ALiBi
             learnable train positional-encoding-none           nothing but the mask
             learnable train positional-encoding-sinusoidal
             learnable train positional-encoding-learned
             learnable train positional-encoding-rotary
             learnable train positional-encoding-relative       T5's buckets
Takes        some twenty seconds each on two CPU cores
Compare      learnable runs positional-encoding positional-encoding-rotary

All have the same blocks, data, steps and optimizer, and are trained on windows of 32 characters of the standard library.
`bits_per_character` is for windows of 32 too, `bits_at_2x` for those of 64, `bits_at_4x` of 128: who can use a longer text
gets better with it, who cannot gets worse.
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.text import characters
from learnable.metrics.language import stretched_metrics
from learnable.models.language.placed import PlacedLM, rotary
from learnable.nn.positions import Alibi, RelativeBias, Sinusoids
from learnable.objectives.next_token import next_token
from learnable.optim.factories import adamw
from learnable.optim.schedules import warmup_cosine
from learnable.train.recipe import Expected, Player, Recipe

LONGER = 4  # times the length of training, at most


def placed(info: Info, depth: int, width: int, heads: int, **how: nn.Module) -> PlacedLM:
    return PlacedLM(info.vocab, width, heads, depth, LONGER * info.context, **how)


def none(info: Info, depth: int = 2, width: int = 64, heads: int = 4) -> PlacedLM:
    return placed(info, depth, width, heads)


def sinusoidal(info: Info, depth: int = 2, width: int = 64, heads: int = 4) -> PlacedLM:
    return placed(info, depth, width, heads, at_token=Sinusoids(width))


def learned(info: Info, depth: int = 2, width: int = 64, heads: int = 4) -> PlacedLM:
    return placed(info, depth, width, heads, at_token=nn.Embedding(LONGER * info.context, width))


def turned(info: Info, depth: int = 2, width: int = 64, heads: int = 4) -> PlacedLM:
    return PlacedLM(info.vocab, width, heads, depth, LONGER * info.context, at_query=rotary(width // heads))


def alibi(info: Info, depth: int = 2, width: int = 64, heads: int = 4) -> PlacedLM:
    return placed(info, depth, width, heads, at_score=Alibi(heads))


def relative(info: Info, depth: int = 2, width: int = 64, heads: int = 4) -> PlacedLM:
    return placed(info, depth, width, heads, at_score=RelativeBias(heads, causal=True))


def example(info: Info) -> tuple[Tensor, ...]:
    """Two texts for export."""
    return (torch.arange(2 * info.context).reshape(2, info.context) % info.vocab,)


RECIPE = Recipe(
    model=alibi,
    data=characters,
    data_settings={"context": 32},
    sources={"tinyshakespeare": "1 MB of Shakespeare's plays"},
    model_settings={"depth": 2, "width": 64, "heads": 4},
    players=(Player(next_token, adamw, learning_rate=5e-3, schedule=warmup_cosine),),
    steps=400,
    batch_size=32,
    clip=1.0,
    every=200,
    evaluate=partial(stretched_metrics, times=(2, LONGER)),
    expected=Expected("bits_at_4x", at_most=3.45, minutes=0.4),
    example=example,
    inputs=("tokens",),
    free=("batch", "tokens"),
)

NONE = replace(RECIPE, model=none, expected=Expected("bits_per_character", at_most=3.7, minutes=0.4))
SINUSOIDAL = replace(RECIPE, model=sinusoidal, expected=Expected("bits_per_character", at_most=3.8, minutes=0.4))
LEARNED = replace(RECIPE, model=learned, expected=Expected("bits_per_character", at_most=3.55, minutes=0.4))
ROTARY = replace(RECIPE, model=turned, expected=Expected("bits_per_character", at_most=3.3, minutes=0.4))
RELATIVE = replace(RECIPE, model=relative, expected=Expected("bits_at_4x", at_most=3.9, minutes=0.4))
