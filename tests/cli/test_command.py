import sys

import pytest

from learnable import catalog
from learnable.cli.command import RecipeCommand
from learnable.runs.configure import MEANINGS, flag


@pytest.mark.parametrize("name", sorted(catalog.recipe_names()))
def test_the_help_of_every_recipe_shows_all_its_flags(learnable, name):
    said = learnable("train", name, "--help")
    assert said.code == 0 and f"Recipe {name}: promises" in said.out
    recipe = catalog.load(catalog.recipe_row(name)[1])
    rows = {row[0]: row[1:] for row in (line.split("\t") for line in said.out.splitlines() if "\t" in line)}
    for key, value in recipe.settings.items():
        _, default, meaning = rows[flag(key)]
        assert default == ('""' if value == "" else str(value).lower() if isinstance(value, bool) else str(value))
        assert meaning == MEANINGS[key]
    for source in recipe.sources:
        assert f"--data {source}" in said.out


def test_without_a_recipe_there_is_the_general_help_alone(learnable):
    for words in (["train", "--help"], ["train", "no-such", "--help"]):
        assert "promises" not in learnable(*words).out


def test_it_is_used_for_training_alone(learnable, monkeypatch):
    """A recipe's name on another command's line shows nothing of its flags."""
    assert "promises" not in learnable("evaluate", "lenet", "--help").out
    assert issubclass(RecipeCommand, object) and sys.argv[0] == "learnable"
