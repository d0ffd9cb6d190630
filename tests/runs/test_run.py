import json
import os
import re
import shutil
from dataclasses import replace

import pytest
import torch

from learnable.data.examples import Info
from learnable.errors import CallError, WorldError
from learnable.nn import way
from learnable.runs import run as module
from learnable.runs import training
from learnable.runs.run import FORMAT, Run, find_folder, machine, runs, versions
from learnable.train import checkpoint
from toy import RECIPE, install, points


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)


def record(**changes):
    return {"overrides": {}, "seed": 0, "info": Info("line", classes=("a", "b"), width=2).to_json(), **changes}


def test_the_record_is_that_of_the_contract(home):
    run = training.start("toy", {"smoke": True})
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}", run.folder.name) and run.folder.parent == home / "runs" / "toy"
    found = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    promised = "format recipe overrides seed info data machine versions status metrics seconds steps"
    assert set(promised.split()) <= set(found) and found["format"] == 1 == FORMAT
    step = run.folder / "step-4"
    assert {path.name for path in step.iterdir()} == {"model.safetensors", "optimizer.safetensors", "state.json"}
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    assert lines and all("step" in json.loads(line) for line in lines)


def test_average_and_best_are_kept_where_the_contract_says():
    run = training.start("toy", {"smoke": True, "average": 0.9, "patience": 5})
    names = {path.name for path in (run.folder / "step-4").iterdir()}
    assert {"average.safetensors", "best.safetensors"} <= names


def test_runs_of_one_second_have_folders_of_their_own_in_order():
    made = [Run.create("toy", record()) for _ in range(12)]
    assert len({run.folder for run in made}) == 12
    assert runs("toy") == [run.folder for run in made] and runs() == runs("toy")
    assert find_folder("toy") == made[-1].folder


def test_the_oldest_comes_first_whatever_the_recipe(home):
    for name in (
        "toy/2026-01-02-000000",
        "lenet/2026-01-01-000000-10",
        "lenet/2026-01-01-000000-9",
        "gan/2026-01-01-000000",
    ):
        (home / "runs" / name).mkdir(parents=True)
        (home / "runs" / name / "run.json").write_text("{}")
    (home / "runs" / "a file").write_text("")
    (home / "runs" / "toy" / ".hidden").mkdir()
    assert [path.name for path in runs()] == [
        "2026-01-01-000000", "2026-01-01-000000-9", "2026-01-01-000000-10", "2026-01-02-000000",
    ]  # fmt: skip


def test_a_folder_that_was_killed_before_its_first_word_is_no_run(home):
    run = Run.create("toy", record())
    (home / "runs" / "toy" / "9999-01-01-000000").mkdir()
    assert find_folder("toy") == run.folder and runs() == [run.folder]


def test_a_run_is_opened_by_name_by_when_and_by_path(tmp_path, monkeypatch):
    run = Run.create("toy", record())
    moved = tmp_path / "mine, elsewhere"
    shutil.copytree(run.folder, moved)
    monkeypatch.chdir(tmp_path)
    for name in ("toy", run.name, str(run.folder), f"{run.folder}/"):
        assert Run.open(name).folder == run.folder
    for name in ("mine, elsewhere", "./mine, elsewhere", str(moved)):
        assert Run.open(name).folder.resolve() == moved


@pytest.mark.parametrize(
    "name, error, says",
    [
        ("toyy", CallError, "no recipe 'toyy'; did you mean 'toy'"),
        ("toy", WorldError, "there is no run of toy yet; make one: learnable train toy"),
        ("toy/yesterday", WorldError, "no run toy/yesterday; 'learnable runs' lists all"),
        ("nobody/yesterday", WorldError, "no run nobody/yesterday"),
        ("/nowhere/at/all", WorldError, "no run /nowhere/at/all"),
        ("", WorldError, "is no run"),
        (".", WorldError, "is no run: it has neither run.json nor checkpoints"),
        ("a" * 300, WorldError, "cannot be used"),
        ("~nobody-of-this-name/x", WorldError, "cannot be used"),
    ],
)
def test_what_is_no_run_is_said(name, error, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=re.escape(says)):
        Run.open(name)


def test_those_that_there_are_are_named():
    run = Run.create("toy", record())
    with pytest.raises(WorldError, match=f"no run toy/yesterday; there are: {run.folder.name}"):
        Run.open("toy/yesterday")


def test_the_status_tells_who_is_at_it():
    run = Run.create("toy", record())
    assert run.record["status"] == "running" and run.status == "interrupted" and not run.busy()
    with run.lock():
        assert run.busy() and Run(run.folder).status == "running"
        with pytest.raises(WorldError, match="is being trained by another process; wait for it, or stop it there"):
            Run(run.folder).lock().__enter__()
    assert not run.busy()
    run.update(status="finished")
    assert Run(run.folder).status == "finished"


def test_changes_are_kept_and_the_rest_with_them():
    run = Run.create("toy", record(seed=3))
    run.update(metrics={"accuracy": float("nan")})
    again = Run(run.folder)
    assert again.record["metrics"] == {"accuracy": None} and again.seed == 3 and again.record["versions"] == versions()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', '{"recipe": "toy"}', "\xff\xfe"])
def test_a_record_that_cannot_be_read_is_said(text):
    run = Run.create("toy", record())
    (run.folder / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(WorldError, match="cannot be read .* and no checkpoint has a copy; this run is lost"):
        Run(run.folder)


def test_a_record_of_a_newer_version_is_refused():
    run = Run.create("toy", record())
    run.update(format=FORMAT + 1)
    with pytest.raises(WorldError, match="was written by a newer version of learnable"):
        Run(run.folder)


def test_the_older_checkpoint_has_a_copy_too(monkeypatch):
    install(monkeypatch, replace(RECIPE, every=2))
    monkeypatch.setattr(training._Keeper, "due", lambda self, clock: True)
    run = training.start("toy", {"smoke": True})
    first, second = checkpoint.steps_saved(run.folder)
    (run.folder / "run.json").unlink()
    (run.folder / f"step-{first}" / "state.json").write_text("torn")
    told = []
    assert Run(run.folder, told.append).recipe_name == "toy" and f"the copy in step-{second} is used" in told[0]


def test_the_model_is_the_best_else_the_average_else_the_last():
    for overrides, part in (({}, "model"), ({"average": 0.9}, "average"), ({"average": 0.9, "patience": 9}, "best")):
        run = training.start("toy", {"steps": 12, "every": 5, **overrides})
        found = checkpoint.latest(run.folder, print)
        assert found is not None
        opened = Run(run.folder)
        assert not opened.model.training
        for name, tensor in opened.model.state_dict().items():
            assert torch.equal(tensor, found[1][part][name]), (overrides, name)
        assert opened.evaluate() == run.record["metrics"] and opened.parameters == 42


def test_a_model_that_does_not_fit_the_recipe_any_more_is_said(monkeypatch):
    run = training.start("toy", {"smoke": True})
    install(monkeypatch, replace(RECIPE, model_settings={"hidden": 9}))
    with pytest.raises(WorldError, match=f"{run.name}/step-4 does not fit the model"):
        _ = Run(run.folder).model


def test_a_run_without_a_checkpoint_says_how_to_go_on():
    run = Run.create("toy", record())
    with pytest.raises(WorldError, match=f"no checkpoint yet; train it further: learnable train --resume {run.name}"):
        _ = run.model


def test_a_run_without_a_checkpoint_says_what_else_there_is():
    run = Run.create("toy", record())
    with run.lock(), pytest.raises(WorldError) as refused:
        _ = run.model
    assert str(refused.value) == f"{run.name} has no checkpoint yet; wait until it has, it is being trained"
    other = training.start("toy", {"smoke": True})
    with pytest.raises(
        WorldError, match=f"train it further: learnable train --resume {run.name}, or take {other.name}$"
    ):
        _ = run.model


def test_a_run_is_shown_with_what_was_found():
    run = Run.create("toy", record())
    assert repr(run) == f"<Run {run.name}: interrupted>"
    run.update(status="finished", metrics={"accuracy": 0.98765, "loss": float("nan")})
    assert repr(Run(run.folder)) == f"<Run {run.name}: finished, accuracy 0.9877>"


def test_a_recipe_that_is_no_more_is_said():
    run = Run.create("vanished", record())
    with pytest.raises(CallError, match="no recipe 'vanished'"):
        _ = run.recipe


def test_other_data_must_be_of_the_same_kind(monkeypatch):
    run = training.start("toy", {"smoke": True})
    assert Run(run.folder).evaluate("another line") == run.record["metrics"]

    def other(source=None, *, count=256):
        data = points(source, count=count)
        return replace(data, info=replace(data.info, classes=("left", "right", "behind")))

    install(monkeypatch, replace(RECIPE, data=other))
    with pytest.raises(CallError, match=r"knows \(below, above; 2 of them\) and this data has \(left"):
        Run(run.folder).evaluate("elsewhere")


def test_what_it_cannot_do_is_said():
    run = training.start("toy", {"smoke": True})
    assert not run.can_predict and not run.can_generate
    with pytest.raises(CallError, match="toy predicts nothing from a file"):
        run.predict("x.png")
    with pytest.raises(CallError, match="toy makes nothing; it answers: learnable predict"):
        run.generate()


def test_what_it_can_do_is_passed_on(monkeypatch):
    run = training.start("toy", {"smoke": True})
    install(
        monkeypatch,
        replace(
            RECIPE,
            predict=lambda model, info, path: {"prediction": info.classes[0], "probabilities": {}},
            generate=lambda model, info, prompt, **more: {"text": prompt, **more},
        ),
    )
    run = Run(run.folder)
    assert run.predict("x")["prediction"] == "below"
    assert run.generate(prompt="a", count=3, seed=1) == {"text": "a", "count": 3, "seed": 1, "temperature": 1.0}
    assert run.generate()["text"] == "" and "top_p" not in run.generate(top_p=None)
    assert not run.can_stream
    with pytest.raises(CallError, match="no text piece by piece"):
        run.stream()


def test_wishes_that_the_recipe_does_not_know_are_refused_by_their_flag(monkeypatch):
    run = training.start("toy", {"smoke": True})
    plain = replace(RECIPE, generate=lambda model, info, prompt, *, count, seed, temperature: {"text": prompt},
                    stream=lambda model, info, prompt, *, count, seed, temperature, top_p=1: iter(prompt))  # fmt: skip
    install(monkeypatch, plain)
    run = Run(run.folder)
    assert run.generate(prompt="a", int8=False, top_p=None) == {"text": "a"}
    assert list(run.stream(prompt="ab", top_p=0.5)) == ["a", "b"]
    with pytest.raises(CallError, match="toy does not know --top-p"):
        run.generate(top_p=0.5)


def test_torn_rows_are_left_out_and_that_is_said():
    told: list[str] = []
    run = Run(training.start("toy", {"smoke": True}).folder, told.append)
    rows = run.rows()
    with run.log.path.open("a") as file:
        file.write('{"step": 99\n{"loss": 1}\n')
    assert run.rows() == rows and told == [f"{run.name}/metrics.jsonl: 2 torn lines left out"]


def test_a_folder_that_cannot_be_made_is_said(home, monkeypatch):
    home.mkdir()
    (home / "runs").mkdir()
    (home / "runs" / "toy").write_text("")
    with pytest.raises(WorldError, match="toy is a file and should be the folder of runs"):
        Run.create("toy", record())

    def refuse(*_, **__):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(module.Path, "mkdir", refuse)
    monkeypatch.setattr(module, "runs_folder", lambda: home / "runs")
    with pytest.raises(WorldError, match="cannot be made .*; make room"):
        Run.create("lenet", record())


def test_the_machine_and_the_versions_are_plain_json():
    assert json.loads(json.dumps(machine())) == machine() and machine()["threads"] >= 1
    assert set(versions()) == {"learnable", "python", "torch", "numpy"}


@pytest.mark.parametrize("plain, precision", [(False, "bf16"), (True, "fp32")])
def test_predictions_are_computed_in_the_way_of_the_machine(monkeypatch, plain, precision):
    """And not, if nobody is to choose."""
    monkeypatch.setattr(way, "LARGE", 1)
    monkeypatch.setattr(way, "bf16_is_fast", lambda kind: True)
    install(
        monkeypatch,
        predict=lambda model, info, path: {"prediction": "bf16" if torch.is_autocast_enabled("cpu") else "fp32"},
    )
    run = training.start("toy", {"smoke": True})
    run.plain = plain
    assert run.predict("x")["prediction"] == precision
