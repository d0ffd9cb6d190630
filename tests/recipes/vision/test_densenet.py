"""The recipes of DenseNet: their parts fit, and the control costs as much."""

import pytest
import torch

from learnable.catalog import find, load
from learnable.data.examples import Info
from learnable.metrics.cost import cost
from learnable.recipes.vision.densenet import RECIPE, RESNET
from learnable.train.recipe import Recipe

ALL = {"densenet": RECIPE, "densenet-resnet": RESNET}
INFO = Info("made up", classes=tuple("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"), image=(1, 32, 32))


def test_the_catalog_knows_them():
    assert {name: load(target) for name, target in find("densenet").recipes.items()} == ALL


@pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)
def test_the_model_follows_from_the_data(recipe: Recipe):
    assert recipe.example is not None
    model = recipe.model(INFO, **recipe.model_settings)
    images = torch.rand(2, 1, 32, 32)
    recipe.players[0].objective(model, {"image": images, "label": torch.tensor([0, 2])})["total"].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model(*recipe.example(INFO)).shape == (2, 47)


def test_both_have_about_as_many_weights_and_do_about_as_much_work():
    dense, sums = (cost(r.model(INFO, **r.model_settings), torch.zeros(1, 1, 32, 32)) for r in ALL.values())
    assert sums.parameters == pytest.approx(dense.parameters, rel=0.08)
    assert sums.multiply_adds == pytest.approx(dense.multiply_adds, rel=0.08)
