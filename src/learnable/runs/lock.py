"""Whether a run is being trained: its lock, which says so to all processes. Nothing here imports torch, so a server may ask."""

from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"


def busy(folder: Path) -> bool:
    """Whether a process is training the run in this folder now. One that was killed has let go of its lock."""
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True
