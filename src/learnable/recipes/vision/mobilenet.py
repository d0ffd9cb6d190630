"""Depthwise against full convolution: the same small network with either, and a full one so narrow that it costs as little.

Run it       learnable train mobilenet                    separable convolutions, as in MobileNet V1
             learnable train mobilenet-full               a full 3x3 convolution in the place of each
             learnable train mobilenet-full-thin          the same, narrow: as many weights as the separable one
             learnable train mobilenet --data fashion-mnist
             learnable train mobilenet --data cifar10 --channels 3
Takes        half a minute each on two CPU cores
Compare      accuracy, and beside it the weights and the multiply-adds of one picture, which the metrics name: the separable network
             reads nearly as well as its twin for a seventh of both, and better than the thin one for as much
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.mobilenet import MobileNetV1, MobileNetV1Config
from learnable.nn.separable import ConvNorm, Separable
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.recipes.vision.lenet import example, pictures
from learnable.recipes.vision.resnet import SOURCES
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe

STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2))  # V1's first three; small pictures have no use for more


def separable(info: Info, width: float = 0.5) -> nn.Module:
    """A MobileNet V1 for small pictures."""
    return built(info, width, partial(Separable, activation=nn.ReLU))


def full(info: Info, width: float = 0.5) -> nn.Module:
    """Its twin with full convolutions."""
    return built(info, width, lambda channels, out, stride: ConvNorm(channels, out, 3, stride, activation=nn.ReLU))


def built(info: Info, width: float, block: Callable[[int, int, int], nn.Module]) -> nn.Module:
    config = MobileNetV1Config(width=width, stages=STAGES, dropout=0.0)
    return MobileNetV1(config, classes=len(info.classes), channels=pictures(info)[0], block=block)


RECIPE = Recipe(
    model=separable,
    data=glyph_images,
    data_settings={"size": 32, "channels": 1},
    model_settings={"width": 0.5},
    sources=SOURCES,
    players=(Player(classify, partial(adamw, weight_decay=0.05), learning_rate=3e-2, schedule=one_cycle),),
    steps=1000,
    batch_size=32,
    every=250,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.75, minutes=0.5),
)

FULL = replace(RECIPE, model=full, expected=Expected("accuracy", at_least=0.70, minutes=0.7))

THIN = replace(FULL, model_settings={"width": 0.1875}, expected=Expected("accuracy", at_least=0.72, minutes=0.3))
