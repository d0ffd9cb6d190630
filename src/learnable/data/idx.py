"""IDX, the format of MNIST's files: what the values are, the size of each axis, the values. Source: the page of MNIST.

bytes 0, 1   zero
byte  2      the type of the values; 8 is an unsigned byte, and the only one that is used
byte  3      the number of axes
4 per axis   its size, the high byte first
the rest     the values, the last axis fastest
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from learnable.errors import WorldError

UNSIGNED_BYTE = 8


def read_idx(path: Path, axes: int) -> np.ndarray:
    """The array in an IDX file, unpacked first where it is a gzip file.

    Raises:
        WorldError: it cannot be read, is cut short, or is not IDX with so many axes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorldError(f"{path} cannot be read: {error.strerror or error}.") from error
    return parse_idx(data, axes, str(path))


def parse_idx(data: bytes, axes: int, name: str = "the data") -> np.ndarray:
    """The array that these bytes of an IDX file are, shape as written in them.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), axes=1)
    array([7, 8, 9], dtype=uint8)

    Raises:
        WorldError: the bytes are cut short or are not IDX with so many axes.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise WorldError(f"{name} is a damaged gzip file ({error}); remove it and get it again.") from error
    magic = bytes([0, 0, UNSIGNED_BYTE, axes])
    if data[:4] != magic:
        raise WorldError(
            f"expected an IDX file of bytes with {axes} axes in {name}, which begins with {magic.hex(' ')}; "
            f"came {data[:4].hex(' ') or 'nothing'}."
        )
    start = 4 + 4 * axes
    if len(data) < start:
        raise WorldError(f"{name} is cut short within its first {start} bytes; remove it and get it again.")
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4))
    if len(data) - start != math.prod(shape):
        raise WorldError(f"expected {' x '.join(map(str, shape))} = {math.prod(shape):,} values in {name}, came "
                         f"{len(data) - start:,}; remove it and get it again.")  # fmt: skip
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
