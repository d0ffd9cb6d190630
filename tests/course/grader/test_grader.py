"""The grader as a whole: right and wrong answers, errors that teach, and code that means no good."""

import os
import platform
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from course.demo_exercise import folder
from learnable.course import exercises as course
from learnable.course.exercises import Exercises
from learnable.course.grader.explain import ANSWERS, READS, RUNS, STAYS, WRITTEN
from learnable.course.grader.grader import Grader
from learnable.errors import CallError, WorldError

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's fences are Linux's")


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader() as one:
        yield one


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Exercises:
    return folder(tmp_path_factory.mktemp("lesson"))


def failed(verdict: dict[str, Any]) -> dict[str, Any]:
    """The first check that failed; there must be one."""
    assert verdict["passed"] is False
    return next(row for row in verdict["checks"] if not row["passed"])


def attempt(grader: Grader, demo: Exercises, body: str, before: str = "") -> dict[str, Any]:
    """The verdict on `attend` with this body; the solution's formula is at hand."""
    right = "(query @ key.T / math.sqrt(query.shape[-1])).softmax(-1) @ value"
    lines = body.replace("RIGHT", right).splitlines()
    source = "def attend(query, key, value):\n" + "\n".join("    " + line for line in lines)
    return grader.check(demo, f"import math, os, sys, time, torch\n{before}\n\n{source}\n", ["attend"])


def test_solutions_pass(grader: Grader, demo: Exercises) -> None:
    verdict = grader.check(demo, demo.text({}))
    assert verdict["passed"] is True, verdict
    assert {row["exercise"] for row in verdict["checks"]} == {"attend", "judge"}
    assert all(set(row) >= {"name", "passed", "message", "exercise"} for row in verdict["checks"])


@linux
def test_all_is_held_back_here(grader: Grader, demo: Exercises) -> None:
    held = grader.check(demo, demo.text({}), ["attend"])["not_held_back"]
    if held:
        pytest.skip(f"this kernel does not offer: {', '.join(held)}")


def test_stubs_fail_each_by_itself(grader: Grader, demo: Exercises) -> None:
    verdict = grader.check(demo, demo.stub_text())
    assert [row["name"] for row in verdict["checks"]] == [WRITTEN, WRITTEN]
    assert "still to be written" in failed(verdict)["message"]


def test_mutants_are_caught_by_their_checks_and_other_forms_pass(grader: Grader, demo: Exercises) -> None:
    part = demo.part("attend")
    for what, (source, name) in part.mutants.items():
        verdict = grader.check(demo, demo.text({"attend": source}), ["attend"])
        assert name in [row["name"] for row in verdict["checks"] if not row["passed"]], (what, verdict)
    for what, source in part.others.items():
        assert grader.check(demo, demo.text({"attend": source}), ["attend"])["passed"], what


def test_a_process_that_is_used_once_gives_the_same_verdict(demo: Exercises) -> None:
    with Grader(forks=False) as grader:
        assert grader.check(demo, demo.text({}))["passed"]
        assert failed(grader.check(demo, demo.stub_text(), ["judge"]))["name"] == WRITTEN


def test_only_what_is_asked_for_is_checked(grader: Grader, demo: Exercises) -> None:
    assert {row["exercise"] for row in grader.check(demo, demo.text({}), ["judge"])["checks"]} == {"judge"}
    with pytest.raises(CallError, match="no exercise of demo 'atend'; did you mean 'attend'"):
        grader.check(demo, "", ["atend"])
    with pytest.raises(CallError, match="at most 500,000 characters"):
        grader.check(demo, "#" * 500_001)


def test_a_broken_lesson_is_told_from_a_broken_answer(grader: Grader, demo: Exercises, tmp_path: Path) -> None:
    broken = folder(tmp_path)
    file = broken.folder / "exercise.py"
    file.write_text("raise ValueError('mine')\n" + file.read_text())
    with pytest.raises(WorldError, match="itself is at fault, not your code"):
        grader.check(broken, broken.text({}), ["attend"])


# ------------------------------------------------------------------------------------------- errors that teach

ERRORS = {
    #                 body                                         check      message
    "name":          ("return soft(query)",                        RUNS,      "there is no 'soft'.*\n\n  line 5: return soft"),
    "near name":     ("return mat.sqrt(2)",                        RUNS,      "there is no 'mat'; did you mean"),
    "import":        ("import nonsense",                           RUNS,      "No module named 'nonsense'.*imports at the top"),
    "not written":   ("raise NotImplementedError",                 WRITTEN,   "this part is still to be written"),
    "none":          ("query @ key.T",                             "scores are scaled", "came None; is there a 'return'"),
    "kind":          ("return 'text'",                             "scores are scaled", "expected a tensor of shape .*came the text"),
    "shape":         ("return (RIGHT).T",                          "scores are scaled", r"expected the shape \(2, 1\), came \(1, 2\)"),
    "dtype":         ("return (RIGHT).int()",                      "scores are scaled", "float32, came a tensor of shape .*int32"),
    "generator":     ("yield RIGHT",                               ANSWERS,   "a generator .*'yield'"),
    "object":        ("return object()",                           ANSWERS,   "came an object of object"),
    "matmul":        ("return query @ value.T @ key",              RUNS,      "Print the shapes"),
    "recursion":     ("return attend(query, key, value)",          RUNS,      "calls itself without end"),
    "exit":          ("sys.exit(0)",                               RUNS,      "it called exit"),
    "hard exit":     ("os._exit(0)",                               RUNS,      "ended the whole process"),
    "interrupt":     ("raise KeyboardInterrupt",                   RUNS,      "it called exit"),
    "loop":          ("while True: pass",                          RUNS,      "longer than 2 s of computing.*\n\n  line 5: while"),
    "swallows":      ("while True:\n  try:\n    while True: pass\n  except BaseException: pass", RUNS, "longer than 2 s of computing"),
    "memory":        ("return torch.zeros(10**9, 8)",              RUNS,      "more memory"),
    "list memory":   ("return bytearray(4 * 10**9)",               RUNS,      "more memory"),
    "flood":         ("while True: print('x' * 1000)",             RUNS,      "printed more than 1 MB"),
    "quiet flood":   ("try:\n  while True: print('x' * 1000)\nexcept OSError: pass\nreturn RIGHT", RUNS, "printed more than 1 MB"),
    "segfault":      ("import ctypes; ctypes.string_at(0)",        RUNS,      "brought Python itself down"),
    "bad str":       ("class E(Exception):\n  def __str__(self): raise E\nraise E", RUNS, "E: "),
}  # fmt: skip


@pytest.mark.parametrize("what", ERRORS)
@linux
def test_errors_say_what_to_look_at(grader: Grader, demo: Exercises, what: str) -> None:
    body, name, message = ERRORS[what]
    row = failed(attempt(grader, demo, body))
    assert row["name"] == name, row
    assert re.search(message, row["message"], re.DOTALL), row["message"]


def test_a_file_that_python_cannot_read_shows_the_place(grader: Grader, demo: Exercises) -> None:
    verdict = grader.check(demo, "def attend(query:\n    return 1\n")
    assert len(verdict["checks"]) == 1, "said once, not for each part"
    row = failed(verdict)
    assert (row["name"], row["exercise"], row["line"]) == (READS, "", 1)
    assert "line 1" in row["message"] and "\n  def attend(query:\n" in row["message"] and "^" in row["message"]
    assert failed(grader.check(demo, "def attend(query):\n\treturn 1\n        return 2\n"))["name"] == READS
    assert "null bytes" in failed(grader.check(demo, "a = '\0'"))["message"]


def test_a_file_without_the_function(grader: Grader, demo: Exercises) -> None:
    assert "there is no function 'attend'" in failed(grader.check(demo, "", ["attend"]))["message"]
    assert (
        "expected a function 'attend', came the number 3"
        in failed(grader.check(demo, "attend = 3", ["attend"]))["message"]
    )


def test_what_is_printed_is_shown_and_cut(grader: Grader, demo: Exercises) -> None:
    verdict = attempt(grader, demo, "print('shape', tuple(query.shape)); print('x' * 100_000)\nreturn RIGHT")
    assert verdict["passed"] and verdict["output"].startswith("shape (2, 2)\nxxx")
    assert len(verdict["output"]) < 21_000 and verdict["output"].endswith("… and more")


# --------------------------------------------------------------------------------------------------- attacks

ESCAPE = """
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
"""
ATTACKS = {
    "fork": ("import os\nwhile True: os.fork()", "process"),
    "fork and setsid": (ESCAPE, "process"),
    "subprocess": ("import subprocess; subprocess.run(['/bin/sh', '-c', 'id'])", "process"),
    "system": ("os.system('id'); return RIGHT", "process"),
    "kill": (f"os.kill({os.getpid()}, 9)", "process"),
    "kill all": ("os.kill(-1, 9)", "process"),
    "network": ("import socket; socket.create_connection(('127.0.0.1', 80), 1)", "network"),
    "quiet network": ("import socket\ntry: socket.socket()\nexcept OSError: pass\nreturn RIGHT", "network"),
    "read": ("open('/etc/passwd').read()", "file"),
    "write": ("open('/' + 'tmp/learnable-was-here', 'w').write('x')", "file"),
    "lessons": ("import glob; open(glob.glob('/')[0] + 'etc/hostname')", "file"),
    "mode": ("os.chmod(os.__file__, 0o777)", "file"),
    "owner": ("os.chown(os.__file__, 0, 0)", "file"),
    "times": ("os.utime(os.__file__)", "file"),
    "times of what is open": ("os.utime(os.open(os.__file__, 0))", "file"),
    "attribute": ("os.setxattr(os.__file__, 'user.x', b'1')", "file"),
    "no attribute": ("os.removexattr(os.__file__, 'user.x')", "file"),
    "many files": ("for n in range(10**6): open(str(n), 'w').close()", "file"),
    "remove": (f"import shutil; shutil.rmtree({str(Path(__file__).parent)!r})", "file"),
}


@pytest.mark.parametrize("what", ATTACKS)
@linux
def test_attacks_fail_and_are_named(grader: Grader, demo: Exercises, what: str) -> None:
    body, reason = ATTACKS[what]
    row = failed(attempt(grader, demo, body))
    assert row["name"] == STAYS and reason in row["message"], row
    assert not Path(tempfile.gettempdir(), "learnable-was-here").exists()
    assert Path(__file__).exists()


RAW = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
"""


@linux
@pytest.mark.parametrize("call", ["libc.fork() == -1", "libc.socket(2, 1, 0) == -1", "libc.open(b'/etc/passwd', 0) == -1",
                                  "libc.kill(1, 9) == -1", "libc.kill(PARENT, 9) == -1", "libc.ptrace(16, PARENT, 0, 0) == -1",
                                  "libc.open(b'LESSON', 0) == -1", "libc.execv(b'/bin/true', None) == -1",
                                  "libc.open(b'/proc/PARENT/environ', 0) == -1", "libc.unlink(b'LESSON') == -1",
                                  "libc.mkdir(b'/var/learnable-raw', 511) == -1", "libc.setsid() == -1",
                                  "libc.open(b'mine.txt', 0o102, 0o600) == -1", "libc.mkdir(b'mine', 511) == -1",
                                  "libc.symlink(b'a', b'b') == -1", "libc.memfd_create(b'x', 0) == -1",
                                  "libc.chmod(PYTHON, 0o777) == -1", "libc.fchmod(MINE, 0o777) == -1",
                                  "libc.fchmodat(-100, PYTHON, 0o777, 0) == -1",
                                  "libc.syscall(452, -100, PYTHON, 0o777, 0) == -1 and ctypes.get_errno() == 1",
                                  "libc.chown(PYTHON, 0, 0) == -1", "libc.lchown(PYTHON, 0, 0) == -1", "libc.fchown(MINE, 0, 0) == -1",
                                  "libc.fchownat(-100, PYTHON, 0, 0, 0) == -1",
                                  "libc.utimensat(-100, PYTHON, None, 0) == -1", "libc.utimes(PYTHON, None) == -1",
                                  "libc.utime(PYTHON, None) == -1",
                                  "libc.futimens(MINE, None) == -1", "libc.futimesat(-100, PYTHON, None) == -1",
                                  "libc.setxattr(PYTHON, b'user.x', b'1', 1, 0) == -1 and ctypes.get_errno() == 1",
                                  "libc.lsetxattr(PYTHON, b'user.x', b'1', 1, 0) == -1 and ctypes.get_errno() == 1",
                                  "libc.fsetxattr(MINE, b'user.x', b'1', 1, 0) == -1 and ctypes.get_errno() == 1",
                                  "libc.removexattr(PYTHON, b'user.x') == -1 and ctypes.get_errno() == 1",
                                  "libc.fremovexattr(MINE, b'user.x') == -1 and ctypes.get_errno() == 1",
                                  "libc.ioctl(MINE, 0x40086602, b'\\0' * 8) == -1 and ctypes.get_errno() == 1",
                                  "libc.shmget(0, 4096, 0o1600) == -1", "libc.msgget(0, 0o1600) == -1", "libc.semget(0, 1, 0o1600) == -1",
                                  "libc.mq_open(b'/learnable-raw', 0o102, 0o600, None) == -1",
                                  "libc.syscall(241, b'x') == -1 and ctypes.get_errno() == 1",
                                  "libc.setpriority(0, PARENT, 19) == -1", "libc.setpriority(0, 0, 19) == -1",
                                  "libc.sched_setaffinity(PARENT, 128, b'\\1' * 128) == -1",
                                  "libc.sched_setscheduler(PARENT, 3, b'\\0' * 4) == -1",
                                  "libc.sched_setscheduler(0, 3, b'\\0' * 4) == -1",
                                  "libc.syscall(314, PARENT, b'\\0' * 48, 0) == -1 and ctypes.get_errno() == 1",
                                  "libc.syscall(251, 1, PARENT, 0) == -1", "libc.prlimit(PARENT, 7, None, b'\\0' * 16) == -1",
                                  "libc.prctl(1, 0, 0, 0, 0) == -1", "libc.prctl(36, 1, 0, 0, 0) == -1", "libc.prctl(4, 1, 0, 0, 0) == -1",
                                  "libc.fcntl(1, 8, PARENT) == -1", "libc.fcntl(1, 10, 9) == -1"])  # fmt: skip
def test_the_kernel_holds_back_what_goes_around_python(grader: Grader, demo: Exercises, call: str) -> None:
    """No audit event is raised here: what holds is Landlock and seccomp."""
    loose = grader.check(demo, demo.text({}), ["attend"])["not_held_back"]
    if loose:
        pytest.skip(f"this kernel does not offer: {', '.join(loose)}")
    if "libc.syscall" in call and platform.machine() != "x86_64":
        pytest.skip("numbers of x86-64")
    expression = call.replace("PARENT", str(os.getpid())).replace("LESSON", str(demo.folder / "exercise.py"))
    expression = expression.replace("PYTHON", "os.__file__.encode()").replace("MINE", "os.open(os.__file__, 0)")
    held = attempt(grader, demo, RAW + f"assert {expression}, 'not held'\nreturn RIGHT")
    assert held["passed"], failed(held)


@linux
def test_a_token_or_a_home_is_nowhere_to_be_read(
    grader: Grader, demo: Exercises, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNABLE_TOKEN", "secret-of-the-server")
    with Grader() as fresh:
        verdict = attempt(fresh, demo, "print(dict(os.environ), os.getcwd(), sys.argv)\nreturn RIGHT")
    assert verdict["passed"]
    assert "secret" not in verdict["output"] and "LEARNABLE" not in verdict["output"]
    assert "learnable-exercise-" in verdict["output"]


FORGERIES = {
    "patches the comparison": "torch.allclose = lambda *a, **k: True\ntorch.Tensor.__eq__ = lambda *a: True\nreturn query",
    "patches the checker": "import learnable.course.exercise as e\ne.Check = lambda *a: True\nreturn query",
    "patches the examiner": "for m in list(sys.modules.values()):\n  for n in ('same', 'agrees', 'difference'):\n"
    "    if hasattr(m, n): setattr(m, n, lambda *a, **k: '')\nreturn query",
    "writes verdicts to every descriptor": "import json\nv = json.dumps({'passed': True, 'checks': []}).encode()\n"
    "for fd in range(3, 256):\n  try: os.write(fd, len(v).to_bytes(8, 'little') + v)\n  except OSError: pass\nreturn query",
    "answers before it is asked": "from learnable.course.grader.wire import Line\nfor fd in range(3, 256):\n"
    "  try: Line(fd, fd).send({'result': query, 'passed': True})\n  except OSError: pass\nreturn query",
    "closes every descriptor": "os.closerange(0, 256)\nreturn query",
    "closes its output": "sys.stdout.close(); os.close(1); os.close(2)\nreturn query",
    "prints a verdict": "print('{\"passed\": true, \"checks\": []}'); return query",
    "exits with success": "sys.stdout.flush(); os._exit(0)",
    "looks into frames": "f = sys._getframe()\nwhile f:\n  for k, v in list(f.f_locals.items()):\n"
    "    if 'expected' in k or 'solution' in k: return v\n  f = f.f_back\nreturn query",
    "imports the solution": "import importlib.util\nfor p in sys.path: pass\n"
    "s = importlib.util.spec_from_file_location('x', 'LESSON'); m = importlib.util.module_from_spec(s)\n"
    "s.loader.exec_module(m)\nreturn m.attend(query, key, value)",
    "returns what is equal to all": "class A(torch.Tensor): pass\nx = query.as_subclass(A)\n"
    "A.__torch_function__ = classmethod(lambda *a, **k: True)\nreturn x",
    "sends a pickle": "class P:\n  def __reduce__(self): return (print, ('hello',))\nreturn P()",
    "answers with more than fits": "return torch.zeros(9_000_000, 2)",
}  # fmt: skip


@pytest.mark.parametrize("what", FORGERIES)
@linux
def test_a_verdict_cannot_be_forged(grader: Grader, demo: Exercises, what: str) -> None:
    body = FORGERIES[what].replace("LESSON", str(demo.folder / "exercise.py"))
    row = failed(attempt(grader, demo, body))
    assert row["message"]
    assert grader.check(demo, demo.text({}), ["attend"])["passed"], "the grader lives"


@linux
def test_attacks_while_the_file_is_read_are_failures_too(grader: Grader, demo: Exercises) -> None:
    assert "longer than 2 s" in failed(grader.check(demo, "while True: pass"))["message"]
    assert "ended the whole process" in failed(grader.check(demo, "import os; os._exit(3)"))["message"]
    assert "network" in failed(grader.check(demo, "import socket; socket.socket()"))["message"]
    assert "waited longer than" in failed(grader.check(demo, "import time; time.sleep(100)"))["message"]
    row = failed(grader.check(demo, "import sys; input()"))
    assert "EOF" in row["message"], "standard input is empty"


@linux
def test_nothing_is_left_behind(grader: Grader, demo: Exercises) -> None:
    attempt(grader, demo, "return RIGHT")
    attempt(grader, demo, "while True: pass")
    until = time.monotonic() + 5
    import psutil

    def ours() -> list[int]:
        assert grader._zygote is not None
        return [child.pid for child in psutil.Process(grader._zygote.pid).children(recursive=True)]

    while ours() and time.monotonic() < until:
        time.sleep(0.05)
    assert ours() == []


@linux
def test_a_new_zygote_comes_when_the_old_one_was_killed(demo: Exercises) -> None:
    with Grader() as grader:
        assert grader.check(demo, demo.text({}), ["attend"])["passed"]
        assert grader._zygote is not None
        grader._zygote.kill()
        grader._zygote.wait()
        assert grader.check(demo, demo.text({}), ["attend"])["passed"]


def test_checks_run_side_by_side(grader: Grader, demo: Exercises) -> None:
    verdicts: list[bool] = []
    texts = [demo.text({}), demo.stub_text()] * 3
    threads = [
        threading.Thread(target=lambda t=text: verdicts.append(grader.check(demo, t)["passed"])) for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdicts) == [False] * 3 + [True] * 3


@linux
def test_an_examiner_that_was_killed_is_not_asked_again_and_leaves_nothing(
    demo: Exercises, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its alarm would kill it: the pupil goes with it, the folders too, and the zygote stays."""
    import psutil

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Grader() as grader:
        assert attempt(grader, demo, "return RIGHT")["passed"]
        assert grader._zygote is not None
        zygote = psutil.Process(grader._zygote.pid)
        errors: list[str] = []

        def check() -> None:
            try:
                attempt(grader, demo, "time.sleep(60)")
            except WorldError as error:
                errors.append(str(error))

        def until(true: Callable[[], bool]) -> bool:
            end = time.monotonic() + 20
            while not true() and time.monotonic() < end:
                time.sleep(0.02)
            return true()

        assert until(lambda: not zygote.children())
        thread = threading.Thread(target=check)
        thread.start()
        assert until(lambda: len(zygote.children(recursive=True)) == 2 and any(tmp_path.glob("learnable-*/*")))
        zygote.children()[0].kill()
        thread.join()
        assert errors and "ended" in errors[0]
        assert until(lambda: not zygote.children() and not list(tmp_path.glob("learnable-*"))), (
            "swept, and not begun again"
        )
        assert grader._zygote.pid == zygote.pid

        assert until(lambda: not zygote.children())
        thread = threading.Thread(target=check)
        thread.start()
        assert until(lambda: len(zygote.children(recursive=True)) == 2 and any(tmp_path.glob("learnable-*/*")))
        family = zygote.children(recursive=True)
        grader.close()
        thread.join()
    assert until(lambda: not any(process.is_running() for process in family))
    assert list(tmp_path.glob("learnable-*")) == []


@linux
def test_a_check_that_takes_too_long_is_not_tried_again(demo: Exercises, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def late(request: object) -> None:
        asked.append(request)
        raise TimeoutError

    with Grader() as grader:
        monkeypatch.setattr(grader, "_ask", late)
        with pytest.raises(WorldError, match="took longer than 120 s"):
            grader.check(demo, "")
    assert len(asked) == 1


def test_half_a_surrogate_pair_is_no_harm(grader: Grader, demo: Exercises) -> None:
    verdict = attempt(grader, demo, "os.write(1, b'\\xff'); print('\\udfff')\nraise ValueError('half \\ud800')")
    assert "half ?" in failed(verdict)["message"]
    assert str(verdict).encode()


@linux
@pytest.mark.parametrize("stem", course.stems())
def test_right_answers_in_double_precision_pass(grader: Grader, stem: str) -> None:
    exercises = course.find(stem)
    double = "".join(f"""
def {part.name}(*arguments, right={part.name}, **keywords):
    result = right(*arguments, **keywords)
    many = isinstance(result, tuple)
    results = [x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in (result if many else [result])]
    return tuple(results) if many else results[0]
""" for part in exercises.parts)  # fmt: skip
    verdict = grader.check(exercises, f"{exercises.text({})}\nimport torch\n{double}")
    assert verdict["passed"], failed(verdict)


@pytest.mark.parametrize("kind", ["np.int64", "np.int32", "np.array", "torch.tensor"])
def test_a_whole_number_is_a_whole_number(grader: Grader, kind: str) -> None:
    lenet = course.find("lenet")
    other = f"def output_size(*a, right=output_size, **k): return {kind}(right(*a, **k))"
    verdict = grader.check(lenet, f"{lenet.text({})}\nimport numpy as np, torch\n{other}", ["output_size"])
    assert verdict["passed"], failed(verdict)


def test_none_is_told_from_what_a_check_made_of_an_answer(grader: Grader, demo: Exercises) -> None:
    autodiff = course.find("autodiff")
    other = "def unbroadcast(*a, right=unbroadcast, **k): return torch.from_numpy(right(*a, **k))"
    verdict = grader.check(autodiff, f"{autodiff.text({})}\nimport torch\n{other}", ["unbroadcast"])
    assert "expected a NumPy array, came a torch tensor" in failed(verdict)["message"]
    message = failed(attempt(grader, demo, "return (RIGHT).detach()"))["message"]
    assert "no slope arrives" in message and "return" not in message


def test_files_of_other_systems_are_read(grader: Grader, demo: Exercises) -> None:
    text = "\ufeff" + demo.text({}).replace("\n", "\r\n")
    assert grader.check(demo, text)["passed"]
