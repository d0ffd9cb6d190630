"""ShuffleNet V2 with and without its shuffle: what becomes of channels that never meet.

Run it       learnable train shufflenet                   the shuffle deals the halves out anew behind each block
             learnable train shufflenet-unshuffled        the halves are joined as they were
             learnable train shufflenet --data fashion-mnist
             learnable train shufflenet --data cifar10
Takes        about half a minute on two CPU cores
Compare      the two have the same parameters and do the same multiplications; only the order of channels differs
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.images import glyph_images
from learnable.metrics.cost import classification_and_cost
from learnable.models.vision.shufflenet import ShuffleNetV2, ShuffleNetV2Config
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle
from learnable.sampling.classify import classify_image
from learnable.train.recipe import Expected, Player, Recipe


def shufflenet(info: Info, shuffle: bool = True) -> nn.Module:
    """Two stages of the paper's blocks."""
    assert info.image is not None, "labeled_images says how large its pictures are"
    config = ShuffleNetV2Config(widths=(48, 96), depths=(4, 4), last=192, stem=16, shuffle=shuffle)
    model = ShuffleNetV2(config, classes=len(info.classes), channels=info.image[0])
    # The order of numbers in memory that convolutions like best; torch's stubs leave the argument out.
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def example(info: Info) -> tuple[Tensor, ...]:
    """Two pictures: with one alone, an exporter takes the number of pictures for a constant."""
    assert info.image is not None, "labeled_images says how large its pictures are"
    return (torch.zeros(2, *info.image),)


SOURCES = {
    "glyphs": "12,220 letters and digits in 26 faces, 32x32 color, embedded (default)",
    "fashion-mnist": "70,000 pictures of clothing",
    "cifar10": "60,000 photos of animals and vehicles",
}

RECIPE = Recipe(
    model=shufflenet,
    data=glyph_images,
    data_settings={"size": 32, "channels": 3},
    model_settings={"shuffle": True},
    sources=SOURCES,
    players=(Player(classify, partial(adamw, weight_decay=0.05), learning_rate=5e-3, schedule=one_cycle),),
    steps=600,
    batch_size=32,
    every=300,
    evaluate=classification_and_cost,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.70, minutes=0.5),
)

UNSHUFFLED = replace(
    RECIPE, model_settings={"shuffle": False}, expected=Expected("accuracy", at_least=0.60, minutes=0.5)
)
