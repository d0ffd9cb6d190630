"""AlexNet, made small, reads glyphs, with ReLU and with tanh: a slope that does not fade, against one that does.

Run it       learnable train alexnet                          ReLU
             learnable train alexnet-tanh                     tanh in its place
             learnable train alexnet-sgd                      ReLU, with the paper's optimizer: gradient descent with momentum
             learnable train alexnet-sgd-tanh                 tanh, with the same
             learnable train alexnet --dropout 0.5            needs far more --steps than these
             learnable train alexnet --data fashion-mnist     or a folder of your own pictures
             learnable train alexnet --data cifar10 --channels 3
Takes        half a minute on two CPU cores
Compare      the two of a pair with each other, as in figure 1 of the paper: same data, same steps, same 283,583 weights, each at the
             best of its learning rates, nothing regularized; by the training loss along the way, not by its end alone
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
from learnable.optim.factories import adamw, sgd
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


player = Player(classify, partial(adamw, weight_decay=0.05), learning_rate=3e-3, schedule=one_cycle)

RECIPE = Recipe(
    model=alexnet,
    data=glyph_images,
    data_settings={"size": 64, "channels": 1, "pad": 0},
    model_settings={"dropout": 0.0},
    sources=SOURCES,
    players=(player,),
    steps=400,
    batch_size=64,
    every=100,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.12, minutes=0.4),
)

# On two seeds of three tanh does not leave chance.
TANH = replace(RECIPE, model=tanh, expected=Expected("accuracy", at_most=0.6, minutes=0.4))

# The paper's own optimizer: see LOG.md for what it changes.
SGD = replace(
    RECIPE,
    players=(Player(classify, partial(sgd, momentum=0.9), learning_rate=3e-2, schedule=one_cycle),),
    expected=Expected("accuracy", at_least=0.33, minutes=0.4),
)
# Two seeds of three hardly leave chance.
SGD_TANH = replace(SGD, model=tanh, expected=Expected("accuracy", at_most=0.45, minutes=0.4))
