"""Every recipe of the catalog says what it is, how it is run, and what to expect of it."""

import importlib
import json

import pytest

from house_rules.tree import SOURCE
from learnable import catalog
from learnable.runs.configure import LIMITS, MEANINGS
from learnable.train.recipe import Program, Recipe

RECIPES = {name: target for topic in catalog.topics() for name, target in topic.recipes.items()}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_one_and_says_what_to_expect(name: str):
    recipe = catalog.load(RECIPES[name])
    assert isinstance(recipe, Recipe | Program)
    for expected in (recipe.expected, *recipe.promises.values()):
        assert expected.metric and expected.minutes > 0
        assert (expected.at_least is None) != (expected.at_most is None), "one bound, at least or at most"
        assert not expected.kept(float("nan"))
    assert set(recipe.promises) <= set(recipe.sources), "a promise is about data that --data takes by name"
    if isinstance(recipe, Recipe):
        assert (recipe.steps > 0) != (recipe.epochs > 0), "either steps or epochs"
        assert set(recipe.elsewhere) <= set(recipe.sources), (
            "what is done elsewhere is for data that --data takes by name"
        )
        for said in recipe.elsewhere.values():
            assert set(said) <= {*recipe.settings, *LIMITS}, "what is done elsewhere are flags"
        assert recipe.players and recipe.batch_size > 0 and recipe.every > 0
        assert len({player.part for player in recipe.players}) == len(recipe.players), "each player moves its own part"


def test_every_flag_of_a_recipe_says_what_it_is_and_nothing_else_does():
    assert {key for target in RECIPES.values() for key in catalog.load(target).settings} == set(MEANINGS)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_how_it_is_run(name: str):
    module = importlib.import_module(RECIPES[name].partition(":")[0])
    assert f"learnable train {name}" in (module.__doc__ or "")


def test_a_result_belongs_to_a_recipe():
    for path in sorted((SOURCE / "recipes" / "results").glob("*.json")):
        assert path.stem in RECIPES, path.name
        assert isinstance(json.loads(path.read_text(encoding="utf-8")), dict), path.name
