"""Writing files so that a reader sees the old one or the new one, never half of one.

Everything is written beside its place and then renamed, which POSIX and Windows do in one step. A full disk, a
kill or a power cut leaves the old file and perhaps a stray `.part`, which nobody reads.
"""

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learnable.errors import WorldError


@contextlib.contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Give a path to write a file to; it takes the place of `path` when the block ends without an error.

    Raises:
        WorldError: the disk is full or the folder cannot be written to; `path` is as it was.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with _plain_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            _to_disk(aside)
            aside.replace(path)
            _to_disk(path.parent)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def write_folder_aside(path: Path) -> Iterator[Path]:
    """Give a folder to fill; it appears as `path`, whole, when the block ends without an error.

    Raises:
        WorldError: the disk is full, the folder cannot be written to, or `path` exists already.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with _plain_errors(path):
            aside.mkdir(parents=True)
            yield aside
            for file in aside.rglob("*"):
                _to_disk(file)
            _to_disk(aside)
            aside.rename(path)
            _to_disk(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text`, in one step."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as indented JSON, in one step. NaN and infinity become null: JSON has neither."""
    write_text(path, json.dumps(finite(value), indent=2, ensure_ascii=False) + "\n")


def finite(value: Any) -> Any:
    """The same value with every NaN and infinity replaced by None, which is what JSON can say.

    >>> finite({"loss": float("nan"), "parts": [1.0, float("inf")]})
    {'loss': None, 'parts': [1.0, None]}
    """
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


@contextlib.contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WorldError(f"the disk is full: {path} was not written, what stood there before is unharmed. "
                             "Make room, then run the same command again.") from error  # fmt: skip
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise WorldError(
                f"{path.parent} cannot be written to ({error.strerror}); choose a folder of your own."
            ) from error
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise WorldError(
                f"{path} exists already; nothing was written. Choose another name or remove it."
            ) from error
        raise WorldError(f"{path} could not be written: {error.strerror or error}.") from error


def _to_disk(path: Path) -> None:
    """Ask the system to put the file, or the folder's list of names, on the disk itself."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
