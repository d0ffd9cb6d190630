"""Depthwise against full convolution: the same small network twice, and a full one that may cost no more.

Run it       learnable train mobilenet                    separable convolutions, as in MobileNet V1
             learnable train mobilenet-full               a full 3x3 convolution in the place of each
             learnable train mobilenet-full-thin          the same, so narrow that it does no more multiplications
             learnable train mobilenet --data fashion-mnist
             learnable train mobilenet --data cifar10
Takes        about half a minute on two CPU cores, the full one about twice as long
Compare      accuracy, and beside it the parameters and multiply-adds of one picture, which the metrics name
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.mobilenet import MobileNetV1, MobileNetV1Config
from learnable.nn.separable import ConvNorm, Separable
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe

STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2))  # V1's first three; small pictures have no use for more


def separable(info: Info, width: float = 0.5) -> nn.Module:
    """A MobileNet V1 for small pictures."""
    return _built(info, width, partial(Separable, activation=nn.ReLU))


def full(info: Info, width: float = 0.5) -> nn.Module:
    """Its twin with full convolutions."""
    return _built(info, width, lambda channels, out, stride: ConvNorm(channels, out, 3, stride, activation=nn.ReLU))


def example(info: Info) -> tuple[Tensor, ...]:
    """Two pictures: with one alone, an exporter takes the number of pictures for a constant."""
    assert info.image is not None, "labeled_images says how large its pictures are"
    return (torch.zeros(2, *info.image),)


def _built(info: Info, width: float, block) -> nn.Module:  # type: ignore[no-untyped-def]
    assert info.image is not None, "labeled_images says how large its pictures are"
    config = MobileNetV1Config(width=width, stages=STAGES, dropout=0.0)
    model = MobileNetV1(config, classes=len(info.classes), channels=info.image[0], block=block)
    # The order of numbers in memory that convolutions like best; torch's stubs leave the argument out.
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


SOURCES = {
    "glyphs": "12,220 letters and digits in 26 faces, 32x32 color, embedded (default)",
    "fashion-mnist": "70,000 pictures of clothing",
    "cifar10": "60,000 photos of animals and vehicles",
}

RECIPE = Recipe(
    model=separable,
    data=glyph_images,
    data_settings={"size": 32, "channels": 3},
    model_settings={"width": 0.5},
    sources=SOURCES,
    players=(Player(classify, partial(adamw, weight_decay=0.05), learning_rate=5e-3, schedule=one_cycle),),
    steps=600,
    batch_size=32,
    every=300,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.80, minutes=0.5),
)

FULL = replace(RECIPE, model=full, expected=Expected("accuracy", at_least=0.80, minutes=1.0))

THIN = replace(
    RECIPE, model=full, model_settings={"width": 0.1875}, expected=Expected("accuracy", at_least=0.70, minutes=0.5)
)
