"""Compound scaling against depth alone: four and a half times the work, spent in all three directions or in one.

Run it       learnable train efficientnet                 depth x 1.44, width x 1.21, side x 1.3 (phi = 2)
             learnable train efficientnet-deep            depth x 5, the rest as it was: as much work
             learnable train efficientnet-small           the network that both were made of (phi = 0)
             learnable train efficientnet --data fashion-mnist
             learnable train efficientnet --data cifar10
Takes        about a minute on two CPU cores, the small one a quarter of it
Compare      accuracy at equal multiply-adds, which the metrics name
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.efficientnet import EfficientNet, EfficientNetConfig
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe

# expansion, kernel, stride of the first, channels, blocks
STAGES = ((1, 3, 1, 16, 1), (4, 3, 2, 24, 2), (4, 3, 2, 40, 2))


def efficientnet(info: Info, width: float = 1.0, depth: float = 1.0) -> nn.Module:
    """Three short stages of the paper's blocks, multiplied."""
    assert info.image is not None, "labeled_images says how large its pictures are"
    config = EfficientNetConfig(width, depth, info.image[1], dropout=0.1, stages=STAGES, stem=16, last=160, drop=0.1)
    model = EfficientNet(config, classes=len(info.classes), channels=info.image[0])
    # The order of numbers in memory that convolutions like best; torch's stubs leave the argument out.
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def example(info: Info) -> tuple[Tensor, ...]:
    """Two pictures: with one alone, an exporter takes the number of pictures for a constant."""
    assert info.image is not None, "labeled_images says how large its pictures are"
    return (torch.zeros(2, *info.image),)


SOURCES = {
    "glyphs": "12,220 letters and digits in 26 faces, drawn at the size that is asked for, color, embedded (default)",
    "fashion-mnist": "70,000 pictures of clothing",
    "cifar10": "60,000 photos of animals and vehicles",
}

RECIPE = Recipe(
    model=efficientnet,
    data=glyph_images,
    data_settings={"size": 26, "channels": 3},
    model_settings={"width": 1.21, "depth": 1.44},
    sources=SOURCES,
    players=(Player(classify, partial(adamw, weight_decay=0.05), learning_rate=5e-3, schedule=one_cycle),),
    steps=600,
    batch_size=32,
    every=300,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.75, minutes=1.0),
)

DEEP = replace(
    RECIPE,
    data_settings={"size": 20, "channels": 3},
    model_settings={"width": 1.0, "depth": 5.0},
    expected=Expected("accuracy", at_least=0.70, minutes=1.0),
)

SMALL = replace(
    DEEP, model_settings={"width": 1.0, "depth": 1.0}, expected=Expected("accuracy", at_least=0.60, minutes=0.3)
)
