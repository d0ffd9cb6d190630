import json
import subprocess
import sys
from dataclasses import replace

import pytest

from learnable.errors import WorldError
from learnable.runs import training, verification
from learnable.runs.run import Run
from learnable.runs.verification import NoPromise, promise, result, save, verify
from learnable.train.recipe import Expected
from toy import RECIPE, install


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)


@pytest.fixture
def values(monkeypatch):
    """What the trainings of seeds 0, 1, ... come to."""
    found: list[float] = []

    def train(name, seed, data):
        run = training.start(name, {"seed": seed, "smoke": True})
        run.update(metrics={"accuracy": found[seed], "loss": 1.0})
        return Run(run.folder)

    monkeypatch.setattr(verification, "_train", train)
    return found


def test_every_seed_must_keep_the_promise(values):
    values += [0.9, 0.8, 0.85]
    told = []
    outcome = verify("toy", 3, tell=told.append)
    assert outcome.kept and outcome.values == {"0": 0.9, "1": 0.8, "2": 0.85}
    assert outcome.mean == pytest.approx(0.85) and outcome.spread == pytest.approx(0.05) and outcome.worst == 0.8
    assert outcome.expected == "accuracy ≥ 0.8" and outcome.data == "line" and len(outcome.runs) == 3
    assert told[1] == "toy, seed 1 of 3: about 0.01 min on 2 CPU cores"
    values[1] = 0.79
    assert not verify("toy", 3).kept and verify("toy", 1).kept and verify("toy", 1).spread == 0


def test_what_is_no_number_keeps_nothing(values):
    values.append(float("nan"))
    outcome = verify("toy", 1)
    assert not outcome.kept and outcome.worst is None and outcome.mean is None
    values.append(0.9)
    outcome = verify("toy", 2)
    assert json.loads(json.dumps(outcome.to_json()))["values"] == {"0": None, "1": 0.9}
    assert not outcome.kept and outcome.worst is None and outcome.mean == 0.9


def test_the_worst_of_a_loss_is_the_largest(values, monkeypatch):
    install(monkeypatch, replace(RECIPE, expected=Expected("accuracy", at_most=0.95, minutes=1)))
    values += [0.5, 0.9]
    assert verify("toy", 2).worst == 0.9


def test_there_are_promises_on_other_data():
    recipe = replace(RECIPE, promises={"mnist": Expected("accuracy", at_least=0.99, minutes=1)})
    assert promise("toy", recipe, "mnist").at_least == 0.99 and promise("toy", recipe, None) is recipe.expected
    with pytest.raises(NoPromise, match="toy promises nothing on 'x'; it does on: mnist"):
        promise("toy", recipe, "x")
    with pytest.raises(NoPromise, match="it does on: none but the embedded data"):
        promise("toy", RECIPE, "x")


def test_a_result_is_kept_beside_those_on_other_data(values, tmp_path, monkeypatch):
    folder = tmp_path / "src" / "learnable" / "recipes" / "results"
    monkeypatch.setattr(verification, "results_folder", lambda: folder)
    values.append(0.9)
    outcome = verify("toy", 1)
    with pytest.raises(WorldError, match="this is an installed package"):
        save(outcome)
    (tmp_path / "pyproject.toml").write_text("")
    assert save(outcome) == folder / "toy.json"
    save(replace(outcome, data="line of Python 3.12"))
    save(replace(outcome, data="mnist"))
    assert set(result("toy")) == {"line", "mnist"}
    assert result("toy")["line"]["mean"] == 0.9 and "runs" not in result("toy")["line"]
    assert result("nothing") == {}


def answer(monkeypatch, code, out, err):
    asked = []

    def run(words, **_):
        asked.append(words)
        return subprocess.CompletedProcess(words, code, out, err)

    monkeypatch.setattr(verification.subprocess, "run", run)
    return asked


def test_a_training_is_a_process_of_its_own(monkeypatch):
    run = training.start("toy", {"smoke": True})
    asked = answer(monkeypatch, 0, '{"step": 1}\n' + json.dumps({"run": str(run.folder)}) + "\n", "")
    assert verification._train("toy", 3, "mnist").folder == run.folder
    assert asked == [[sys.executable, *["-m", "learnable", "train", "toy", "--seed", "3", "--json", "--data", "mnist"]]]


def test_a_training_that_fails_says_why(monkeypatch):
    answer(monkeypatch, 1, "", "a notice\nerror: the disk is full\n")
    with pytest.raises(WorldError, match="the training of toy with seed 0 failed: the disk is full"):
        verification._train("toy", 0, None)
    answer(monkeypatch, -9, "", "")
    with pytest.raises(WorldError, match="failed: no message"):
        verification._train("toy", 0, None)
