"""The fences, each tried in a process of its own; what is tried against them as a whole stands in test_grader."""

import subprocess
import sys
from pathlib import Path

import pytest

from learnable.course.grader.confine import readable

linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's")


def tried(code: str, folder: Path) -> str:
    """What a confined process prints."""
    before = f"import sys; from pathlib import Path; from learnable.course.grader import confine as c; here = Path({str(folder)!r}); "
    return subprocess.run(
        [sys.executable, "-c", before + code], capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_solutions_are_not_among_what_may_be_read() -> None:
    package = Path(__file__).resolve().parents[3] / "src" / "learnable"
    may_read = [place for place, rights in readable() if rights & 4]
    lessons = package / "course" / "lessons"
    assert not any(place == lessons or place in lessons.parents or lessons in place.parents for place in may_read)
    assert package / "nn" in may_read


@linux
def test_the_hook_alone_names_what_was_tried(tmp_path: Path) -> None:
    for code, name in (("open('/etc/passwd')", "files"), ("import os; os.fork()", "processes"),
                       ("import socket; socket.socket()", "network"), ("import os; os.kill(1, 0)", "processes"),
                       ("import os; os.listdir('/')", "files"), ("open('x', 'w')", "files"), ("import os; os.utime('x')", "files"),
                       ("import os; os.setxattr('x', 'user.x', b'')", "files"), ("import os; os.mkdir('x')", "files")):  # fmt: skip
        hooked = (
            f"c._hook(here, c.readable())\ntry: exec({code!r})\nexcept c.Forbidden as error: print(error.what, c.tried)"
        )
        assert tried(hooked, tmp_path) == f"{name} ['{name}']", code


@linux
def test_what_is_not_offered_is_said(tmp_path: Path) -> None:
    """Without the kernel's means all three are named as not held back."""
    assert tried("c._landlock = lambda *a: False; c._seccomp = lambda: False; print(sorted(c.confine(here)))", tmp_path) == \
        "['files', 'network', 'processes']"  # fmt: skip


@linux
def test_without_seccomp_the_modes_of_files_are_not_held_back(tmp_path: Path) -> None:
    assert tried("c._seccomp = lambda: False; print('files' in c.confine(here))", tmp_path) == "True"


def test_every_copy_of_the_lessons_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("first", "second/python3.11/site-packages"):
        (tmp_path / place / "learnable" / "course" / "lessons").mkdir(parents=True)
        (tmp_path / place / "learnable" / "course" / "cards").mkdir()
        monkeypatch.syspath_prepend(str(tmp_path / place.split("/")[0]))
    may_read = [
        str(place.relative_to(tmp_path))
        for place, rights in readable.__wrapped__()
        if rights & 4 and tmp_path in place.parents
    ]
    assert sorted(may_read) == [
        "first/learnable/course/cards",
        "second/python3.11/site-packages/learnable/course/cards",
    ]


@linux
def test_memory_and_time_are_limited(tmp_path: Path) -> None:
    assert tried("print(c.limit())\ntry: bytearray(3 * 10**9)\nexcept MemoryError: print('held')", tmp_path).endswith(
        "held"
    )
    assert (
        tried("import resource; c.limit(); print(resource.getrlimit(resource.RLIMIT_CPU)[0] <= 4)", tmp_path) == "True"
    )
    assert tried("c.limit(); f = open(here / 'x', 'wb')\ntry: f.write(bytes(2_000_000)); f.flush()\nexcept OSError as e: print(e.errno)",
                 tmp_path) == "27"  # fmt: skip
