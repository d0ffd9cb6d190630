"""The recipes of AlexNet: their parts fit, and the control differs in what it says it differs in."""

import pytest
import torch

from learnable.data.examples import Info
from learnable.recipes.vision.alexnet import RECIPE, TANH, UNDROPPED

INFO = Info("made up", classes=tuple("abc"), image=(3, 64, 64))


def parameters(recipe) -> int:
    return sum(p.numel() for p in recipe.model(INFO, **recipe.model_settings).parameters())


@pytest.mark.parametrize("recipe", [RECIPE, TANH, UNDROPPED])
def test_the_model_follows_from_the_data(recipe):
    model = recipe.model(INFO, **recipe.model_settings)
    images = recipe.example(INFO)
    losses = recipe.players[0].objective(
        model, {"image": images[0] + torch.rand(2, 3, 64, 64), "label": torch.tensor([0, 2])}
    )
    losses["total"].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.eval()(*images).shape == (2, 3)


def test_the_controls_have_the_same_weights():
    assert parameters(RECIPE) == parameters(TANH) == parameters(UNDROPPED)
    kinds = [type(recipe.model(INFO, **recipe.model_settings).relu).__name__ for recipe in (RECIPE, TANH)]
    assert kinds == ["ReLU", "Tanh"]
    assert UNDROPPED.model(INFO, **UNDROPPED.model_settings).dropout.p == 0
