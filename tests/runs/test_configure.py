import math
from dataclasses import replace

import pytest

from learnable import catalog
from learnable.errors import CallError
from learnable.runs.configure import LIMITS, configure, flag, parse_settings
from toy import RECIPE

PROGRAM = catalog.load(catalog.recipe_row("autodiff")[1])


def test_no_wishes_change_nothing():
    assert configure("toy", RECIPE, {}) == RECIPE
    assert configure("toy", RECIPE, {"steps": None, "data": "x", "seed": 3, "device": "cpu"}) == RECIPE


def test_wishes_are_granted():
    found = configure(
        "toy", RECIPE, {"batch_size": 8, "clip": 1.0, "average": 0.9, "patience": 2, "every": 3, "hidden": 5}
    )
    assert (found.batch_size, found.clip, found.average, found.patience, found.every) == (8, 1.0, 0.9, 2, 3)
    assert found.model_settings == {"hidden": 5} and found.data_settings == {"count": 256}
    assert RECIPE.model_settings == {"hidden": 8}


def test_steps_replace_epochs_and_epochs_replace_steps():
    assert configure("toy", RECIPE, {"epochs": 2.0}).steps == 0
    by_epochs = replace(RECIPE, steps=0, epochs=3)
    assert configure("toy", by_epochs, {"steps": 5}).epochs == 0


def test_the_learning_rate_is_the_fastest_players_and_the_others_keep_their_share():
    slow = replace(RECIPE.players[0], learning_rate=1e-3, part="0")
    two = replace(RECIPE, players=(RECIPE.players[0], slow))
    rates = [player.learning_rate for player in configure("toy", two, {"learning_rate": 0.5}).players]
    assert rates == pytest.approx([0.5, 0.05])


@pytest.mark.parametrize("key", LIMITS)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, -math.inf])
def test_numbers_out_of_range_are_refused(key, value):
    with pytest.raises(CallError, match=f"expected {flag(key)} to be .*, came {value}"):
        configure("toy", RECIPE, {key: value})


def test_a_program_takes_its_own_settings_only():
    found = configure("autodiff", PROGRAM, {"steps": 7, "hidden": 3, "learning_rate": 0.2})
    assert found.run_settings["steps"] == 7 and found.model_settings == {"hidden": 3}
    assert found.run_settings["learning_rate"] == 0.2 and found.run_settings["batch_size"] == 64
    for key in ("epochs", "average", "patience", "clip", "every"):
        with pytest.raises(CallError, match=f"no flag of recipe autodiff: '{flag(key)}'"):
            configure("autodiff", PROGRAM, {key: 0.5})


def test_smoke_yields_to_what_was_said():
    found = configure("toy", RECIPE, {"smoke": True, "batch_size": 4})
    assert (found.steps, found.batch_size) == (4, 4)
    assert configure("autodiff", PROGRAM, {"smoke": True, "hidden": 2}).settings["hidden"] == 2


@pytest.mark.parametrize("key", ["model", "players", "expected", "nothing", "model_settings", ""])
def test_what_is_no_flag_is_refused(key):
    """The fields of a recipe are not all for the user."""
    with pytest.raises(CallError, match="no flag of recipe toy"):
        configure("toy", RECIPE, {key: 1})


TYPED = replace(RECIPE, model_settings={"whole": 3, "real": 0.5, "word": "a", "yes": True, "two_words": 1})


def test_words_become_settings():
    words = ["--whole", "-7", "--real=1e-3", "--word", "--x", "--yes", "No", "--two-words", "2"]
    assert parse_settings("toy", TYPED, words) == {
        "whole": -7, "real": 1e-3, "word": "--x", "yes": False, "two_words": 2,
    }  # fmt: skip
    assert parse_settings("toy", TYPED, ["--word", "--x=y"]) == {"word": "--x=y"}
    assert parse_settings("toy", TYPED, ["--word="]) == {"word": ""}
    assert parse_settings("toy", TYPED, []) == {}


@pytest.mark.parametrize(
    "words, says",
    [
        (["--whole", "1.5"], "expected --whole to be a whole number, say 3, came '1.5'"),
        (["--real", "much"], "expected --real to be a number, say 0.5, came 'much'"),
        (["--yes", "1"], "expected --yes to be true or false, say True, came '1'"),
        (["--whole"], "--whole needs a value, say --whole 3"),
        (["--whale", "1"], "no flag of recipe toy: '--whale'; did you mean '--whole'"),
        (["3"], "expected a flag, came '3'; 'learnable train toy --help' lists them"),
        (["-w", "3"], "expected a flag, came '-w'"),
        (["--", "3"], "no flag of recipe toy: '--'"),
    ],
)
def test_words_that_make_no_settings_are_refused(words, says):
    with pytest.raises(CallError, match=says):
        parse_settings("toy", TYPED, words)


def test_flags_are_named_as_the_command_line_names_them():
    assert [flag(key) for key in ("steps", "batch_size")] == ["--steps", "--batch-size"]


ELSEWHERE = replace(RECIPE, elsewhere={"there": {"hidden": 3, "steps": 7, "learning_rate": 0.25}})


def test_a_recipe_may_do_otherwise_on_other_data():
    found = configure("toy", ELSEWHERE, {"data": "there"})
    assert (found.model_settings["hidden"], found.steps, found.players[0].learning_rate) == (3, 7, 0.25)
    for here in ({}, {"data": "x"}):
        assert configure("toy", ELSEWHERE, here) == ELSEWHERE


def test_what_is_said_goes_before_what_is_done_elsewhere():
    found = configure("toy", ELSEWHERE, {"data": "there", "hidden": 5, "steps": 9})
    assert (found.model_settings["hidden"], found.steps, found.players[0].learning_rate) == (5, 9, 0.25)
    assert configure("toy", ELSEWHERE, {"data": "there", "epochs": 2.0}).steps == 0
    short = configure("toy", ELSEWHERE, {"data": "there", "smoke": True})
    assert (short.model_settings["hidden"], short.steps) == (3, 4)
