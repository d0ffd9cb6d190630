import math
from dataclasses import FrozenInstanceError, replace

import pytest

from learnable import catalog
from learnable.optim.schedules import constant
from learnable.train.recipe import Expected, Player, Program, Recipe, smoke
from toy import RECIPE

AUTODIFF = catalog.load(catalog.recipe_row("autodiff")[1])


@pytest.mark.parametrize(
    "expected, value, kept",
    [
        (Expected("accuracy", at_least=0.9, minutes=1), 0.9, True),
        (Expected("accuracy", at_least=0.9, minutes=1), 0.8999, False),
        (Expected("loss", at_most=0.1, minutes=1), 0.1, True),
        (Expected("loss", at_most=0.1, minutes=1), 0.11, False),
        (Expected("loss", at_least=1.0, at_most=2.0, minutes=1), 1.5, True),
        (Expected("loss", at_least=1.0, at_most=2.0, minutes=1), 2.5, False),
        (Expected("accuracy", at_least=0.0, minutes=1), math.nan, False),
        (Expected("loss", at_most=math.inf, minutes=1), math.nan, False),
    ],
)
def test_a_promise_is_kept_or_not(expected, value, kept):
    assert expected.kept(value) is kept


def test_a_promise_reads_as_a_sentence():
    assert str(Expected("accuracy", at_least=0.97, minutes=1)) == "accuracy ≥ 0.97"
    assert str(Expected("loss", at_most=1.5, minutes=1)) == "loss ≤ 1.5"
    assert str(Expected("gain", at_least=0.0, minutes=1)) == "gain ≥ 0"
    assert Expected("a", at_least=0.0, minutes=1).higher_is_better
    assert not Expected("a", at_most=0.0, minutes=1).higher_is_better


@pytest.mark.parametrize("examples, expected", [(1000, 30), (1024, 32), (31, 1), (96, 3)])
def test_epochs_become_steps(examples, expected):
    """Whole batches of 32; what is left over waits for another epoch. At least one step is taken."""
    assert replace(RECIPE, steps=0, epochs=1).steps_for(examples) == max(1, examples // 32)
    assert replace(RECIPE, steps=7).steps_for(examples) == 7


def test_a_part_of_an_epoch_is_rounded_up():
    assert replace(RECIPE, steps=0, epochs=0.5).steps_for(96) == 2
    assert replace(RECIPE, steps=0, epochs=2.5).steps_for(96) == 8


def test_recipes_are_frozen_and_varied_by_replacing():
    with pytest.raises(FrozenInstanceError):
        RECIPE.steps = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        RECIPE.players[0].learning_rate = 3  # type: ignore[misc]
    longer = replace(RECIPE, steps=3)
    assert longer.steps == 3 and RECIPE.steps == 40 and longer.model is RECIPE.model


def test_settings_are_those_of_data_model_and_run():
    assert RECIPE.settings == {"count": 256, "hidden": 8}
    assert isinstance(AUTODIFF, Program)
    assert AUTODIFF.settings == {**AUTODIFF.data_settings, **AUTODIFF.model_settings, **AUTODIFF.run_settings}
    assert {"hidden", "steps", "batch_size", "learning_rate", "momentum"} <= set(AUTODIFF.settings)


def test_smoke_is_the_same_run_a_few_steps_long():
    short = smoke(replace(RECIPE, steps=0, epochs=3, batch_size=128, every=1000))
    assert isinstance(short, Recipe)
    assert (short.steps, short.epochs, short.batch_size, short.every) == (4, 0, 16, 2)
    assert short.model is RECIPE.model and short.players is RECIPE.players
    assert smoke(replace(RECIPE, batch_size=3)).batch_size == 3  # type: ignore[union-attr]
    assert smoke(AUTODIFF).settings == {**AUTODIFF.settings, "steps": 20}
    assert AUTODIFF.settings["steps"] == 1500


def test_a_player_moves_all_of_the_model_at_a_constant_rate_by_default():
    player = Player(lambda model, batch: {}, RECIPE.players[0].optimizer, 0.1)
    assert player.part == "" and player.schedule is constant
