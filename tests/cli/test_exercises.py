"""exercise, check, hint, solution: the contract's JSON, and what people read."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from course.demo_exercise import folder
from learnable.cli.main import app
from learnable.course import exercises as course
from learnable.errors import CallError


@pytest.fixture(autouse=True)
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> course.Exercises:
    made = folder(tmp_path)
    real = course.find
    monkeypatch.setattr(course, "find", lambda stem: made if stem == "demo" else real(stem))
    monkeypatch.setattr(course, "stems", lambda: ["demo"])
    return made


def run(*words: str) -> Any:
    return CliRunner().invoke(app, words)


def test_the_contract(demo: course.Exercises, home: Path, tmp_path: Path) -> None:
    begun = json.loads(run("exercise", "demo", "--json").stdout)
    assert begun["stem"] == "demo" and begun["stub"] == demo.stub_text()
    assert Path(begun["file"]).read_text() == begun["stub"]
    assert [part["name"] for part in begun["parts"]] == ["attend", "judge"]

    wrong = run("check", "demo", "--json")
    assert wrong.exit_code == 1
    verdict = json.loads(wrong.stdout)
    assert verdict["passed"] is False and {"name", "passed", "message"} <= set(verdict["checks"][0])

    right = tmp_path / "right.py"
    right.write_text(demo.text({}))
    checked = run("check", "demo", "--file", str(right), "--json")
    assert checked.exit_code == 0 and json.loads(checked.stdout)["passed"] is True
    assert run("check", "demo/judge", "--file", str(right)).exit_code == 0


def test_people_read_what_is_wrong_and_where(demo: course.Exercises, home: Path) -> None:
    run("exercise", "demo")
    file = home / "exercises" / "demo.py"
    file.write_text(demo.text({"attend": demo.part("attend").mutants["no scale"][0]}))
    text = run("check", "demo/attend").stdout
    assert "✗ scores are scaled" in text and "✓ arguments stay" in text
    assert "for two unit vectors: expected" in text and str(file) in text
    assert max(map(len, text.splitlines()[:-1])) <= 100
    assert "✓" in run("check", "demo/judge").stdout


def test_hints_come_one_by_one_and_all(demo: course.Exercises) -> None:
    assert [json.loads(run("hint", "demo/attend", "--json").stdout)["hints"][0]["number"] for _ in range(4)] == [
        1,
        2,
        3,
        3,
    ]
    assert "hint 3 of 3" in run("hint", "demo/attend", "--all").stdout
    assert "judge" in run("hint", "demo/judge").stdout


def test_the_solution_comes_with_a_word(demo: course.Exercises) -> None:
    text = run("solution", "demo/attend", "--yes").stdout
    assert "softmax(-1)" in text and "Division keeps" in text
    assert [row["name"] for row in json.loads(run("solution", "demo", "--json").stdout)] == ["attend", "judge"]


def test_the_list(demo: course.Exercises) -> None:
    rows = json.loads(run("list", "exercises", "--json").stdout)
    assert rows[0] == {"exercise": "demo/attend", "title": "Attention", "passed": False}


def test_what_is_not_there_is_said(demo: course.Exercises) -> None:
    for words in (("check", "demo/atend"), ("check", "nonsense"), ("exercise", "resnet"), ("hint", "demo/x")):
        assert isinstance(run(*words).exception, CallError), words
    assert "cannot be read" in str(run("check", "demo", "--file", "/nowhere.py").exception)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_watching_checks_at_every_save_and_ends_with_130(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "watched.py"
    file.write_text("x = (\n")
    with subprocess.Popen(
        [sys.executable, "-m", "learnable", "check", "lenet", "--file", str(file), "--watch", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"LEARNABLE_HOME": str(home)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["passed"] is False
        time.sleep(1)
        file.write_text(course.find("lenet").text({}))
        assert json.loads(process.stdout.readline())["passed"] is True
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
