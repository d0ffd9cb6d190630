"""What attention is for: finding the digit that stood beside a letter, against a network that may only average.

    a3 f7 k1 f?    ->  7

Run it       learnable train self-attention, learnable train self-attention-mean
Takes        some fifteen seconds each on two CPU cores
Compare      learnable runs self-attention self-attention-mean

Both have 19,722 parameters, the same data, steps and optimizer, and each the learning rate that suits it best.
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


RECIPE = Recipe(
    model=by_attention,
    data=pairs,
    players=(Player(recall, partial(adamw, weight_decay=0.1), learning_rate=3e-3, schedule=warmup_cosine),),
    steps=1000,
    batch_size=128,
    evaluate=recall_metrics,
    expected=Expected("accuracy", at_least=0.99, minutes=0.25),
    model_settings={"width": 64},
    data_settings={"pairs": 8, "keys": 26, "values": 10},
    clip=1.0,
    every=100,
    predict=answer,
    example=example,
    inputs=("tokens",),
)

MEAN = replace(
    RECIPE,
    model=by_mean,
    players=(Player(recall, partial(adamw, weight_decay=0.1), learning_rate=1e-2, schedule=warmup_cosine),),
    expected=Expected("accuracy", at_least=0.4, minutes=0.25),
)
