"""ShuffleNet V2 with and without its shuffle: what becomes of channels that never meet.

Run it       learnable train shufflenet                   the shuffle deals the halves out anew behind each block
             learnable train shufflenet-unshuffled        the halves are joined as they were
             learnable train shufflenet --data fashion-mnist
             learnable train shufflenet --data cifar10 --channels 3
Takes        half a minute on two CPU cores
Compare      the two have the same parameters and do the same multiplications; only the order of channels differs
"""

from dataclasses import replace
from functools import partial

from torch import nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.shufflenet import ShuffleNetV2, ShuffleNetV2Config
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.recipes.vision.lenet import example, pictures
from learnable.recipes.vision.resnet import SOURCES
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def shufflenet(info: Info, shuffle: bool = True) -> nn.Module:
    """Two stages of the paper's blocks."""
    config = ShuffleNetV2Config(widths=(48, 96), depths=(4, 4), last=192, stem=16, shuffle=shuffle)
    return ShuffleNetV2(config, classes=len(info.classes), channels=pictures(info)[0])


RECIPE = Recipe(
    model=shufflenet,
    data=glyph_images,
    data_settings={"size": 32, "channels": 1},
    model_settings={"shuffle": True},
    sources=SOURCES,
    players=(Player(classify, partial(adamw, weight_decay=0.05), learning_rate=1.5e-2, schedule=one_cycle),),
    steps=500,
    batch_size=64,
    every=250,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.55, minutes=0.5),
)

UNSHUFFLED = replace(
    RECIPE, model_settings={"shuffle": False}, expected=Expected("accuracy", at_least=0.40, minutes=0.5)
)
