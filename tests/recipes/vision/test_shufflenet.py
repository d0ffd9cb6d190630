"""The recipes of ShuffleNet: their parts fit, and the two differ in the shuffle alone."""

import torch

from learnable.catalog import find, load
from learnable.data.examples import Info
from learnable.metrics.cost import cost
from learnable.recipes.vision.shufflenet import RECIPE, UNSHUFFLED

ALL = {"shufflenet": RECIPE, "shufflenet-unshuffled": UNSHUFFLED}
INFO = Info("made up", classes=tuple("abc"), image=(1, 32, 32))


def test_the_catalog_knows_them():
    assert {name: load(target) for name, target in find("shufflenet").recipes.items()} == ALL


def test_the_two_begin_alike_and_cost_the_same():
    models = []
    for recipe in ALL.values():
        torch.manual_seed(0)
        models.append(recipe.model(INFO, **recipe.model_settings).eval())
    first, second = models
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    picture = torch.rand(1, 1, 32, 32)
    assert cost(first, picture) == cost(second, picture)
    assert not torch.allclose(first(picture), second(picture))
