"""The recipes of EfficientNet: their parts fit, and the two enlarged ones cost about the same."""

from importlib import import_module

import pytest
import torch

from learnable.catalog import find
from learnable.data.examples import Info
from learnable.metrics.cost import cost
from learnable.recipes.vision.efficientnet import DEEP, RECIPE, SMALL
from learnable.train.recipe import Recipe

ALL = {"efficientnet": RECIPE, "efficientnet-deep": DEEP, "efficientnet-small": SMALL}


def info(recipe: Recipe) -> Info:
    size = int(recipe.data_settings["size"])
    return Info("made up", classes=tuple("abc"), image=(3, size, size))


def work(recipe: Recipe) -> int:
    size = int(recipe.data_settings["size"])
    return cost(recipe.model(info(recipe), **recipe.model_settings), torch.zeros(1, 3, size, size)).multiply_adds


def test_the_catalog_knows_them():
    for name, address in find("efficientnet").recipes.items():
        module, _, attribute = address.partition(":")
        assert getattr(import_module(module), attribute) is ALL[name]


@pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)
def test_the_model_follows_from_the_data(recipe: Recipe):
    assert recipe.example is not None
    model = recipe.model(info(recipe), **recipe.model_settings)
    assert model(*recipe.example(info(recipe))).shape == (2, 3)


def test_they_do_about_as_much_work():
    assert work(RECIPE) == pytest.approx(work(DEEP), rel=0.05)
    assert work(SMALL) < work(DEEP) / 4
