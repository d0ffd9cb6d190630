"""A computation on paper: as a list to read, and as a graph for Graphviz to draw."""

import json

import numpy as np

from learnable.engine.tensor import Tensor, topological_order


def tape(result: Tensor) -> str:
    """A line for each step in the order of the computation, with its value and, after `backward`, its gradient.

    Read downwards it is the forward pass, read upwards the backward pass. (Wengert 1964 wrote programs so to differentiate them.)

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> y = x * x + 1
    >>> y.backward()
    >>> print(tape(y))
    x  =                value 3.0  gradient 6.0
    v1 = 1.0            value 1.0
    v2 = mul(x, x)      value 9.0  gradient 1.0
    v3 = add(v2, v1)    value 10.0  gradient 1.0
    """
    ...


def dot(result: Tensor) -> str:
    """The graph in Graphviz's language: a box for each tensor, an arrow from each input.

    >>> print(dot(Tensor(3.0, name="x").exp()))
    """
    ...
