"""AlexNet, made small, reads glyphs; and twice again without one of the two things that made it trainable.

Run it       learnable train alexnet                          glyphs: letters and digits in typefaces it has not seen
             learnable train alexnet-tanh                     tanh for ReLU, as every network had it before
             learnable train alexnet-undropped                without dropout
             learnable train alexnet --data fashion-mnist     or cifar10, or a folder of your own pictures
Takes        a minute on two CPU cores
Compare      the three with each other: same data, same steps, each at the best of its learning rates (see LOG.md)
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.alexnet import AlexNet, AlexNetConfig
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def alexnet(info: Info, dropout: float = 0.5) -> nn.Module:
    assert info.image is not None, "glyph_images says how large its pictures are"
    # Half as wide, one place for 6x6 and a sixteenth of the dense layers: pictures are 64 pixels high, classes are few.
    config = AlexNetConfig(widths=(32, 96, 192, 128, 128), hidden=256, grid=1, dropout=dropout)
    return AlexNet(config, len(info.classes), info.image[0])


def tanh(info: Info, dropout: float = 0.5) -> nn.Module:
    model = alexnet(info, dropout)
    model.relu = nn.Tanh()
    return model


def example(info: Info) -> tuple[Tensor, ...]:
    """Two pictures: with one alone, an exporter takes the number of pictures for a constant."""
    assert info.image is not None
    return (torch.zeros(2, *info.image),)


SOURCES = {
    "glyphs": "47 classes of letters and digits in many typefaces, embedded (default)",
    "fashion-mnist": "70,000 pictures of clothing, 28x28 pixels",
    "cifar10": "60,000 color photos of ten things, 32x32 pixels",
}

player = Player(classify, partial(adamw, weight_decay=0.05, betas=(0.9, 0.999)), learning_rate=2e-3, schedule=one_cycle)

RECIPE = Recipe(
    model=alexnet,
    model_settings={"dropout": 0.5},
    data=glyph_images,
    data_settings={"size": 64, "channels": 3},
    sources=SOURCES,
    players=(player,),
    steps=400,
    batch_size=128,
    every=100,
    evaluate=classification_metrics,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.8, minutes=1.0),
)

TANH = replace(RECIPE, model=tanh)
UNDROPPED = replace(RECIPE, model_settings={"dropout": 0.0})
