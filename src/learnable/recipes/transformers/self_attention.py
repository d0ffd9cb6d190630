"""What attention is for: finding the digit that stood beside a letter, against a network that may only average.

    a3 f7 k1 f?    ->  7

Run it       learnable train self-attention, learnable train self-attention-mean
Takes        some fifteen seconds each on two CPU cores
Compare      learnable runs self-attention self-attention-mean

Both have 19,722 parameters and the same data, steps and optimizer; they differ in one box. Attention is done after a
hundred steps. The mean finds half of the answers among 8 pairs, and fewer the more pairs there are (`--pairs 2`, 4, 16);
it is still learning when the recipe ends, since it has to build a memory of its own where attention only looks.
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from learnable.data.examples import Info
from learnable.data.recall import pairs
from learnable.metrics.recall import recall_metrics
from learnable.models.language.recall import AttentionRecall, MeanRecall
from learnable.objectives.recall import recall
from learnable.optim.factories import adamw
from learnable.optim.schedules import warmup_cosine
from learnable.sampling.recall import answer
from learnable.train.recipe import Expected, Player, Recipe


def by_attention(info: Info, width: int = 64) -> AttentionRecall:
    return AttentionRecall(keys=info.vocab, values=len(info.classes), width=width)


def by_mean(info: Info, width: int = 64) -> MeanRecall:
    return MeanRecall(keys=info.vocab, values=len(info.classes), width=width)


def example(info: Info) -> tuple[Tensor]:
    """Two lines for export: tokens (2, pairs + 1, 2). An exporter shuffles the numbers, so each is a letter and a digit."""
    numbers = torch.arange(2 * (info.context + 1) * 2) % min(info.vocab, len(info.classes))
    return (numbers.reshape(2, info.context + 1, 2),)


player = Player(recall, partial(adamw, weight_decay=0.03), learning_rate=1e-2, schedule=warmup_cosine)

RECIPE = Recipe(
    model=by_attention,
    model_settings={"width": 64},
    data=pairs,
    data_settings={"pairs": 8, "keys": 26, "values": 10},
    players=(player,),  # the rate that suits the mean best; attention finds every answer at a third of it too
    steps=2_000,  # attention needs a tenth of them
    batch_size=128,
    clip=1.0,
    every=200,
    evaluate=recall_metrics,
    predict=answer,
    takes="a text file with a line such as: a3 f7 k1 f?",
    inputs=("tokens",),
    example=example,
    expected=Expected("accuracy", at_least=0.99, minutes=0.25),
)

MEAN = replace(RECIPE, model=by_mean, expected=Expected("accuracy", at_least=0.4, minutes=0.25))
