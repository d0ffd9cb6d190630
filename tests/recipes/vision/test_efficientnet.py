"""The recipes of EfficientNet: their parts fit, and the enlarged ones do the same work in the direction that they name."""

import pytest
import torch

from learnable.catalog import find, load
from learnable.data.examples import Info
from learnable.metrics.cost import cost
from learnable.models.vision.efficientnet import EfficientNet
from learnable.recipes.vision.efficientnet import DEEP, LARGE, RECIPE, SMALL, WIDE
from learnable.train.recipe import Recipe

ENLARGED = {
    "efficientnet": RECIPE, "efficientnet-deep": DEEP, "efficientnet-wide": WIDE, "efficientnet-large": LARGE,
}  # fmt: skip
ALL = {**ENLARGED, "efficientnet-small": SMALL}


def info(recipe: Recipe) -> Info:
    size = int(recipe.data_settings["size"])
    return Info("made up", classes=tuple("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"), image=(1, size, size))


def built(recipe: Recipe) -> EfficientNet:
    model = recipe.model(info(recipe), **recipe.model_settings)
    assert isinstance(model, EfficientNet)
    return model


def work(recipe: Recipe) -> int:
    size = int(recipe.data_settings["size"])
    return cost(built(recipe), torch.zeros(1, 1, size, size)).multiply_adds


def shape(recipe: Recipe) -> tuple[int, int, int]:
    """Blocks, channels behind the last stage, pixels a side."""
    plan = built(recipe).config.plan
    return sum(len(stage) for stage in plan), plan[-1][-1].out, int(recipe.data_settings["size"])


def test_the_catalog_knows_them():
    assert {name: load(target) for name, target in find("efficientnet").recipes.items()} == ALL


@pytest.mark.parametrize("recipe", ENLARGED.values(), ids=ENLARGED)
def test_the_enlarged_do_five_times_the_work(recipe: Recipe):
    assert work(recipe) == pytest.approx(work(RECIPE), rel=0.03)
    assert 5 * work(SMALL) < work(recipe) < 5.4 * work(SMALL)


def test_each_grows_in_the_direction_that_it_names():
    blocks, channels, pixels = shape(SMALL)
    assert shape(DEEP) == (7 * blocks, channels, pixels)
    assert shape(WIDE)[::2] == (blocks, pixels) and shape(WIDE)[1] > 2 * channels
    assert shape(LARGE) == (blocks, channels, 36)
    assert all(now > before for now, before in zip(shape(RECIPE), shape(SMALL), strict=True))
