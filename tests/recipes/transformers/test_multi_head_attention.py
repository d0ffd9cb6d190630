import pytest
import torch

from learnable.data.examples import Info, TextWindows
from learnable.recipes.transformers.multi_head_attention import GROUPED, RECIPE, SINGLE, example
from learnable.sampling.cache import generate_cached
from learnable.sampling.text import greedy

INFO = Info("toy", alphabet=tuple("abcdefgh"), context=12)
RECIPES = {"all": (RECIPE, 8), "grouped": (GROUPED, 2), "single": (SINGLE, 1)}
SIZE = {"depth": 3, "width": 96, "heads": 8}


@pytest.mark.parametrize("recipe, key_heads", RECIPES.values(), ids=RECIPES)
def test_what_is_remembered_of_a_token(recipe, key_heads):
    torch.manual_seed(0)
    model = recipe.model(INFO, **recipe.model_settings).eval()
    text = TextWindows(torch.arange(60) % 8, 12)
    found = recipe.evaluate(model, text, INFO)
    assert model.config.key_heads == key_heads
    assert found["cache_bytes"] == 4 * found["cache_values"] == 4 * 2 * 3 * key_heads * 12
    assert {"bits_per_character"} < found.keys()
    assert model(*example(INFO)).shape == (2, 12, 8)
    assert generate_cached(model, torch.zeros(1, 2, dtype=torch.long), 3, greedy)[0].shape == (5,)


def test_all_have_the_same_number_of_weights():
    counts = [sum(p.numel() for p in recipe.model(INFO, **SIZE).parameters()) for recipe, _ in RECIPES.values()]
    assert max(counts) / min(counts) < 1 + 1 / 300


def test_they_differ_in_nothing_else():
    for recipe, _ in RECIPES.values():
        assert (recipe.steps, recipe.players, recipe.batch_size) == (RECIPE.steps, RECIPE.players, RECIPE.batch_size)
        assert recipe.model_settings == SIZE
