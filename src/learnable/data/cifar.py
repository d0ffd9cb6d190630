"""CIFAR-10's archive: pickles of NumPy arrays, read without letting them run anything.

A pickle is a program, and the usual reader runs whatever it says. The few names that an array of bytes needs are
handed out here, everything else is refused, so a file that is not what it says it is can do no harm.
"""

import io
import pickle
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from learnable.errors import WorldError

FOLDER = "cifar-10-batches-py"
SIDE = 32
MEMBER = re.compile(r"data_batch_\d|test_batch|batches\.meta")
LARGEST = 64 << 20  # bytes of a member; the largest of the official ones has half of it

Batch = tuple[np.ndarray, np.ndarray]  # (n, 3, 32, 32) uint8; (n,) int64


def read_cifar(path: Path) -> tuple[dict[str, Batch], tuple[str, ...]]:
    """The batches in the archive ("data_batch_1", "test_batch" ...) and the names of the classes.

    Raises:
        WorldError: it cannot be read, is damaged, or something in it is not as it should be.
    """
    members: dict[str, Any] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                if folder != FOLDER or not member.isfile() or not MEMBER.fullmatch(name):
                    continue
                if member.size > LARGEST:
                    raise WorldError(f"{name} in {path} has {member.size:,} bytes, far more than it should.")
                file = archive.extractfile(member)
                assert file is not None, "it is a file"
                members[name] = restricted(file.read(), f"{name} in {path}")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise WorldError(f"{path} is no whole archive ({error}); remove it and get it again.") from error
    if "batches.meta" not in members:
        raise WorldError(f"expected {FOLDER}/batches.meta in {path}, and it is not there.")
    names = members.pop("batches.meta")
    classes = tuple(name.decode() for name in names[b"label_names"])
    return {name: _batch(value, f"{name} in {path}") for name, value in members.items()}, classes


def restricted(data: bytes, name: str) -> Any:
    """What a pickle of dicts, lists, bytes, numbers and NumPy arrays holds.

    Raises:
        WorldError: it asks for anything else, or is damaged.
    """
    try:
        return _Reader(io.BytesIO(data), encoding="bytes").load()
    except _Refused as error:
        raise WorldError(f"{name} wants to call {error}, which no data needs; it was not read.") from error
    except Exception as error:  # a damaged pickle can raise nearly everything
        raise WorldError(f"{name} is damaged ({type(error).__name__}: {error}); get the archive again.") from error


class _Refused(pickle.UnpicklingError):
    pass


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _bytes_alone,
            ("numpy.core.multiarray", "_reconstruct"): _empty,
            ("numpy._core.multiarray", "_reconstruct"): _empty,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in known:
            raise _Refused(f"{module}.{name}")
        return known[module, name]


class _Array:
    """Stands for NumPy's class, which a pickle could call to fill the memory."""


def _bytes_alone(code: bytes | str, *rest: object) -> np.dtype:
    if code not in (b"u1", "u1"):
        raise _Refused(f"numpy.dtype for {code!r}")
    return np.dtype(np.uint8)


def _empty(kind: type, shape: tuple[int, ...], code: bytes | str) -> np.ndarray:
    """An array of nothing, whose shape and values come next in the pickle."""
    if kind is not _Array:
        raise _Refused(f"numpy's _reconstruct for {kind}")
    return np.ndarray((0,), np.uint8)


def _encode(text: str, codec: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if codec != "latin1":
        raise _Refused(f"_codecs.encode with {codec}")
    return text.encode("latin1")


def _batch(value: Mapping[Any, Any], name: str) -> Batch:
    data, labels = value.get(b"data"), value.get(b"labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3 * SIDE**2,):
        came = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise WorldError(f"expected rows of {3 * SIDE**2} bytes in {name}, came {came}.")
    label = np.asarray(labels, dtype=np.int64)
    if label.shape != data.shape[:1] or label.min() < 0 or label.max() > 9:
        raise WorldError(f"expected {len(data):,} labels from 0 to 9 in {name}, came {label.size:,}.")
    return data.reshape(-1, 3, SIDE, SIDE), label
