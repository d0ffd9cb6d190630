"""LeNet-5 reads digits: scikit-learn's by default, MNIST, clothing, or a folder of your own pictures.

Run it       learnable train lenet                        the embedded digits
             learnable train lenet --data mnist           at least 99.0 % of the test part, on every seed
             learnable train lenet --data ./photos        one sub-folder per class
             learnable train lenet-sgd --data mnist       the plain way: gradient descent at one learning rate
             learnable train lenet-1998 --data mnist      the paper's own parts: tanh, trained subsampling, table I
             learnable train fastnet --data mnist         a small network of today, in seconds
Takes        a quarter of a minute on two CPU cores, whatever the data: the number of steps is the same
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.images import labeled_images
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.fastnet import FastNet
from learnable.models.vision.lenet import LeNet, LeNet1998
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw, sgd
from learnable.optim.schedules import one_cycle
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def lenet(info: Info) -> nn.Module:
    channels, size, _ = pictures(info)
    return LeNet(len(info.classes), channels, size)


def lenet_1998(info: Info) -> nn.Module:
    channels, size, _ = pictures(info)
    return LeNet1998(len(info.classes), channels, size)


def fastnet(info: Info) -> nn.Module:
    channels, size, _ = pictures(info)
    model = FastNet(len(info.classes), channels, size)
    # The same numbers, in the order that convolutions like best; torch's stubs leave the argument out.
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def example(info: Info) -> tuple[Tensor, ...]:
    """Two pictures: with one alone, an exporter takes the number of pictures for a constant."""
    return (torch.zeros(2, *pictures(info)),)


def pictures(info: Info) -> tuple[int, int, int]:
    assert info.image is not None, "labeled_images says how large its pictures are"
    return info.image


SOURCES = {
    "digits": "1,797 digits of 8x8 pixels, embedded, enlarged (default)",
    "mnist": "70,000 handwritten digits of 28x28 pixels",
    "fashion-mnist": "70,000 pictures of clothing, 28x28 pixels",
}

adam_w = partial(adamw, weight_decay=0.01, betas=(0.9, 0.999))
player = Player(classify, adam_w, learning_rate=5e-3, schedule=one_cycle)

RECIPE = Recipe(
    model=lenet,
    data=labeled_images,
    data_settings={"size": 28, "channels": 1},
    sources=SOURCES,
    players=(player,),
    steps=2_500,  # six times through MNIST; more of them teach the embedded digits nothing, and take no longer
    batch_size=128,
    every=500,
    evaluate=classification_metrics,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.97, minutes=0.3),
    promises={
        "mnist": Expected("accuracy", at_least=0.99, minutes=0.5),
        "fashion-mnist": Expected("accuracy", at_least=0.88, minutes=0.5),
    },
)

# The plain way, as most tutorials have it: one learning rate throughout, with momentum.
SGD = replace(
    RECIPE,
    players=(Player(classify, partial(sgd, momentum=0.9), learning_rate=0.01),),
    batch_size=64,
    steps=5_000,  # as many examples as the other sees
    expected=Expected("accuracy", at_least=0.97, minutes=0.4),
    promises={"mnist": Expected("accuracy", at_least=0.985, minutes=0.6)},
)

# The paper's own parts in the same training: what ReLU, maxima and the full connection have brought since.
PAPER = replace(
    RECIPE,
    model=lenet_1998,
    expected=Expected("accuracy", at_least=0.96, minutes=0.6),
    promises={"mnist": Expected("accuracy", at_least=0.98, minutes=0.8)},
)

# Batch norm allows four times the learning rate, which needs a fifth of the steps.
FAST = replace(
    RECIPE,
    model=fastnet,
    players=(replace(player, learning_rate=2e-2),),
    steps=500,
    every=100,
    expected=Expected("accuracy", at_least=0.97, minutes=0.1),
    promises={"mnist": Expected("accuracy", at_least=0.99, minutes=0.1)},
)
