import re

import numpy as np

from learnable.engine import Tensor, dot, tape


def graph():
    x = Tensor([[1.0, 2.0]], requires_grad=True, name='the "x"')
    loss = (x * x).sum(axis=1).mean()
    loss.backward()
    return loss


def test_a_tape_reads_in_the_order_of_computation():
    assert tape(graph()).splitlines() == [
        'the "x" = [[1., 2.]], gradient [[2., 4.]]',
        'v1 = mul(the "x", the "x") = [[1., 4.]], gradient [[1., 1.]]',
        "v2 = sum(v1, axis=1, keepdims=False) = [5.], gradient [1.]",
        "v3 = mean(v2, axis=None, keepdims=False) = 5., gradient 1.",
    ]


def test_dot_has_a_box_for_each_tensor_and_an_arrow_for_each_use():
    text = dot(graph())
    assert text.count("[label=") == 4
    assert re.findall(r"n\d -> n\d", text) == ["n0 -> n1", "n0 -> n1", "n1 -> n2", "n2 -> n3"]
    assert r'n0 [label="the \"x\"\n[[1., 2.]], gradient [[2., 4.]]"]' in text


def test_two_tensors_of_one_name_are_two_boxes():
    assert dot(Tensor(1.0, True, name="w") * Tensor(2.0, name="w")).count("[label=") == 3


def test_large_arrays_are_shown_by_their_ends():
    text = tape(Tensor(np.arange(1000.0).reshape(10, 100), requires_grad=True) * 1)
    assert all(len(line) < 120 for line in text.splitlines())
    assert "..." in text
