"""The trusted side: what a check sees of the learner's function."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from course.demo_exercise import folder
from learnable.course.grader import examiner
from learnable.course.grader.examiner import Failed, Learner, Pupil, gradient, load
from learnable.course.grader.wire import Line


class Told(Pupil):
    """A learner's process that answers as it is told to."""

    def __init__(self, *answers: Any):  # there is no process
        self.answers = list(answers)
        self.wishes: list[Any] = []

    def ask(self, wish: Any) -> Any:
        self.wishes.append(wish)
        return self.answers.pop(0)


def test_a_call_gives_the_result_and_what_it_did_to_its_arguments() -> None:
    x = torch.ones(2)
    f = Learner(Told({"result": 3, "attached": True, "arguments": [x + 1, 5], "keywords": {"z": 1}}), "f")
    assert f(x, 5, z=1) == 3
    assert f.attached and f.changed_arguments == (0,)
    f = Learner(Told({"result": 3, "attached": "yes", "arguments": "?", "keywords": None}), "f")
    f(x)
    assert not f.attached and f.changed_arguments == ()


def test_slopes_come_as_they_were_asked_for() -> None:
    line = Told({"slopes": [1]}, {"slopes": [1, None]}, {"slopes": 3})
    f = Learner(line, "f")
    assert f.gradient(1, wrt=0) == 1
    assert gradient(f, 1, 2, wrt=(0, 1), upstream=5) == (1, None)
    assert line.wishes[1]["upstream"] == [5]
    with pytest.raises(Failed, match="cannot be read"):
        f.gradient(1)


def test_a_lesson_is_loaded_by_its_folder(tmp_path: Path) -> None:
    assert list(load(folder(tmp_path).folder)) == ["attend", "judge"]


def test_all_calls_together_have_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is quick enough, and the fourth comes too late."""
    monkeypatch.setattr(examiner, "TOTAL", 0.5)
    monkeypatch.setattr(examiner, "MARGIN", 0.0)
    ours, theirs = socket.socketpair()
    line = Line(theirs.fileno(), theirs.fileno())

    def slow() -> None:
        for _ in range(4):
            with contextlib.suppress(EOFError, BrokenPipeError):
                line.receive(trusted=True)
                time.sleep(0.2)
                line.send({"result": 1, "tried": []})

    thread = threading.Thread(target=slow, daemon=True)
    thread.start()
    number = ours.detach()
    pupil = Pupil(Line(number, number), 2**22 + 1, tmp_path / "none", os.open(tmp_path, os.O_RDONLY))
    with pytest.raises(Failed, match="in all, and most of them it waited"):
        for _ in range(4):
            pupil.ask({"call": "f"})
    assert pupil.ended
    thread.join(5)
    theirs.close()
    pupil = Pupil(Line(*os.pipe()), 2**22 + 1, tmp_path / "none", os.open(tmp_path, os.O_RDONLY))
    with pytest.raises(Failed, match="it waited"):  # nobody reads
        pupil.ask({"call": "f", "arguments": ["x" * 1_000_000]})


def test_an_answer_comes_in_the_precision_of_what_was_given() -> None:
    half, double = torch.ones(2, dtype=torch.float64), torch.ones(2)
    f = Learner(
        Told(*({"result": value} for value in (half, (half, [half]), torch.tensor(3), np.int64(3), half.int()))), "f"
    )
    assert f(double).dtype == torch.float32
    assert f(double)[1][0].dtype == torch.float32
    assert type(f(3)) is int and type(f(double)) is int
    assert f(double).dtype == torch.int32, "another kind of number is another answer"
