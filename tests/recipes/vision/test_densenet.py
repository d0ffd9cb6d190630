"""The recipes of DenseNet: their parts fit, and the control costs as much."""

import pytest
import torch

from learnable.catalog import find, load
from learnable.data.examples import Info
from learnable.metrics.cost import cost
from learnable.recipes.vision.densenet import RECIPE, RESNET

ALL = {"densenet": RECIPE, "densenet-resnet": RESNET}
INFO = Info("made up", classes=tuple("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"), image=(1, 32, 32))


def test_the_catalog_knows_them():
    assert {name: load(target) for name, target in find("densenet").recipes.items()} == ALL


def test_both_have_about_as_many_weights_and_do_about_as_much_work():
    dense, sums = (cost(r.model(INFO, **r.model_settings), torch.zeros(1, 1, 32, 32)) for r in ALL.values())
    assert sums.parameters == pytest.approx(dense.parameters, rel=0.08)
    assert sums.multiply_adds == pytest.approx(dense.multiply_adds, rel=0.08)
