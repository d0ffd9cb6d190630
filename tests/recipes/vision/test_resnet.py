"""The recipes about depth: the same network but for its sums, and letters where nothing is said."""

from pathlib import Path

import pytest
import torch

from learnable.data.examples import Info
from learnable.models.vision.resnet import Highway, Plain, Residual
from learnable.recipes.vision import resnet
from learnable.runs import training
from learnable.train.recipe import smoke

INFO = Info(data="toy", classes=tuple("abc"), image=(1, 16, 16))


@pytest.mark.parametrize(
    "recipe, layers, join",
    [
        (resnet.RECIPE, 20, Residual), (resnet.DEEP, 56, Residual), (resnet.PLAIN, 20, Plain), (resnet.DEEP_PLAIN, 56, Plain),
        (resnet.DEEP_HIGHWAY, 56, Highway),
    ],
)  # fmt: skip
def test_each_recipe_is_what_its_name_says(recipe, layers: int, join: type):
    model = recipe.model(INFO, **recipe.model_settings)
    convolutions = [m for name, m in model.named_modules() if isinstance(m, torch.nn.Conv2d) and "join" not in name]
    assert len(convolutions) + 1 == layers
    assert {type(m) for name, m in model.named_modules() if name.endswith(".join")} == {join}
    assert model(torch.rand(2, 1, 16, 16)).shape == (2, 3)


def test_depth_is_all_that_differs_between_the_two_pairs():
    for deep, shallow in ((resnet.DEEP, resnet.RECIPE), (resnet.DEEP_PLAIN, resnet.PLAIN)):
        assert (
            deep.model is shallow.model and deep.steps == shallow.steps and deep.data_settings == shallow.data_settings
        )
    assert resnet.PLAIN.players[0].objective is resnet.RECIPE.players[0].objective


def test_letters_are_what_is_read_where_nothing_is_said():
    data = resnet.RECIPE.data(None, **resnet.RECIPE.data_settings)
    assert data.info.data == "glyphs" and data.info.image == (1, 16, 16) and len(data.info.classes) == 47
    assert resnet.RECIPE.data("digits", size=16).info.data == "digits"


def test_it_runs(home: Path):
    run = training.start("resnet", {"data": "digits", "smoke": True, "layers": 8})
    assert run.status == "finished" and 0 <= run.record["metrics"]["accuracy"] <= 1
    assert smoke(resnet.RECIPE).steps == 4
