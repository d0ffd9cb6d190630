"""The recipes of patches against convolutions: equally large, equally trained, with as many examples as one likes."""

from pathlib import Path

import pytest
import torch

from learnable.data.examples import Info
from learnable.recipes.transformers import vit
from learnable.runs import training

INFO = Info(data="glyphs", classes=tuple(map(chr, range(47))), image=(1, 32, 32))
RECIPES = {"vit": vit.RECIPE, "vit-cnn": vit.CNN, "swin": vit.SWIN}


def test_they_are_of_one_size():
    sizes = []
    for recipe in RECIPES.values():
        model = recipe.model(INFO, **recipe.model_settings)
        assert model(torch.rand(2, 1, 32, 32)).shape == (2, 47)
        sizes.append(sum(parameter.numel() for parameter in model.parameters()))
    assert max(sizes) < 1.07 * min(sizes)


def test_they_see_the_same():
    for recipe in RECIPES.values():
        assert (recipe.batch_size, recipe.data_settings) == (vit.RECIPE.batch_size, vit.RECIPE.data_settings)
    for few, every in ((vit.FEW, vit.RECIPE), (vit.FEW_CNN, vit.CNN)):
        assert few.data_settings == every.data_settings | {"per_class": 20}
        assert (few.model, few.steps, few.players) == (every.model, every.steps, every.players)


def test_positions_begin_as_large_as_patches():
    network = vit.RECIPE.model(INFO, **vit.RECIPE.model_settings).network
    assert 0.4 < network.position.std() < 0.6


def test_of_each_class_as_many_as_asked_for():
    few = vit.few_letters(size=16, per_class=3)
    every = vit.few_letters(size=16)
    assert len(few.train) == 3 * 47 and len(every.train) == 200 * 47
    assert torch.equal(few.train.batch(torch.arange(141), {})["label"].bincount(), torch.full((47,), 3))
    assert len(few.test) == len(every.test)
    assert len(vit.few_letters("digits", size=8, per_class=2, flip=True, pad=1).train) == 20


@pytest.mark.parametrize("name", ["vit", "swin"])
def test_it_runs(home: Path, name: str):
    run = training.start(name, {"smoke": True, "per_class": 1})
    assert run.status == "finished" and 0 <= run.record["metrics"]["accuracy"] <= 1
