"""VGG, made small, reads glyphs; and the same with one 5x5 convolution for each pair of 3x3.

Run it       learnable train vgg                          glyphs: letters and digits in typefaces it has not seen
             learnable train vgg-five                     one 5x5 for two 3x3
             learnable train vgg --data fashion-mnist     or cifar10, or a folder of your own pictures
Takes        a minute on two CPU cores
Compare      vgg with vgg-five: a unit sees as many pixels in both, and both have about as many weights, since the first 3x3
             of a pair doubles the maps (9 * 2 + 9 * 4 = 54 for 25 * 2 = 50 times width²)
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.vgg import VGG, VGGConfig
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe

CONFIG = VGGConfig(depths=(2, 2, 2), norm=True, width=16, hidden=128, grid=2, dropout=0.25)


def vgg(info: Info) -> nn.Module:
    assert info.image is not None, "glyph_images says how large its pictures are"
    return VGG(CONFIG, len(info.classes), info.image[0])


def five(info: Info) -> nn.Module:
    """Each pair of 3x3 gives way to a 5x5, its norm and its ReLU."""
    model = vgg(info)
    assert isinstance(model, VGG)
    before = (model.channels, *CONFIG.widths)
    for stage, inputs, width in zip(model.stages, before, CONFIG.widths, strict=False):
        stage.layers = nn.Sequential(
            nn.Conv2d(inputs, width, kernel_size=5, padding=2), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
    model.reset_parameters()
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

RECIPE = Recipe(
    model=vgg,
    data=glyph_images,
    data_settings={"size": 32, "channels": 3},
    sources=SOURCES,
    players=(
        Player(classify, partial(adamw, weight_decay=0.05, betas=(0.9, 0.999)), learning_rate=4e-3, schedule=one_cycle),
    ),
    steps=400,
    batch_size=128,
    every=100,
    evaluate=classification_metrics,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.8, minutes=1.0),
)

FIVE = replace(RECIPE, model=five)
