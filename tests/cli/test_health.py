import builtins
import shutil
from types import SimpleNamespace

import pytest

from learnable.cli import health
from learnable.runs import training
from toy import install


def test_a_sound_installation_is_0(learnable):
    rows = learnable("doctor", "--json").json[0]
    assert {"python", "torch", "home", "disk"} <= {row["what"] for row in rows}
    assert all(set(row) == {"what", "state", "found"} for row in rows)
    assert all(row["state"] in ("ok", "absent") for row in rows)
    said = learnable("doctor")
    assert said.code == 0 and said.out.startswith("what\tstate\tfound\npython\tok\t")


def wrong(learnable, what):
    said = learnable("doctor", "--json")
    assert said.code == 1
    [found] = [row["found"] for row in said.json[0] if row["what"] == what and row["state"] == "wrong"]
    return found


def test_a_home_that_cannot_be_used_is_1(learnable, home):
    home.write_text("")
    assert "cannot be made" in wrong(learnable, "home")


def test_a_disk_that_is_nearly_full_is_1(learnable, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    assert "make room" in wrong(learnable, "disk")


def test_a_python_that_is_too_old_is_1(learnable, monkeypatch):
    monkeypatch.setattr(health.sys, "version_info", (3, 10))
    assert "3.11 or newer is needed" in wrong(learnable, "python")


def test_a_torch_that_cannot_be_imported_is_1(learnable, monkeypatch):
    real = builtins.__import__

    def refuse(name, *words, **more):
        if name == "torch":
            raise OSError("libtorch.so: cannot open shared object file")
        return real(name, *words, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert health._torch()[1] == "wrong" and "install it again" in health._torch()[2]


def test_what_is_absent_is_no_failure(learnable, monkeypatch):
    monkeypatch.setattr(health.importlib.util, "find_spec", lambda name: None)
    said = learnable("doctor")
    assert said.code == 0 and 'pip install "learnable[onnx]"' in said.out


def test_a_runs_examination_is_an_array(learnable, monkeypatch):
    install(monkeypatch)
    run = training.start("toy", {"learning_rate": 0.1})
    assert learnable("doctor", "toy", "--json").json == [[]]
    assert f"{run.name}: nothing wrong to be seen in" in learnable("doctor", "toy").out


def test_what_is_wrong_is_said_with_advice(learnable, monkeypatch):
    install(monkeypatch)
    run = training.start("toy", {"smoke": True})
    for step in range(5, 40):
        run.log.append({"step": step, "loss": float("nan")})
    run.update(status="diverged")
    [found, *_] = learnable("doctor", "toy", "--json").json[0]
    assert set(found) == {"name", "evidence", "advice"}
    said = learnable("doctor", "toy")
    assert said.code == 0 and found["name"] in said.out and "  do:    " in said.out


@pytest.mark.parametrize("name, code", [("toyy", 2), ("toy/yesterday", 1)])
def test_a_run_that_is_not_there_is_said(learnable, monkeypatch, name, code):
    install(monkeypatch)
    assert learnable("doctor", name).code == code
