"""VGG, made small, reads glyphs; and the same with one 5x5 convolution in the place of each pair of 3x3.

Run it       learnable train vgg                          two 3x3 in each stage
             learnable train vgg-five                     one 5x5, which sees as many pixels
             learnable train vgg-plain                    3x3 without batch norm, as in the paper
             learnable train vgg-five-plain               5x5 without it
             learnable train vgg --data fashion-mnist     or a folder of your own pictures
             learnable train vgg --data cifar10 --channels 3
Takes        half a minute on two CPU cores
Compare      3x3 with 5x5, with and without batch norm: the receptive field is the same, so are the multiply-adds (5.47 and 5.43
             million), and the 5x5 have more weights (101,019 for 88,067). The paper makes this comparison in section 4.2
"""

from dataclasses import replace
from functools import partial

from torch import nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.vgg import VGG, VGGConfig
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.recipes.vision.lenet import example, pictures
from learnable.recipes.vision.resnet import SOURCES
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def vgg(info: Info, norm: bool = True, width: int = 12) -> VGG:
    """Three stages of two 3x3 convolutions each, and the three dense layers."""
    config = VGGConfig(depths=(2, 2, 2), norm=norm, width=width, hidden=128, grid=2, dropout=0.0)
    model = VGG(config, len(info.classes), pictures(info)[0])
    begin(model)
    return model


def five(info: Info, norm: bool = True, width: int = 14) -> nn.Module:
    """Each pair of 3x3 gives way to one 5x5, with its norm and its ReLU."""
    model = vgg(info, norm, width)
    before = (model.channels, *model.config.widths)
    for stage, inputs, outputs in zip(model.stages, before, model.config.widths, strict=False):
        stage.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel_size=5, padding=2),
            nn.BatchNorm2d(outputs) if norm else nn.Identity(),
            nn.ReLU(inplace=True),
        )
    begin(model)
    return model


def begin(model: VGG) -> None:
    """He initialization, of the dense layers too: VGG's own 0.01 is meant for 4,096 units, and 128 of them would fall silent."""
    model.reset_parameters()
    for layer in (model.dense1, model.dense2, model.head):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


player = Player(classify, partial(adamw, weight_decay=0.05), learning_rate=1e-2, schedule=one_cycle)

RECIPE = Recipe(
    model=vgg,
    data=glyph_images,
    data_settings={"size": 32, "channels": 1},
    model_settings={"norm": True, "width": 12},
    sources=SOURCES,
    players=(player,),
    steps=400,
    batch_size=64,
    every=100,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.72, minutes=0.5),
)

FIVE = replace(
    RECIPE,
    model=five,
    model_settings={"norm": True, "width": 14},
    expected=Expected("accuracy", at_least=0.58, minutes=0.4),
)


def without_norm(recipe: Recipe, at_least: float) -> Recipe:
    """As in the paper, which knew no batch norm. Without it the rate that suits the others leads nowhere."""
    return replace(
        recipe,
        players=(replace(player, learning_rate=3e-3),),
        model_settings={**recipe.model_settings, "norm": False},
        expected=replace(recipe.expected, at_least=at_least),
    )


PLAIN = without_norm(RECIPE, at_least=0.25)
FIVE_PLAIN = without_norm(FIVE, at_least=0.18)
