"""Is a gradient right? Move each number a little and see what the result does: slow, inexact, and hard to get wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np

from learnable.engine.tensor import Tensor


def gradcheck(function: Callable[..., Tensor], *inputs: Any, step: float = 1e-6, tolerance: float = 1e-6) -> None:
    """Compare `backward` with slopes measured in float64, entry by entry; ValueError names the first that differs.

    The slope is (f(x + step) - f(x - step)) / 2 step: its error falls with step², that of rounding grows with 1 / step,
    and in float64 both are small near 1e-6. A result of many numbers is weighted at random, so that all of them count.
    Where a function has a kink nearer than `step`, the two may rightly differ.

    >>> gradcheck(lambda a, b: (a * b).tanh(), [[1.0, 2.0]], [[3.0], [-1.0]])
    """
    arrays = [np.array(x.data if isinstance(x, Tensor) else x, np.float64) for x in inputs]
    tensors = [Tensor(array, requires_grad=True) for array in arrays]
    result = function(*tensors)
    weights = np.random.default_rng(0).uniform(0.5, 1.5, result.shape)
    result.backward(weights)
    for number, (array, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        for entry in np.ndindex(array.shape):
            value, ends = array[entry], []
            for moved in (value + step, value - step):
                array[entry] = moved
                ends.append((function(*map(Tensor, arrays)).data * weights).sum())
            array[entry] = value
            slope, exact = (ends[0] - ends[1]) / (2 * step), 0.0 if tensor.grad is None else tensor.grad[entry]
            if not abs(slope - exact) <= tolerance * max(1, abs(slope)):
                raise ValueError(f"input {number}, entry {entry}: the slope is {slope:.9g}, backward says {exact:.9g}")
