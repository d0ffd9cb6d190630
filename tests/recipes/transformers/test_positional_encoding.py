from dataclasses import replace

import pytest
import torch

from learnable.data.examples import Info, TextWindows
from learnable.recipes.transformers.positional_encoding import (
    LEARNED,
    NONE,
    RECIPE,
    RELATIVE,
    ROTARY,
    SINUSOIDAL,
    example,
)

INFO = Info(data="toy", alphabet=tuple("\nabcdefg"), context=8)
TINY = {"depth": 1, "width": 16, "heads": 2}
ALL = {
    "alibi": RECIPE,
    "none": NONE,
    "sinusoidal": SINUSOIDAL,
    "learned": LEARNED,
    "rotary": ROTARY,
    "relative": RELATIVE,
}


@pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)
def test_its_parts_fit_each_other(recipe):
    torch.manual_seed(0)
    windows, model = TextWindows(torch.tensor([1, 2, 3, 4, 5, 6, 7, 0] * 20), 8), recipe.model(INFO, **TINY)
    assert model(*example(INFO)).shape == (2, 8, 8)
    (player,) = recipe.players
    player.objective(model, windows.batch(torch.arange(16), {}))["total"].backward()
    metrics = recipe.evaluate(model, windows, INFO)
    assert {"bits_per_character", "bits_at_2x", "bits_at_4x", recipe.expected.metric} <= set(metrics)


@pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)
def test_they_differ_in_the_model_alone(recipe):
    assert replace(recipe, model=RECIPE.model, expected=RECIPE.expected) == RECIPE


def test_they_are_equally_large_but_for_what_they_learn_of_places():
    def size(recipe):
        return sum(parameter.numel() for parameter in recipe.model(INFO, **TINY).parameters())

    assert size(NONE) == size(SINUSOIDAL) == size(ROTARY) == size(RECIPE)
    assert size(LEARNED) == size(NONE) + 32 * 16 and size(RELATIVE) == size(NONE) + 32 * 2
