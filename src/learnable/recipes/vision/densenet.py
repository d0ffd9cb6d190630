"""DenseNet, made small, reads glyphs, beside a ResNet with the same beginning and as many weights.

Run it       learnable train densenet                          glyphs: letters and digits in typefaces it has not seen
             learnable train densenet-resnet                   x + F(x) where it has [x, F(x)]
             learnable train densenet --data fashion-mnist     or cifar10, or a folder of your own pictures
Takes        a minute on two CPU cores
Compare      the two with each other: 189,031 weights and 180,743, same stem, same data, same steps
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.densenet import DenseNet, DenseNetConfig
from learnable.models.vision.resnet import ResNet, ResNetConfig
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def densenet(info: Info) -> nn.Module:
    assert info.image is not None, "glyph_images says how large its pictures are"
    return DenseNet(DenseNetConfig(depths=(4, 4, 4), growth=16, start=32), len(info.classes), info.image[0])


def resnet(info: Info) -> nn.Module:
    assert info.image is not None
    return ResNet(ResNetConfig(depths=(1, 1, 1), bottleneck=False, width=24), len(info.classes), info.image[0])


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
    model=densenet,
    data=glyph_images,
    data_settings={"size": 32, "channels": 3},
    sources=SOURCES,
    players=(
        Player(classify, partial(adamw, weight_decay=0.05, betas=(0.9, 0.999)), learning_rate=5e-3, schedule=one_cycle),
    ),
    steps=300,
    batch_size=128,
    every=100,
    evaluate=classification_metrics,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.8, minutes=1.0),
)

RESNET = replace(RECIPE, model=resnet)
