import numpy as np
import pytest

from learnable.engine import Tensor, gradcheck
from learnable.engine.operations import OPERATIONS


def test_it_passes_what_is_right():
    gradcheck(lambda a, b: (a @ b).tanh().log_softmax(), np.ones((2, 3)), Tensor(np.eye(3)))
    gradcheck(lambda a: a.exp(), 1.0)
    gradcheck(lambda a, b: a * a, [1.0, 2.0], [3.0])  # an input that does not matter


def test_it_names_the_entry_that_differs(monkeypatch):
    monkeypatch.setitem(OPERATIONS, "tanh", (np.tanh, lambda g, y, x: g * (1 - y * (x < 3) * y)))
    with pytest.raises(ValueError, match=r"input 1, entry \(1, 0\): the slope is 0\.0\d+, backward says 0\.7\d+"):
        gradcheck(lambda a, b: a * b.tanh(), np.ones((2, 1)), [[1.0], [3.0]])


def test_a_gradient_that_is_no_number_does_not_pass(monkeypatch):
    monkeypatch.setitem(OPERATIONS, "exp", (np.exp, lambda g, y, x: g * np.nan))
    with pytest.raises(ValueError, match="nan"):
        gradcheck(lambda a: a.exp(), [1.0])


def test_it_leaves_the_inputs_alone():
    x = np.array([1.0, 2.0])
    gradcheck(lambda a: a * a, x)
    np.testing.assert_array_equal(x, [1, 2])
