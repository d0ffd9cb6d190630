"""How deep can it be? The same stack of layers with and without the way around, at 20 and at 56 layers, reads letters.

Run it       learnable train resnet                       20 layers, with the sum
             learnable train resnet-56                    56 layers, with the sum
             learnable train plain-20                     20 layers without it
             learnable train plain-56                     56 layers without it: worse than 20, on the training part too
             learnable train highway-56                   56 layers with a gate in place of the sum
             learnable train resnet --data fashion-mnist     as wide as in the paper; also cifar10
Takes        a minute with 20 layers and two to three with 56, on two CPU cores

The networks are those of section 4.2 of the paper, half as wide, on letters of 16x16 pixels: the question is about depth, and
the answer shows at any width.
"""

from dataclasses import replace
from functools import partial

from torch import nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.resnet import CIFARResNet, Highway, Plain, Residual
from learnable.objectives.classification import classify
from learnable.optim.factories import sgd
from learnable.optim.schedules import one_cycle
from learnable.recipes.vision.lenet import example, pictures
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def residual(info: Info, layers: int = 20, width: int = 8) -> nn.Module:
    return CIFARResNet(layers, len(info.classes), pictures(info)[0], width, join=Residual)


def plain(info: Info, layers: int = 20, width: int = 8) -> nn.Module:
    return CIFARResNet(layers, len(info.classes), pictures(info)[0], width, join=Plain)


def highway(info: Info, layers: int = 20, width: int = 8) -> nn.Module:
    return CIFARResNet(layers, len(info.classes), pictures(info)[0], width, join=Highway)


SOURCES = {
    "glyphs": "12,220 letters and digits in many typefaces and colors, drawn on the spot (default)",
    "digits": "1,797 digits of 8x8 pixels, embedded, enlarged",
    "mnist": "70,000 handwritten digits of 28x28 pixels",
    "fashion-mnist": "70,000 pictures of clothing, 28x28 pixels",
    "cifar10": "60,000 color pictures of 32x32 pixels, 10 classes",
}


RECIPE = Recipe(
    model=residual,
    data=glyph_images,
    data_settings={"size": 16, "channels": 1, "flip": False, "pad": 0},
    model_settings={"layers": 20, "width": 8},
    sources=SOURCES,
    players=(Player(classify, partial(sgd, momentum=0.9, weight_decay=1e-4), learning_rate=0.4, schedule=one_cycle),),
    steps=600,
    batch_size=64,
    every=200,
    evaluate=classification_metrics,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.5, minutes=1),
    promises={
        "fashion-mnist": Expected("accuracy", at_least=0.88, minutes=6),
        "cifar10": Expected("accuracy", at_least=0.55, minutes=6),
    },
    elsewhere={
        "fashion-mnist": {"size": 28, "width": 16, "learning_rate": 0.1, "steps": 1_000},
        "cifar10": {
            "size": 32,
            "channels": 3,
            "width": 16,
            "flip": True,
            "pad": 4,
            "learning_rate": 0.1,
            "steps": 1_000,
        },
    },
)
DEEP = replace(
    RECIPE,
    promises={},
    model_settings={"layers": 56, "width": 8},
    players=(replace(RECIPE.players[0], learning_rate=0.05),),
    expected=Expected("accuracy", at_least=0.35, minutes=3),
)
PLAIN = replace(RECIPE, model=plain, promises={}, expected=Expected("accuracy", at_least=0.3, minutes=1))
DEEP_PLAIN = replace(DEEP, model=plain, expected=Expected("accuracy", at_most=0.1, minutes=3))
# A gate that lets a twentieth through passes on a twentieth of the slope, so the step has to be as much longer.
DEEP_HIGHWAY = replace(
    DEEP,
    model=highway,
    players=(replace(RECIPE.players[0], learning_rate=1.0),),
    expected=Expected("accuracy", at_least=0.3, minutes=2),
)
