"""Whether somebody is at a run."""

import subprocess
import sys

from filelock import FileLock

from learnable.runs.lock import LOCK, busy


def test_a_run_is_busy_while_another_process_holds_its_lock_and_not_after_its_death(tmp_path):
    assert not busy(tmp_path)
    code = f"from filelock import FileLock; lock = FileLock({str(tmp_path / LOCK)!r}); lock.acquire(); print(1, flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert busy(tmp_path)
        process.kill()
        process.wait()
    assert not busy(tmp_path)


def test_asking_does_not_keep_the_lock(tmp_path):
    with FileLock(tmp_path / LOCK):
        pass
    assert not busy(tmp_path)
    FileLock(tmp_path / LOCK).acquire(timeout=0).lock.release()
