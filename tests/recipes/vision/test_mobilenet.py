"""The recipes of MobileNet: their parts fit, and their costs are what they are said to be."""

from pathlib import Path

import torch
from torch import nn

from learnable.catalog import find, load
from learnable.data.examples import Info
from learnable.metrics.cost import Cost, cost
from learnable.recipes.vision.mobilenet import FULL, RECIPE, THIN
from learnable.runs import training
from learnable.train.recipe import Recipe

ALL = {"mobilenet": RECIPE, "mobilenet-full": FULL, "mobilenet-full-thin": THIN}
INFO = Info("made up", classes=tuple("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"), image=(1, 32, 32))


def costs(recipe: Recipe) -> Cost:
    return cost(recipe.model(INFO, **recipe.model_settings), torch.zeros(1, 1, 32, 32))


def test_the_catalog_knows_them():
    assert {name: load(target) for name, target in find("mobilenet").recipes.items()} == ALL


def test_the_twin_differs_in_its_convolutions_alone():
    separable, full = costs(RECIPE), costs(FULL)
    assert full.parameters > 6 * separable.parameters
    assert full.multiply_adds > 6 * separable.multiply_adds
    assert FULL.model_settings == RECIPE.model_settings and FULL.data_settings == RECIPE.data_settings
    for recipe in (FULL, THIN):
        model = recipe.model(INFO, **recipe.model_settings)
        assert all(module.groups == 1 for module in model.modules() if isinstance(module, nn.Conv2d))


def test_the_thin_one_costs_little_more():
    separable, thin = costs(RECIPE), costs(THIN)
    assert 0.8 < thin.parameters / separable.parameters < 1.2
    assert 1.0 < thin.multiply_adds / separable.multiply_adds < 1.4


def test_it_runs_and_says_what_a_picture_costs(home: Path):
    run = training.start("mobilenet", {"smoke": True})
    metrics = run.record["metrics"]
    assert run.status == "finished" and 0 <= metrics["accuracy"] <= 1
    model = RECIPE.model(run.info, **RECIPE.model_settings)
    assert Cost(metrics["parameters"], metrics["multiply_adds"]) == cost(model, torch.zeros(1, 1, 32, 32))
