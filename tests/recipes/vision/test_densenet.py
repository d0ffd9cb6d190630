"""The recipes of DenseNet: their parts fit, and the control differs in what it says it differs in."""

import pytest
import torch

from learnable.data.examples import Info
from learnable.recipes.vision.densenet import RECIPE, RESNET

INFO = Info("made up", classes=tuple("abc"), image=(3, 64, 64))


def parameters(recipe) -> int:
    return sum(p.numel() for p in recipe.model(INFO, **recipe.model_settings).parameters())


@pytest.mark.parametrize("recipe", [RECIPE, RESNET])
def test_the_model_follows_from_the_data(recipe):
    model = recipe.model(INFO, **recipe.model_settings)
    images = recipe.example(INFO)
    losses = recipe.players[0].objective(
        model, {"image": images[0] + torch.rand(2, 3, 64, 64), "label": torch.tensor([0, 2])}
    )
    losses["total"].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.eval()(*images).shape == (2, 3)


def test_both_have_about_as_many_weights():
    assert 0.9 < parameters(RESNET) / parameters(RECIPE) < 1.1
