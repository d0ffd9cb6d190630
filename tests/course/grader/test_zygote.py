"""What the processes of the grader are given: nothing of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

from learnable.course.grader.zygote import PACKAGES, START, command, environment, readable_text


def test_they_are_isolated_and_know_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNABLE_HOME", "secret")
    monkeypatch.setenv("ANY_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "secret")
    known = environment()
    assert "secret" not in known.values()
    assert known["CUDA_VISIBLE_DEVICES"] == "" and known["OMP_NUM_THREADS"] == "1"
    assert command("zygote")[:2] == [sys.executable, "-I"]


def test_the_package_that_is_served_is_the_one_that_runs(tmp_path: Path) -> None:
    """Another copy stands where packages are looked for; its lessons would not be the hidden ones."""
    other = tmp_path / "learnable"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('the other copy')")
    code = START.replace("main()", "print(main.__module__)").replace(
        "import sys;", f"import sys; sys.path.append({str(tmp_path)!r});"
    )
    code = code.replace("import sys;", f"import sys; sys.path.insert(0, {str(tmp_path)!r});", 1)
    done = subprocess.run([sys.executable, "-I", "-c", code, PACKAGES], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "learnable.course.grader.zygote", done.stderr


ORPHAN = """
import os, signal, sys, time
from pathlib import Path
from learnable.course.grader.zygote import adopt, children, sweep

adopt()
folder = Path(sys.argv[1])
reading, writing = os.pipe()
examiner = os.fork()
if examiner == 0:
    pupil = os.fork()
    if pupil:
        os.write(writing, str(pupil).encode())
    time.sleep(60)
pupil = int(os.read(reading, 20))
other = os.fork()
if other == 0:
    time.sleep(60)
examiners = {examiner: folder, other: folder / "other"}
sweep(examiners)
assert children() == {examiner, other}
os.kill(examiner, signal.SIGKILL)
until = time.monotonic() + 20
while examiner in examiners and time.monotonic() < until:
    sweep(examiners)
assert children() == {other}, "those that work are left alone"
assert not Path(f"/proc/{pupil}").exists() and not folder.exists()
os.kill(other, signal.SIGKILL)
print("swept")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="adoption is Linux's")
def test_what_a_dead_examiner_leaves_is_ended(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    done = subprocess.run([sys.executable, "-c", ORPHAN, str(folder)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "swept", done.stderr


def test_any_text_can_be_written() -> None:
    assert readable_text({"a": [("\ud800", 1, None)]}) == {"a": [["?", 1, None]]}
