"""The published networks, made small for letters: whatever the data, the model fits, and all of it learns."""

import pytest
import torch

from learnable.catalog import find, load
from learnable.data.examples import Info
from learnable.train.recipe import Recipe

TOPICS = ("alexnet", "vgg", "densenet", "mobilenet", "shufflenet", "efficientnet")
RECIPES = {name: load(target) for topic in TOPICS for name, target in find(topic).recipes.items()}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_model_follows_from_the_data(recipe: Recipe, channels: int):
    size = int(recipe.data_settings["size"])
    info = Info("made up", classes=tuple("abcde"), image=(channels, size, size))
    model = recipe.model(info, **recipe.model_settings)
    images = torch.rand(2, channels, size, size)
    recipe.players[0].objective(model, {"image": images, "label": torch.tensor([0, 2])})["total"].backward()
    assert all(weight.grad is not None for weight in model.parameters())
    assert recipe.example is not None and model(*recipe.example(info)).shape == (2, 5)
