"""The learner's own runs: the right one is taken, damaged ones and smoke runs are passed over."""

import json
import subprocess
import sys

import pytest
from torch import nn

from learnable.course.lab import Progress
from learnable.course.trained import kept, learners_own
from learnable.runs.run import runs


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNABLE_HOME", str(tmp_path))
    return tmp_path


def command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "learnable", *words], check=True, capture_output=True)


def test_none_is_no_error(home):
    assert learners_own("lenet") is None


def test_smoke_runs_and_damaged_ones_are_passed_over(home):
    command("train", "lenet", "--smoke")
    assert learners_own("lenet") is None
    folder = runs("lenet")[0]
    record = json.loads((folder / "run.json").read_text())
    record["overrides"].pop("smoke")
    (folder / "run.json").write_text(json.dumps(record))
    found = learners_own("lenet")
    assert found is not None and found.folder == folder
    assert learners_own("lenet", fits=lambda run: False) is None
    for file in folder.glob("step-*/*.safetensors"):
        file.write_bytes(b"damaged")
    assert learners_own("lenet") is None


def test_a_small_model_is_trained_once_until_the_lab_changes(home, tmp_path):
    lab = tmp_path / "lab.py"
    lab.write_text("one")
    trained = []

    def run() -> nn.Linear:
        model = nn.Linear(2, 2)

        def training():
            trained.append(1)
            yield Progress(0.5, "half")
            nn.init.constant_(model.weight, len(trained))

        said = list(kept(lab, "toy", model, training()))
        assert len(said) in (0, 1) and not model.training
        return model

    assert run().weight[0, 0] == run().weight[0, 0] == 1 and len(trained) == 1
    lab.write_text("two")
    assert run().weight[0, 0] == 2 and len(list((home / "labs").iterdir())) == 1
    next((home / "labs").iterdir()).write_bytes(b"damaged")
    assert run().weight[0, 0] == 3
