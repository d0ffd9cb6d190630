"""DenseNet, made small, reads glyphs, beside a ResNet with the same beginning that costs as much.

Run it       learnable train densenet                          [x, F(x)]: what was found is never written over
             learnable train densenet-resnet                   x + F(x)
             learnable train densenet --data fashion-mnist     or a folder of your own pictures
             learnable train densenet --data cifar10 --channels 3
Takes        half a minute on two CPU cores
Compare      the two with each other, at about as many weights (185,895 and 173,519) and multiply-adds (5.2 and 4.9 million), which
             the metrics name: same stem, same data, same steps. At this size neither is ahead (see LOG.md)
"""

from dataclasses import replace
from functools import partial

from torch import nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.densenet import DenseNet, DenseNetConfig
from learnable.models.vision.resnet import ResNet, ResNetConfig
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.recipes.vision.lenet import example, pictures
from learnable.recipes.vision.resnet import SOURCES
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def densenet(info: Info) -> nn.Module:
    """Three blocks of four layers, each of which adds 16 maps."""
    return DenseNet(DenseNetConfig(depths=(4, 4, 4), growth=16, start=32), len(info.classes), pictures(info)[0])


def resnet(info: Info) -> nn.Module:
    """Two stages of two blocks."""
    return ResNet(ResNetConfig(depths=(2, 2), bottleneck=False, width=32), len(info.classes), pictures(info)[0])


player = Player(classify, partial(adamw, weight_decay=0.05), learning_rate=1e-2, schedule=one_cycle)

RECIPE = Recipe(
    model=densenet,
    data=glyph_images,
    data_settings={"size": 32, "channels": 1},
    sources=SOURCES,
    players=(player,),
    steps=300,
    batch_size=64,
    every=100,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.55, minutes=0.5),
)

RESNET = replace(RECIPE, model=resnet)
