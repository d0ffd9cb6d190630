"""Exercises read without running them, the learner's file, and every lesson's exercises: right passes, wrong is caught."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from course.demo_exercise import TEXT, folder
from learnable.course import exercises as course
from learnable.course.exercises import Conflict, find, read
from learnable.course.grader.grader import Grader
from learnable.errors import CallError, WorldError

STEMS = course.stems()


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader() as one:
        yield one


# ------------------------------------------------------------------------------------------- every lesson's


@pytest.mark.parametrize("stem", STEMS)
def test_a_lesson_keeps_its_word(grader: Grader, stem: str) -> None:
    """The solution passes, the stub fails in every part, right answers in other forms pass, mutants are caught by name."""
    exercises = find(stem)
    verdict = grader.check(exercises, exercises.text({}))
    assert verdict["passed"], [row for row in verdict["checks"] if not row["passed"]]
    stubs = grader.check(exercises, exercises.stub_text())["checks"]
    assert [(row["name"], row["passed"]) for row in stubs] == [(course.WRITTEN, False)] * len(exercises.parts)
    for part in exercises.parts:
        assert len(part.hints) >= 3, f"{part.name}: three hints at least"
        assert part.mutants, f"{part.name}: wrong answers that people give"
        for what, source in part.others.items():
            verdict = grader.check(exercises, exercises.text({part.name: source}), [part.name])
            assert verdict["passed"], (part.name, what, verdict["checks"])
        names = {row["name"] for row in verdict["checks"]}
        for what, (source, name) in part.mutants.items():
            verdict = grader.check(exercises, exercises.text({part.name: source}), [part.name])
            caught = [row["name"] for row in verdict["checks"] if not row["passed"]]
            assert name in caught, (
                f"{part.name}: {what!r} should be caught by {name!r}, was by {caught}; there are {names}"
            )


@pytest.mark.parametrize("stem", STEMS)
def test_a_learner_has_all_that_the_stub_needs(stem: str) -> None:
    """The file is Python, begins with its task, and uses no name that it does not have."""
    text = find(stem).stub_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert all(len(line) <= 120 for line in text.splitlines())
    assert "learnable.course" not in text.partition('"""\n')[2]


# ------------------------------------------------------------------------------------------------- reading


def test_an_exercise_is_read_without_torch(tmp_path: Path) -> None:
    folder(tmp_path)
    code = ("import sys; from pathlib import Path; from learnable.course.exercises import find; "
            f"find('demo', Path({str(tmp_path / 'demo')!r})).stub_text(); "
            "from learnable.course.grader import grader; sys.exit('torch' in sys.modules)")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_learners_file_has_stubs_imports_and_what_they_use(tmp_path: Path) -> None:
    text = folder(tmp_path).stub_text()
    assert "import numpy as np" in text and "from torch import Tensor, nn" in text, "the stubs' signatures use them"
    assert "import math" in text, "the solution uses it"
    assert "Iterator" not in text and "agrees" not in text
    assert "WIDTH = 4" in text, "the stub uses it"
    assert "half_width" not in text and "unscaled" not in text
    assert "def attend(query" in text and "_stub" not in text
    assert "Write softmax(QKᵀ), as in attend." in text


def test_parts_are_text(tmp_path: Path) -> None:
    exercises = folder(tmp_path)
    part = exercises.part("attend")
    assert part.solution.startswith("def attend(") and part.others["by einsum"].startswith("def attend(")
    assert part.mutants["no scale"][0].startswith("def attend(") and part.mutants["no scale"][1] == "scores are scaled"
    assert "right_attend" in part.mutants["detached"][0], "a mutant that uses the solution brings it along"
    whole = exercises.text({"attend": part.mutants["in place"][0]})
    assert "def unscaled_scores" in whole, "helpers come along"
    compile(whole, "whole", "exec")
    with pytest.raises(CallError, match="did you mean 'attend'"):
        exercises.part("attendd")


@pytest.mark.parametrize(("old", "new", "message"), [
    ("EXERCISES = (", "EXERCISES = (1, ", ""),
    ('name="attend"', "name=1 + x", "form"),
    ("stub=attend_stub", "stub=lambda q: q", "expected the name of a function"),
    ("(unscaled, ", "(unknown, ", "expected the name of a function"),
    ('(unscaled, "scores are scaled")', "unscaled", r"to be \(function, check\)"),
    ("Exercise(", "Exersise(", "no Exercise"),
    ("def attend_stub", "def (", "form"),
])  # fmt: skip
def test_a_file_in_another_form_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder(tmp_path)
    file = tmp_path / "demo" / "exercise.py"
    assert old in TEXT
    file.write_text(TEXT.replace(old, new))
    if not message:
        assert find("demo", file.parent)
        return
    with pytest.raises(WorldError, match=message):
        find("demo", file.parent)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="no topic 'nonsense'"):
        find("nonsense")
    with pytest.raises(CallError, match="no topic with exercises 'resnet'"):
        find("resnet")
    with pytest.raises(WorldError, match="cannot be read"):
        find("demo", tmp_path)
    with pytest.raises(ValueError, match="no Exercise"):
        read("demo", "", tmp_path, "x = 1")


def test_a_task_reads_in_a_terminal() -> None:
    assert (
        course.plain(r"$\frac{1}{n}\sum_i x_i \le \sqrt{d_k}$, see [the page](x.md)")
        == "(1)/(n)Σ_i x_i ≤ √(d_k), see the page"
    )
    assert course.plain(r"$\sym{query}{Q}$ and **bold** `code`") == "Q and bold code"


# ------------------------------------------------------------------------------------------- the learner's file


def test_the_file_is_made_once_saved_with_care_and_begun_anew(tmp_path: Path, home: Path) -> None:
    exercises = folder(tmp_path)
    file, text = course.opened(exercises)
    assert text == exercises.stub_text() and file == home / "exercises" / "demo.py"
    seen = course.save(exercises, "mine\n", course.hash_of(text))
    assert course.opened(exercises) == (file, "mine\n")
    file.write_text("theirs\n")
    with pytest.raises(Conflict, match="changed elsewhere"):
        course.save(exercises, "other\n", seen)
    assert file.read_text() == "theirs\n"
    assert course.save(exercises, "theirs\n", seen) == course.hash_of("theirs\n"), "the same text is no conflict"
    _, first = course.reset(exercises)
    file.write_text("again\n")
    _, second = course.reset(exercises)
    assert first and second and first != second
    assert (first.read_text(), second.read_text()) == ("theirs\n", "again\n")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file, _ = course.opened(folder(tmp_path))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(WorldError, match="no text in UTF-8"):
        course.text_of(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(WorldError, match="cannot be read"):
        course.text_of(file)


def test_a_file_of_another_system_is_read_and_an_endless_one_is_not(tmp_path: Path, home: Path) -> None:
    exercises = folder(tmp_path)
    file, _ = course.opened(exercises)
    file.write_bytes(b"\xef\xbb\xbfx = 1\r\ny = 2\r\n")
    assert course.text_of(file) == "x = 1\ny = 2\n"
    seen = course.save(exercises, "x = 1\r\n", course.hash_of(course.text_of(file)))
    assert seen == course.hash_of(course.text_of(file)), "the next save is no conflict"
    file.write_bytes(b"#" * 1_000_001)
    with pytest.raises(WorldError, match="more than 1,000,000 bytes"):
        course.text_of(file)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for endless in (Path("/dev/zero"), pipe):
        with pytest.raises(WorldError, match="expected a file of Python"):
            course.text_of(endless)


def test_what_was_done_is_remembered_and_a_damaged_record_is_no_harm(tmp_path: Path, home: Path) -> None:
    from learnable.course.progress import Progress

    exercises = folder(tmp_path)
    assert course.next_hint(exercises, "attend") == (1, "What grows with the width?")
    assert course.next_hint(exercises, "attend")[0] == 2

    def verdict(*rows: tuple[str, bool, str]) -> dict[str, object]:
        return {"checks": [{"name": name, "passed": passed, "exercise": part} for name, passed, part in rows]}

    course.note_verdict(
        exercises, verdict(("a", True, "attend"), ("b", True, "attend"), (course.WRITTEN, False, "judge")), home
    )
    assert course.record("demo") == {"attend": {"hints": 2, "passed": True}, "judge": {"passed": False}}
    rows = Progress(home).exercises("demo")
    assert [(row.name, row.attempts) for row in rows] == [("attend", 1)], "an untouched stub is no attempt"
    for damage in ("{", "[]", '{"demo": 3}'):
        (home / "exercises" / "done.json").write_text(damage)
        assert course.record("demo") == {}
        course.remember("demo", "attend", hints=1)
        assert course.record("demo") == {"attend": {"hints": 1}}
