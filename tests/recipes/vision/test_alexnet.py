"""The recipes of AlexNet: their parts fit, and each pair differs in what it says it differs in."""

import pytest
import torch
from torch import nn

from learnable.catalog import find, load
from learnable.data.examples import Info
from learnable.metrics.cost import cost
from learnable.recipes.vision.alexnet import RECIPE, TANH
from learnable.train.recipe import Recipe

ALL = {"alexnet": RECIPE, "alexnet-tanh": TANH}
INFO = Info("made up", classes=tuple("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"), image=(1, 64, 64))


def test_the_catalog_knows_them():
    assert {name: load(target) for name, target in find("alexnet").recipes.items()} == ALL


def test_the_two_differ_in_their_activation_alone():
    first, second = (r.model(INFO, **r.model_settings) for r in (RECIPE, TANH))
    assert {type(m) for m in first.modules()} ^ {type(m) for m in second.modules()} == {nn.ReLU, nn.Tanh}
    assert cost(first, torch.zeros(1, 1, 64, 64)) == cost(second, torch.zeros(1, 1, 64, 64))
    assert RECIPE.players == TANH.players and RECIPE.steps == TANH.steps


@pytest.mark.parametrize("recipe", [RECIPE, TANH], ids=["relu", "tanh"])
def test_a_signal_comes_through_at_its_size(recipe: Recipe):
    torch.manual_seed(0)
    logits = recipe.model(INFO, **recipe.model_settings).eval()(torch.rand(32, 1, 64, 64))
    assert 0.1 < logits.std() < 10
