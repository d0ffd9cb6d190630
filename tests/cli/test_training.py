"""`train` and `verify`: signals, full disks, wrong wishes, and what programs read."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from disk import small_disk
from learnable.errors import WorldError
from learnable.optim.schedules import constant
from learnable.runs import training, verification
from learnable.runs.configure import MEANINGS
from learnable.runs.run import Run
from learnable.train import checkpoint
from learnable.train.recipe import Player
from toy import RECIPE, classify, install


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)


def test_json_lines_are_those_of_the_contract(learnable, home):
    said = learnable("train", "toy", "--seed", 2, "--json")
    first, *rows, last = said.json
    assert said.code == 0
    assert set(first) == {"run", "step", "steps", "data"} and first["step"] == 0 and first["steps"] == 40
    assert all(isinstance(row["step"], int) and isinstance(row["loss"], float) for row in rows)
    assert [row["step"] for row in rows if "valid" in row] == [10, 20, 30, 40]
    assert all(set(row["valid"]) == {"accuracy", "loss"} for row in rows if "valid" in row)
    assert set(last) == {"run", "metrics", "seconds"} and Path(last["run"]).is_relative_to(home)
    assert last["run"] == first["run"] and set(last["metrics"]) == {"accuracy", "loss"}


def test_people_read_the_same(learnable):
    said = learnable("train", "toy")
    assert said.code == 0
    assert "on line: 256 examples to train on, 256 to test on" in said.out
    assert "step 40/40" in said.out and "learnable evaluate" not in said.out  # it neither predicts nor generates
    assert f"{Run.open('toy').name}  test accuracy" in said.out


@pytest.mark.parametrize(
    "words, code, says",
    [
        ("", 2, "expected a recipe to train, say 'learnable train lenet', or --resume RUN"),
        ("lenett", 2, "no recipe 'lenett'; did you mean 'lenet'?"),
        ("--hidden 3 toy", 2, "expected a recipe to train, say 'learnable train lenet'"),
        ("toy extra", 2, "expected a flag, came 'extra'; 'learnable train toy --help' lists them"),
        ("toy --hiden 3", 2, "no flag of recipe toy: '--hiden'; did you mean '--hidden'?"),
        ("toy --hidden", 2, "--hidden needs a value, say --hidden 8"),
        ("toy --hidden three", 2, "expected --hidden to be a whole number, say 8, came 'three'"),
        ("toy --hidden=3.5", 2, "expected --hidden to be a whole number"),
        ("toy --steps 0", 2, "expected --steps to be greater than 0, came 0"),
        ("toy --steps -5", 2, "expected --steps to be greater than 0, came -5"),
        ("toy --epochs nan", 2, "expected --epochs to be greater than 0, came nan"),
        ("toy --epochs 1 --steps 1", 2, "say the same thing twice"),
        ("toy --learning-rate inf", 2, "expected --learning-rate to be greater than 0, came inf"),
        ("toy --batch-size 0", 2, "expected --batch-size"),
        ("toy --average 1", 2, "expected --average to be between 0 and 1, say 0.999, came 1.0"),
        ("toy --accumulate 3", 2, "choose a multiple of 3"),
        ("toy --patience 0", 2, "expected --patience"),
        ("toy --every 0", 2, "expected --every"),
        ("toy --device tpu", 2, "expected a device of auto, cpu, cuda, mps, came 'tpu'"),
        ("toy --precision fp8", 2, "expected a precision of auto, fp32, bf16, came 'fp8'"),
        ("toy --parallel fsdp", 2, "this is only one"),
        ("--resume toy", 1, "there is no run of toy yet; make one: learnable train toy"),
        ("--resume toy/yesterday", 1, "no run toy/yesterday"),
        ("--resume nothing", 2, "no recipe 'nothing'"),
        ("--resume toy --steps 3", 2, "--resume goes on exactly as the run began; leave out: --steps"),
        ("--resume toy --hidden 3", 2, "leave out: --hidden, 3"),
        ("lenet --data mnits", 2, "no dataset 'mnits'; did you mean 'mnist'?"),
        ("lenet --data ./nowhere", 1, "there is no file or folder nowhere"),
        ("autodiff --epochs 2", 2, "no flag of recipe autodiff: '--epochs'"),
        ("autodiff --momentum 2", 2, "momentum from 0 to under 1"),
        ("autodiff --batch-size 100000", 2, "expected a batch of 1 to 1257 examples"),
    ],
)
def test_a_wrong_wish_is_said_and_leaves_nothing(learnable, home, words, code, says):
    said = learnable("train", *words.split())
    assert said.code == code and says in said.error and "\n" not in said.error
    assert not list(home.glob("runs/*/*"))


def test_resuming_a_run_of_another_recipe_is_said(learnable):
    training.start("toy", {"smoke": True})
    said = learnable("train", "lenet", "--resume", "toy")
    assert said.code == 2 and "is a run of toy, not of lenet" in said.error


def test_the_help_of_a_recipe_shows_its_own_flags(learnable):
    for words in (("lenet", "--help"), ("--data", "digits", "lenet", "--help"), ("--help", "lenet")):
        said = learnable("train", *words)
        assert "--channels" in said.out and "Recipe lenet: promises accuracy ≥ 0.97" in said.out
        assert "--data mnist" in said.out
    rows = [line.split("\t") for line in learnable("train", "gpt", "--help").out.splitlines() if "\t" in line]
    assert rows[0] == ["its own flag", "takes", "default", "what it is"]
    assert ["--context", "a whole number", "128", "tokens that are read at once"] in rows
    assert ["--tokenizer", "a name", "characters", MEANINGS["tokenizer"]] in rows
    said = learnable("train", "transfer-learning", "--help")
    assert f"--allow-pickle\ttrue or false\tfalse\t{MEANINGS['allow_pickle']}" in said.out
    assert "its own flag" not in learnable("train", "--help").out
    assert learnable("train", "nothing", "--help").code == 0


def test_a_run_is_resumed_from_any_folder(learnable, tmp_path, monkeypatch):
    """What --data said was meant from where it was said."""
    text = tmp_path / "here" / "my text.txt"
    text.parent.mkdir()
    text.write_text("what is written here is read again, and again, from wherever one stands. " * 30)
    monkeypatch.chdir(text.parent)
    words = ["--context", 8, "--depth", 1, "--width", 8, "--heads", 2, "--steps", 2, "--batch-size", 2]
    assert learnable("train", "gpt", "--data", text.name, *words).code == 0
    monkeypatch.chdir(tmp_path)
    said = learnable("evaluate", "gpt", "--json")
    assert said.code == 0 and said.json[0]["metrics"] == Run.open("gpt").record["metrics"]


def test_a_diverged_run_is_a_failure_that_says_what_to_do(learnable, monkeypatch):
    def explode(model, batch):
        return {"total": classify(model, batch)["total"] * float("inf")}

    install(monkeypatch, replace(RECIPE, players=(Player(explode, RECIPE.players[0].optimizer, 1e-2, constant),)))
    said = learnable("train", "toy", "--json")
    assert said.code == 1 and "the training has diverged. Try a smaller --learning-rate" in said.err
    assert said.json[-1]["loss"] is None
    assert learnable("runs", "--json").json[0][0]["status"] == "diverged"


def test_a_stopped_run_is_130_and_says_how_to_go_on(learnable, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(training, "asked_to_stop", lambda: contextlib.nullcontext(lambda: True))
        said = learnable("train", "toy", "--json")
    assert said.code == 130 and f"go on with: learnable train --resume {Run.open('toy').name}" in said.err
    assert said.json[-1]["step"] == 1
    assert learnable("train", "--resume", "toy", "--json").json[-1]["metrics"]["accuracy"] > 0.8
    said = learnable("train", "--resume", "toy", "--json")
    assert said.code == 0 and "is finished already" in said.err and len(said.json) == 1


def test_two_cannot_train_one_run(learnable, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(training, "asked_to_stop", lambda: contextlib.nullcontext(lambda: True))
        learnable("train", "toy")
    with Run.open("toy").lock():
        said = learnable("train", "--resume", "toy")
        assert said.code == 1 and "is being trained by another process" in said.error
    assert learnable("train", "--resume", "toy").code == 0


DAMAGE = {
    "run.json": lambda run: (run / "run.json").write_text('{"recipe": "to'),
    "an empty run.json": lambda run: (run / "run.json").write_text(""),
    "no run.json": lambda run: (run / "run.json").unlink(),
    "run.json of another kind": lambda run: (run / "run.json").write_text("[1, 2]"),
    "metrics": lambda run: (run / "metrics.jsonl").open("ab").write(b'{"step": 21, "lo\xff'),
    "weights": lambda run: (newest(run) / "model.safetensors").write_bytes(b"no weights"),
    "state": lambda run: (newest(run) / "state.json").write_text("{"),
    "a lost file": lambda run: (newest(run) / "optimizer.safetensors").unlink(),
}


def newest(run: Path) -> Path:
    return run / f"step-{checkpoint.steps_saved(run)[0]}"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_run_is_mended_and_that_is_said(learnable, monkeypatch, what):
    """Two checkpoints lie there; the damage is to the newer one or beside them."""
    install(monkeypatch, replace(RECIPE, every=5))
    whole = learnable("train", "toy", "--json").json[-1]["metrics"]
    stop = iter([False] * 6 + [True] * 99)
    with monkeypatch.context() as patch:
        patch.setattr(training, "asked_to_stop", lambda: contextlib.nullcontext(lambda: next(stop)))
        patch.setattr(training._Keeper, "due", lambda self, clock: True)
        assert learnable("train", "toy").code == 130
    run = Run.open("toy").folder
    assert len(checkpoint.steps_saved(run)) == 2 - (what == "nothing")
    DAMAGE[what](run)
    for words in ("runs", f"runs {run}", f"doctor {run}", f"evaluate {run}"):
        said = learnable(*words.split())
        assert said.code == 0 and "Traceback" not in said.err, (words, said)
    said = learnable("train", "--resume", run, "--json")
    assert said.code == 0, said.err
    assert said.err and "Traceback" not in said.err
    assert said.json[-1]["metrics"] == whole


def test_a_run_that_is_lost_is_said_and_the_others_are_listed(learnable):
    learnable("train", "toy", "--smoke")
    learnable("train", "toy", "--smoke")
    lost = Run.open("toy").folder
    for step in checkpoint.steps_saved(lost):
        shutil.rmtree(lost / f"step-{step}")
    (lost / "run.json").write_text("")
    said = learnable("train", "--resume", lost)
    assert said.code == 1 and "this run is lost" in said.error
    said = learnable("runs", "--json")
    assert len(said.json[0]) == 1 and "this run is lost" in said.err
    assert learnable().code == 0


def test_a_run_without_a_checkpoint_cannot_be_used_and_says_so(learnable):
    learnable("train", "toy", "--smoke")
    run = Run.open("toy")
    for step in checkpoint.steps_saved(run.folder):
        shutil.rmtree(run.folder / f"step-{step}")
    said = learnable("evaluate", "toy")
    assert said.code == 1 and "has no checkpoint yet; train it further: learnable train --resume" in said.error


def test_a_disk_that_fills_up_stops_the_training_and_keeps_what_was_saved(learnable, tmp_path, monkeypatch):
    """20 checkpoints of some 15 kB, of which two are kept, on 300 kB, of which most are taken."""
    install(monkeypatch, replace(RECIPE, every=2))
    monkeypatch.setattr(training._Keeper, "due", lambda self, clock: True)
    whole = learnable("train", "toy", "--json").json[-1]["metrics"]
    with small_disk(tmp_path / "small") as folder:
        monkeypatch.setenv("LEARNABLE_HOME", str(folder))
        real, filler, calls = checkpoint.save, folder / "filler", []

        def fill(*words, **more):
            calls.append(0)
            if len(calls) == 5:
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while file.write(bytes(1000)):
                        pass
            return real(*words, **more)

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save", fill)
            said = learnable("train", "toy")
        assert said.code == 1 and "Traceback" not in said.err, said.err
        assert "the disk is full" in said.err or "cannot be written" in said.err
        filler.unlink()
        assert checkpoint.steps_saved(Run.open("toy").folder)
        assert learnable("train", "--resume", "toy", "--json").json[-1]["metrics"] == whole


def test_a_disk_that_is_full_from_the_start_is_said(learnable, tmp_path, monkeypatch):
    with small_disk(tmp_path / "small") as folder:
        monkeypatch.setenv("LEARNABLE_HOME", str(folder))
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(1000)):
                pass
        said = learnable("train", "toy")
        assert said.code == 1 and ("the disk is full" in said.error or "No space left" in said.error)


@pytest.mark.parametrize("name", ["with a space", "mit Ümläuten ☃", "[bold]", "[/]"])
def test_a_home_of_any_name_will_do(learnable, tmp_path, monkeypatch, name):
    monkeypatch.setenv("LEARNABLE_HOME", str(tmp_path / name))
    assert learnable("train", "toy", "--smoke").code == 0
    run = learnable("runs", "--json").json[0][0]["run"]
    assert run.startswith(str(tmp_path / name))
    for words in (["runs", run], ["evaluate", run], ["doctor", run], ["runs"], ["runs", "toy"]):
        assert learnable(*words).code == 0
    assert str(tmp_path / name) in learnable().out


# `verify`, whose trainings are replaced


@pytest.fixture
def trained(monkeypatch):
    values = {0: 0.9, 1: 0.7, 2: 0.95}

    def train(name, seed, data):
        if seed not in values:
            raise WorldError("the training of toy with seed 3 failed: the disk is full")
        run = training.start("toy", {"seed": seed, "smoke": True})
        run.update(metrics={"accuracy": values[seed], "loss": float("nan")})
        return Run(run.folder)

    monkeypatch.setattr(verification, "_train", train)


def test_a_promise_that_is_kept_is_0_and_one_that_is_not_is_1(learnable, trained):
    said = learnable("verify", "toy", "--json")
    [outcome] = said.json[0]
    assert said.code == 0 and outcome["kept"] is True and outcome["values"] == {"0": 0.9}
    assert {"recipe", "data", "metric", "expected", "values", "mean", "spread", "kept"} <= set(outcome)
    said = learnable("verify", "toy", "--seeds", 2, "--json")
    assert said.code == 1 and said.json[0][0]["kept"] is False and said.json[0][0]["mean"] == pytest.approx(0.8)
    said = learnable("verify", "toy", "--seeds", 2)
    assert said.code == 1 and "NOT KEPT" in said.out and "0.7" in said.out and "seed 1 of 2" in said.err


def test_a_training_that_fails_fails_the_verification(learnable, trained):
    said = learnable("verify", "toy", "--seeds", 4)
    assert said.code == 1 and "toy: the training of toy with seed 3 failed: the disk is full" in said.err


def test_what_cannot_be_verified_is_a_wrong_call(learnable, trained):
    assert "no recipe 'nothing'" in learnable("verify", "nothing").error
    said = learnable("verify", "toy", "--data", "mnist")
    assert said.code == 2 and "toy promises nothing on 'mnist'" in said.error


# Real processes and real signals


def begin(home, *words):
    """Start a training in a process of its own and wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "learnable", "train", *map(str, words), "--json"],
        env={**os.environ, "LEARNABLE_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize(
    "number, words",
    [
        (signal.SIGINT, ["autodiff", "--steps", 12000, "--hidden", 8, "--batch-size", 16]),
        (signal.SIGTERM, ["lenet", "--size", 16, "--steps", 300, "--batch-size", 16, "--every", 50]),
    ],
)
def test_a_signal_saves_and_the_run_goes_on_bit_for_bit(learnable, home, tmp_path, number, words):
    process, first = begin(home, *words)
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130, err
    assert "stopped and saved; go on with: learnable train --resume" in err and "Traceback" not in err
    run = Run(Path(first["run"]))
    assert run.status == "stopped" and checkpoint.steps_saved(run.folder)
    rows = [first, *map(json.loads, out.splitlines())]
    assert rows[-1].get("step", 0) <= checkpoint.steps_saved(run.folder)[0] < words[words.index("--steps") + 1]
    assert learnable("train", "--resume", run.folder).code == 0
    whole = learnable("train", *words, "--json").json[-1]
    ends = [checkpoint.latest(folder, print) for folder in (run.folder, Path(whole["run"]))]
    assert ends[0] is not None and ends[1] is not None and ends[0][0].name == ends[1][0].name
    for part, tensors in ends[0][1].items():
        assert all(torch.equal(tensor, ends[1][1][part][name]) for name, tensor in tensors.items())
    assert Run(run.folder).record["metrics"] == whole["metrics"]


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_two_processes_cannot_train_one_run_and_a_second_ctrl_c_ends_at_once(home, process):
    first, line = begin(home, "autodiff", "--steps", 400000, "--hidden", 8, "--batch-size", 16)
    try:
        said = process("train", "--resume", line["run"])
        assert said.code == 1 and "is being trained by another process" in said.error
        first.send_signal(signal.SIGINT)
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=100)
        assert first.returncode == 130 and "Traceback" not in err
    finally:
        first.kill()
        first.communicate()
    said = process("runs", "--json")
    assert said.json[0][0]["status"] in ("stopped", "interrupted")


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX's")
def test_a_training_whose_reader_goes_says_so(home):
    """`learnable train autodiff --json | head -1`."""
    training_, line = begin(home, "autodiff", "--steps", 3000, "--hidden", 8)
    assert training_.stdout is not None and training_.stderr is not None
    training_.stdout.close()
    err = training_.stderr.read()
    training_.stderr.close()
    assert training_.wait(100) == 1 and "whoever read the output has gone" in err and "Traceback" not in err
    assert Run(Path(line["run"])).status == "interrupted"
