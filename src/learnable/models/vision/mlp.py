"""Layers in a row: each neuron sees the whole picture as a list of numbers, and nothing of where they lie.

The twin of `learnable.engine.network.MLP`, which is the same network without a framework: same names, same shapes, so
each loads what the other has learned.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with a relu between them: without it, they would be one matrix.

    >>> import torch
    >>> MLP(64, [32], 10)(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise([inputs, *hidden, classes]))

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch classes"]:
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)
