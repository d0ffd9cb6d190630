"""The trusted side: what a check sees of the learner's function."""

from pathlib import Path
from typing import Any

import pytest
import torch

from course.demo_exercise import folder
from learnable.course.grader.examiner import Failed, Learner, Pupil, gradient, load


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
