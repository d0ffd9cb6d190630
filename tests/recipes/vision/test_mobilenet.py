"""The recipes of MobileNet: their parts fit, and their costs are what they are said to be."""

from importlib import import_module

import pytest
import torch
from torch import nn

from learnable.catalog import find
from learnable.data.examples import Info
from learnable.metrics.cost import Cost, cost
from learnable.recipes.vision.mobilenet import FULL, RECIPE, THIN
from learnable.train.recipe import Recipe

ALL = {"mobilenet": RECIPE, "mobilenet-full": FULL, "mobilenet-full-thin": THIN}
INFO = Info("made up", classes=tuple("abc"), image=(3, 32, 32))


def costs(recipe: Recipe) -> Cost:
    return cost(recipe.model(INFO, **recipe.model_settings), torch.zeros(1, 3, 32, 32))


def test_the_catalog_knows_them():
    for name, address in find("mobilenet").recipes.items():
        module, _, attribute = address.partition(":")
        assert getattr(import_module(module), attribute) is ALL[name]


@pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)
def test_the_model_follows_from_the_data(recipe: Recipe):
    assert recipe.example is not None
    model = recipe.model(INFO, **recipe.model_settings)
    assert model(*recipe.example(INFO)).shape == (2, 3)


def test_the_twin_differs_in_its_convolutions_alone():
    separable, full = costs(RECIPE), costs(FULL)
    assert full.parameters > 6 * separable.parameters
    assert full.multiply_adds > 6 * separable.multiply_adds


def test_the_thin_one_costs_no_more_than_a_little():
    assert costs(THIN).multiply_adds < 1.3 * costs(RECIPE).multiply_adds
    model = THIN.model(INFO, **THIN.model_settings)
    assert all(module.groups == 1 for module in model.modules() if isinstance(module, nn.Conv2d))
