"""The recipes of VGG: their parts fit, and the control differs in what it says it differs in."""

import pytest
import torch

from learnable.data.examples import Info
from learnable.recipes.vision.vgg import FIVE, RECIPE

INFO = Info("made up", classes=tuple("abc"), image=(3, 64, 64))


def parameters(recipe) -> int:
    return sum(p.numel() for p in recipe.model(INFO, **recipe.model_settings).parameters())


@pytest.mark.parametrize("recipe", [FIVE, RECIPE])
def test_the_model_follows_from_the_data(recipe):
    model = recipe.model(INFO, **recipe.model_settings)
    images = recipe.example(INFO)
    losses = recipe.players[0].objective(
        model, {"image": images[0] + torch.rand(2, 3, 64, 64), "label": torch.tensor([0, 2])}
    )
    losses["total"].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.eval()(*images).shape == (2, 3)


def test_a_five_sees_what_two_threes_see_with_about_as_many_weights():
    from learnable.nn.receptive import receptive_field

    fields = [receptive_field(r.model(INFO).eval(), "stages.2", torch.zeros(1, 3, 64, 64)) for r in (RECIPE, FIVE)]
    assert fields[0] == fields[1]
    assert 0.9 < parameters(FIVE) / parameters(RECIPE) < 1.0
