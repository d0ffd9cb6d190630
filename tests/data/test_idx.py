import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.idx import parse_idx, read_idx
from learnable.errors import WorldError


def idx(*shape: int, values: bytes | None = None) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return bytes([0, 0, 8, len(shape)]) + sizes + (bytes(range(int(np.prod(shape)))) if values is None else values)


def test_the_last_axis_is_the_fastest():
    assert parse_idx(idx(2, 3), axes=2).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_file_packed_or_not(tmp_path):
    (tmp_path / "plain").write_bytes(idx(2, 3, 4))
    (tmp_path / "packed").write_bytes(gzip.compress(idx(2, 3, 4), mtime=0))
    assert np.array_equal(read_idx(tmp_path / "plain", axes=3), read_idx(tmp_path / "packed", axes=3))


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "came nothing"),
        (b"\0\0\x08", "begins with 00 00 08 02; came 00 00 08"),
        (idx(6), "with 2 axes"),  # labels where pictures were expected
        (b"\0\0\x0d\x02" + idx(2, 3)[4:], "came 00 00 0d 02"),  # floats
        (idx(2, 3)[:10], "cut short"),
        (idx(2, 3)[:-1], "expected 2 x 3 = 6 values in it, came 5"),
        (idx(2, 3) + b"!", "came 7"),
        (idx(1 << 31, 1 << 31, values=b""), "came 0"),
        (gzip.compress(idx(2, 3), mtime=0)[:-3], "damaged gzip"),
        (gzip.compress(idx(2, 3), mtime=0)[:4] + b"rubbish", "damaged gzip"),
        (b"\x1f\x8b", "damaged gzip"),
    ],
)
def test_what_is_wrong_is_said(data, message):
    with pytest.raises(WorldError, match=message):
        parse_idx(data, axes=2, name="it")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(WorldError, match="cannot be read"):
        read_idx(tmp_path / "none", axes=1)


@given(
    st.binary(max_size=64), st.integers(1, 4), st.sampled_from([b"", b"\0\0\x08\x02", b"\x1f\x8b\x08", idx(2, 3)[:9]])
)
def test_no_bytes_get_out_of_hand(data, axes, start):
    try:
        parse_idx(start + data, axes)
    except WorldError as error:
        assert str(error)
