from dataclasses import replace

import numpy as np
import pytest
import torch

from learnable.data.images import digit_scans
from learnable.errors import CallError
from learnable.recipes.foundations.autodiff import RECIPE
from learnable.train.workbench import Workbench

SETTINGS = {**RECIPE.model_settings, **RECIPE.run_settings, "hidden": 8, "steps": 230}


@pytest.fixture(scope="module")
def data():
    return digit_scans()


def run(data, stop_at=None, start=None, **settings):
    """The metrics and all checkpoints; `stop_at` is the step after which somebody presses Ctrl-C."""
    saved, reported = {}, []
    bench = Workbench(
        data,
        seed=3,
        start=start,
        report=lambda step, steps, numbers: reported.append((step, steps, numbers["loss"])),
        save=lambda step, arrays: saved.update({step: arrays}),
        interrupted=lambda: stop_at is not None and len(reported) >= stop_at,
    )
    metrics = RECIPE.run(bench, **{**SETTINGS, **settings})
    return metrics, saved, reported


def test_it_learns_and_says_so(data):
    metrics, saved, reported = run(data)
    assert set(metrics) == {"accuracy", "loss"}
    assert metrics["accuracy"] > 0.8
    assert list(saved) == [100, 200, 230]
    assert [step for step, _, _ in reported] == list(range(1, 231))
    assert reported[0][2] > 2 > reported[-1][2]


def test_a_run_that_was_stopped_goes_on_bit_for_bit(data):
    _, whole, _ = run(data)
    _, begun, reported = run(data, stop_at=117)
    assert list(begun) == [100, 117] and len(reported) == 117
    metrics, rest, reported = run(data, start=(117, begun[117]))
    assert reported[0][0] == 118
    assert metrics == run(data)[0]
    for name, array in whole[230].items():
        np.testing.assert_array_equal(rest[230][name], array, err_msg=name)


def test_the_twin_takes_over_what_was_learned(data):
    metrics, saved, _ = run(data)
    twin = RECIPE.model(data.info, hidden=8)
    names = set(twin.state_dict())
    assert {name for name in saved[230] if not name.startswith("velocity.")} == names
    twin.load_state_dict({name: torch.from_numpy(saved[230][name]) for name in names})
    used = RECIPE.evaluate(twin, data.test, data.info)
    assert used["accuracy"] == metrics["accuracy"]
    assert used["loss"] == pytest.approx(metrics["loss"], rel=1e-5)
    assert twin(*RECIPE.example(data.info)).shape == (2, 10)


def test_quick_is_quick(data):
    _, saved, _ = run(data, **RECIPE.quick)
    assert max(saved) <= 50


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"learning_rate": 0.0}, {"momentum": 1.0}])
def test_settings_out_of_range_are_refused(data, wrong):
    with pytest.raises(CallError, match="expected"):
        run(data, **wrong)


def test_a_network_needs_neurons(data):
    with pytest.raises(CallError, match="hidden"):
        RECIPE.model(data.info, hidden=0)


def test_a_rate_that_is_too_high_ends_in_no_number_and_in_no_warning(data):
    _, _, reported = run(data, learning_rate=1e20, steps=20)
    assert not np.isfinite([loss for _, _, loss in reported]).all()


@pytest.mark.slow
def test_keeps_its_promise(data):
    settings = {**RECIPE.model_settings, **RECIPE.run_settings}
    accuracies = [RECIPE.run(Workbench(replace(data), seed=seed), **settings)["accuracy"] for seed in range(3)]
    assert all(RECIPE.expected.kept(value) for value in accuracies), accuracies


def test_it_learns_a_table_and_predicts_its_rows(tmp_path):
    """A CSV of the user's own: two measures and a word that says on which side of a line they lie."""
    from learnable.runs import training
    from learnable.runs.run import Run

    points = np.random.default_rng(0).normal(size=(200, 2))
    lines = [f"{x:.3f},{y:.3f},{'above' if x + y > 0 else 'below'}" for x, y in points]
    file = tmp_path / "sides.csv"
    file.write_text("\n".join(["x,y,side", *lines]))
    run = training.start("autodiff", {"data": str(file), "steps": 200, "batch_size": 32})
    assert run.record["metrics"]["accuracy"] > 0.85
    assert Run.open("autodiff").evaluate()["accuracy"] == pytest.approx(run.record["metrics"]["accuracy"])
    new = tmp_path / "new.csv"
    new.write_text("x,y\n2,2\n-2,-2\n")
    assert run.predict(new)["prediction"] == ["above", "below"]
    new.write_text("x,y\n2,2\n")
    assert run.predict(new)["prediction"] == "above"


def test_a_target_belongs_to_a_table():
    with pytest.raises(CallError, match="are pictures; leave it out"):
        RECIPE.data(None, target="side")
