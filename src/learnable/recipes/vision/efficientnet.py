"""Compound scaling against one direction at a time: five times the work, spent on depth, width and pixels, or on one of them.

Run it       learnable train efficientnet-small           the network that the others were made of: 3 blocks, 16 pixels a side
             learnable train efficientnet                 all three: 6 blocks, channels x 1.2 to 1.5, 20 pixels
             learnable train efficientnet-deep            depth alone: 21 blocks
             learnable train efficientnet-wide            width alone: channels x 2.4
             learnable train efficientnet-large           pixels alone: 36 a side
             learnable train efficientnet --data fashion-mnist
Takes        a quarter to one and a half minutes on two CPU cores
Compare      accuracy at equal multiply-adds, which the metrics name: compound scaling gets clearly more out of them than width alone,
             little more than pixels alone (within the spread of three seeds), and depth alone brings nothing in a training as
             short as this
"""

from dataclasses import replace
from functools import partial

from torch import nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.efficientnet import EfficientNet, EfficientNetConfig
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.recipes.vision.lenet import example, pictures
from learnable.recipes.vision.resnet import SOURCES
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe

# expansion, kernel, stride of the first, channels, blocks
STAGES = ((1, 3, 1, 16, 1), (3, 3, 2, 24, 1), (3, 3, 2, 32, 1))


def efficientnet(info: Info, width: float = 1.0, depth: float = 1.0) -> nn.Module:
    """Three stages of the paper's blocks, one of each, multiplied."""
    channels, size, _ = pictures(info)
    config = EfficientNetConfig(width, depth, size, dropout=0.1, stages=STAGES, stem=16, last=128, drop=0.1)
    return EfficientNet(config, classes=len(info.classes), channels=channels)


player = Player(classify, partial(adamw, weight_decay=0.05), learning_rate=2e-2, schedule=one_cycle)

SMALL = Recipe(
    model=efficientnet,
    data=glyph_images,
    data_settings={"size": 16, "channels": 1},
    model_settings={"width": 1.0, "depth": 1.0},
    sources=SOURCES,
    players=(player,),
    steps=400,
    batch_size=64,
    every=200,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.25, minutes=0.3),
)

RECIPE = replace(
    SMALL,
    data_settings={"size": 20, "channels": 1},
    model_settings={"width": 1.21, "depth": 1.44},
    expected=Expected("accuracy", at_least=0.5, minutes=0.6),
)
DEEP = replace(
    SMALL,
    model_settings={"width": 1.0, "depth": 7.0},
    expected=Expected("accuracy", at_most=0.45, minutes=1.5),
)
WIDE = replace(
    SMALL,
    model_settings={"width": 2.4, "depth": 1.0},
    expected=Expected("accuracy", at_least=0.42, minutes=0.4),
)
LARGE = replace(
    SMALL,
    data_settings={"size": 36, "channels": 1},
    players=(replace(player, learning_rate=4e-2),),
    expected=Expected("accuracy", at_least=0.42, minutes=0.4),
)
