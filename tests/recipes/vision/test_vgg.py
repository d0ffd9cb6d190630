"""The recipes of VGG: their parts fit, and a 5x5 stands where two 3x3 see as much at the same cost."""

import pytest
import torch
from torch import nn

from learnable.catalog import find, load
from learnable.data.examples import Info
from learnable.metrics.cost import cost
from learnable.nn.receptive import receptive_field
from learnable.recipes.vision.vgg import FIVE, FIVE_PLAIN, PLAIN, RECIPE
from learnable.train.recipe import Recipe

ALL = {"vgg": RECIPE, "vgg-five": FIVE, "vgg-plain": PLAIN, "vgg-five-plain": FIVE_PLAIN}
PAIRS = [(RECIPE, FIVE), (PLAIN, FIVE_PLAIN)]
INFO = Info("made up", classes=tuple("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"), image=(1, 32, 32))


def built(recipe: Recipe) -> nn.Module:
    return recipe.model(INFO, **recipe.model_settings)


def test_the_catalog_knows_them():
    assert {name: load(target) for name, target in find("vgg").recipes.items()} == ALL


@pytest.mark.parametrize(("threes", "fives"), PAIRS)
def test_a_five_sees_what_two_threes_see(threes: Recipe, fives: Recipe):
    image = torch.zeros(1, 1, 32, 32)
    three, five = built(threes).eval(), built(fives).eval()
    assert receptive_field(three, "stages.2", image) == receptive_field(five, "stages.2", image)


@pytest.mark.parametrize(("threes", "fives"), PAIRS)
def test_fives_cost_as_much_and_have_no_fewer_weights(threes: Recipe, fives: Recipe):
    small, large = (cost(built(recipe), torch.zeros(1, 1, 32, 32)) for recipe in (threes, fives))
    assert large.multiply_adds == pytest.approx(small.multiply_adds, rel=0.02)
    assert 1 < large.parameters / small.parameters < 1.2
    assert threes.players == fives.players and threes.steps == fives.steps


def test_plain_means_without_batch_norm():
    normed = [any(isinstance(m, nn.BatchNorm2d) for m in built(recipe).modules()) for recipe in ALL.values()]
    assert normed == [True, True, False, False]


@pytest.mark.parametrize("recipe", [PLAIN, FIVE_PLAIN], ids=["threes", "fives"])
def test_a_signal_comes_through_at_its_size(recipe: Recipe):
    torch.manual_seed(0)
    logits = built(recipe).eval()(torch.rand(32, 1, 32, 32))
    assert 0.1 < logits.std() < 10
