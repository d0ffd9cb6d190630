"""What crosses the line: everything that exercises use, both ways; nothing that could be executed, back."""

import contextlib
import math
import os
import time
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from learnable.course.grader.compare import same
from learnable.course.grader.wire import Line, Unreadable, Unsendable, a_kind, pack, source_of, unpack, visible

VALUES = [
    None, True, 3, -(10**30), 2.5, math.inf, "text ✓", (1, [2, {"a": (None,)}]), {1: 2, (1, 2): "x"}, {1, 2}, range(1, 9, 2),
    torch.randn(2, 3), torch.randn(3, 2).T, torch.tensor(1), torch.ones(0, 3), torch.tensor([True]), torch.ones(2, dtype=torch.bfloat16),
    np.arange(6.0).reshape(2, 3).T, np.float32(2), np.array(True), torch.float32, frozenset({3}),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: a_kind(value)[:30])
def test_values_come_back_as_they_were(value: Any) -> None:
    back = unpack(pack(value))
    assert type(back) is type(value)
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        assert back.dtype == value.dtype and back.shape == value.shape and (back == value).all()
    else:
        assert back == value


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
                    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner), max_leaves=20))  # fmt: skip
def test_any_plain_data_comes_back(value: Any) -> None:
    assert unpack(pack(value)) == value


def test_a_leaf_that_wants_a_gradient_still_does_over_there() -> None:
    weight = nn.Parameter(torch.ones(2))
    there = unpack(pack([weight, torch.ones(2, requires_grad=True), torch.ones(2)]), trusted=True)
    assert isinstance(there[0], nn.Parameter) and there[1].requires_grad and not there[2].requires_grad


def test_a_module_goes_as_layers_and_weights() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2), nn.LeakyReLU(0.2), nn.Flatten(),
                          nn.Linear(2 * 16, 3), nn.LayerNorm(3), nn.Dropout(0.5), nn.Embedding(3, 2)).eval()  # fmt: skip
    model[0].weight.requires_grad_(False)
    there = unpack(pack(model), trusted=True)
    image = torch.randn(2, 1, 4, 4)
    assert torch.equal(there[:7](image), model[:7](image))
    assert not there[0].weight.requires_grad and there[4].weight.requires_grad and not there.training
    assert same(visible(there), visible(model))


def helper(x: int) -> int:
    return np.abs(x) + 1


def test_a_function_goes_as_its_source() -> None:
    assert unpack(pack(helper), trusted=True, given=lambda: {"np": np})(-2) == 3
    outer = 3
    for bad in (lambda x: x, lambda x: x + outer):
        with pytest.raises(Unsendable):
            source_of(bad)


def test_code_never_comes_back() -> None:
    for value in (helper, nn.Linear(1, 1)):
        with pytest.raises(Unreadable, match="unknown kind"):
            unpack(pack(value))


class Own(nn.Module):
    pass


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value", [object(), Own(), torch.ones(1, dtype=torch.complex64), np.array(["a"]), endless(), print, [1, object()]]
)
def test_what_cannot_cross_is_named(value: Any) -> None:
    with pytest.raises(Unsendable) as error:
        pack(value)
    assert str(error.value)


@given(st.binary(max_size=300))
def test_noise_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(data)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_frame_with_a_wrong_byte_is_a_value_or_unreadable(place: int, byte: int) -> None:
    data = bytearray(pack({"a": torch.ones(2), "b": (1, "x")}))
    data[place % len(data)] = byte
    with contextlib.suppress(Unreadable):
        unpack(bytes(data))


def test_a_line_times_out_ends_and_refuses_what_is_too_long() -> None:
    reading, writing = os.pipe()
    line = Line(reading, writing)
    line.send((1, 2))
    assert line.receive(time.monotonic() + 5) == (1, 2)
    with pytest.raises(TimeoutError):
        line.receive(time.monotonic() + 0.01)
    os.write(writing, (2**40).to_bytes(8, "little"))
    with pytest.raises(Unreadable):
        line.receive()
    os.close(writing)
    with pytest.raises(EOFError):
        line.receive()
    os.close(reading)
