"""AlexNet, made small, reads glyphs, with ReLU and with tanh: does a slope that does not fade learn sooner?

Run it       learnable train alexnet                          ReLU
             learnable train alexnet-tanh                     tanh in its place
             learnable train alexnet --dropout 0.5            needs far more --steps than these
             learnable train alexnet --data fashion-mnist     or a folder of your own pictures
             learnable train alexnet --data cifar10 --channels 3
Takes        three quarters of a minute on two CPU cores
Compare      the two with each other, as in figure 1 of the paper: same data, same steps, same 283,583 weights, nothing regularized.
             In a training as short as this, with first weights that suit each, neither is ahead (see LOG.md)
Differs      pictures of 64x64 pixels, because strides and pools leave nothing of 32x32
"""

from dataclasses import replace
from functools import partial
from typing import Literal

from torch import nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.alexnet import AlexNet, AlexNetConfig
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.recipes.vision.lenet import example, pictures
from learnable.recipes.vision.resnet import SOURCES
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def alexnet(info: Info, dropout: float = 0.0) -> AlexNet:
    """A good third as many maps, a sixteenth of the dense layers, and one place for them where the paper has 6x6."""
    config = AlexNetConfig(widths=(24, 64, 96, 64, 64), hidden=256, grid=1, dropout=dropout)
    model = AlexNet(config, len(info.classes), pictures(info)[0])
    begin(model, "relu")
    return model


def tanh(info: Info, dropout: float = 0.0) -> nn.Module:
    """The same with tanh in the place of every ReLU, as networks were before."""
    model = alexnet(info, dropout)
    model.set_submodule("relu", nn.Tanh())
    begin(model, "tanh")
    return model


def begin(model: nn.Module, activation: Literal["relu", "tanh"]) -> None:
    """First weights that hand a signal on at its size. From PyTorch's own, which shrink it, eight layers do not leave chance."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity=activation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


player = Player(classify, partial(adamw, weight_decay=0.05), learning_rate=2e-3, schedule=one_cycle)

RECIPE = Recipe(
    model=alexnet,
    data=glyph_images,
    data_settings={"size": 64, "channels": 1, "pad": 0},
    model_settings={"dropout": 0.0},
    sources=SOURCES,
    players=(player,),
    steps=800,
    batch_size=64,
    every=200,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.65, minutes=0.7),
)

TANH = replace(RECIPE, model=tanh)
