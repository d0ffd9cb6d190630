"""A computation on paper: as a list to read, or as a graph for Graphviz to draw."""

import json
from collections.abc import Iterator

import numpy as np

from learnable.engine.tensor import Tensor, topological_order


def tape(result: Tensor) -> str:
    """A line for each step, in the order of computation: its value and, after `backward`, its gradient.

    Read downwards it is the forward pass, read upwards the backward pass. Wengert 1964 wrote programs in this form
    to differentiate them.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> y = x * x + 1
    >>> y.backward()
    >>> print(tape(y))
    x = 3., gradient 6.
    v1 = mul(x, x) = 9., gradient 1.
    v2 = 1.
    v3 = add(v1, v2) = 10., gradient 1.
    """
    return "\n".join(" = ".join(filter(None, parts)) for _, *parts in steps(result))


def dot(result: Tensor) -> str:
    r"""The graph in Graphviz's language (`dot -Tsvg` draws it): a box for each tensor, an arrow from each of its inputs.

    >>> print(dot(Tensor(0.0, requires_grad=True, name="x").exp()))
    digraph {
      rankdir=LR; node [shape=box, fontname=monospace]
      n0 [label="x\n0."]
      n1 [label="v1 = exp(x)\n1."]
      n0 -> n1
    }
    """
    lines, nodes = ["digraph {", "  rankdir=LR; node [shape=box, fontname=monospace]"], dict[Tensor, str]()
    for number, (tensor, name, formula, value) in enumerate(steps(result)):
        nodes[tensor] = f"n{number}"
        label = json.dumps(f"{name} = {formula}\n{value}" if formula else f"{name}\n{value}", ensure_ascii=False)
        lines += [f"  n{number} [label={label}]", *(f"  {nodes[x]} -> n{number}" for x in tensor.inputs)]
    return "\n".join([*lines, "}"])


def steps(result: Tensor) -> Iterator[tuple[Tensor, str, str, str]]:
    """Each tensor with its name, the formula that it came from, and its value with its gradient."""
    names = dict[Tensor, str]()
    for number, tensor in enumerate(topological_order(result)):
        names[tensor] = tensor.name or f"v{number}"
        arguments = [names[x] for x in tensor.inputs] + [f"{key}={value}" for key, value in tensor.settings.items()]
        formula = f"{tensor.operation}({', '.join(arguments)})" if tensor.operation else ""
        gradient = "" if tensor.grad is None else f", gradient {_short(tensor.grad)}"
        yield tensor, names[tensor], formula, _short(tensor.data) + gradient


def _short(array: np.ndarray) -> str:
    """All numbers where they are few, else the first and the last."""
    return np.array2string(array, precision=4, separator=", ", threshold=6, edgeitems=1).replace("\n", "")
