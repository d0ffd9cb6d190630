import numpy as np

from learnable.train.workbench import Workbench
from toy import points


def test_by_itself_it_shows_nothing_keeps_nothing_and_never_stops(capfd):
    bench = Workbench(points())
    bench.report(1, 10, {"loss": 0.5})
    bench.save(1, {"weight": np.zeros(3)})
    assert not bench.stopping and bench.start is None and bench.seed == 0
    assert capfd.readouterr() == ("", "")


def test_it_passes_on_what_the_program_says():
    told, saved, asked = [], [], iter([False, True])
    bench = Workbench(
        points(), 3, (5, {"weight": np.ones(2)}), lambda *words: told.append(words), lambda *words: saved.append(words),
        lambda: next(asked),
    )  # fmt: skip
    bench.report(1, 10, {"loss": 0.5})
    bench.save(1, {})
    assert told == [(1, 10, {"loss": 0.5})] and saved == [(1, {})]
    assert not bench.stopping and bench.stopping
    assert bench.start is not None and bench.start[0] == 5


def test_the_engines_program_runs_at_it():
    """As a notebook would: a few steps, nothing on the disk."""
    from learnable import catalog

    recipe = catalog.load(catalog.recipe_row("autodiff")[1])
    saved = []
    bench = Workbench(recipe.data(None), save=lambda step, arrays: saved.append(step))
    metrics = recipe.run(bench, **recipe.model_settings, **recipe.run_settings | {"steps": 5})
    assert saved == [5] and set(metrics) == {"accuracy", "loss"}
