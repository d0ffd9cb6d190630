"""A disk that is soon full, a real one: a file system of a few hundred kilobytes in memory."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "300k") -> Iterator[Path]:
    """Mount it for the length of the block. Where that is not allowed (it takes root on Linux) the test is skipped."""
    folder.mkdir(parents=True)
    try:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    except OSError:
        pytest.skip("a small disk takes the command mount")
    if made.returncode:
        pytest.skip("a small disk takes the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
