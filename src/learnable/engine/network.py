"""Enough of a framework to train a network: a layer, layers in a row, and stochastic gradient descent with momentum.

Names and shapes are those of `learnable.models.vision.mlp.MLP` and `.lenet.LeNet`, the twins in PyTorch: each loads what the
other learned.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from learnable.engine.tensor import Tensor


class Linear:
    """x @ weight.T + bias, with weight (outputs, inputs): a row of the weight is what one neuron looks for.

    Weights start between ±1/√inputs, so that a sum over many inputs is not larger than a sum over few.
    """

    def __init__(self, inputs: int, outputs: int, random: Generator, dtype: type = np.float32):
        starts = (random.uniform(-1, 1, shape) / np.sqrt(inputs) for shape in ((outputs, inputs), (outputs,)))
        self.weight, self.bias = (Tensor(start, requires_grad=True, dtype=dtype) for start in starts)

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias


class MLP:
    """Layers in a row with a relu between them: without it, they would be one matrix.

    >>> network = MLP(64, [32], 10, np.random.default_rng(0))
    >>> network(Tensor(np.ones((5, 1, 8, 8), np.float32))).shape
    (5, 10)
    """

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int, random: Generator, dtype: type = np.float32):
        self.layers = [Linear(*pair, random, dtype) for pair in pairwise([inputs, *hidden, classes])]

    def __call__(self, x: Tensor) -> Tensor:
        x = x.reshape(x.shape[0], -1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)

    def parameters(self) -> dict[str, Tensor]:
        """Everything that learns, by name."""
        return {f"layers.{i}.{n}": t for i, layer in enumerate(self.layers) for n, t in vars(layer).items()}


class Convolution:
    """A kernel (outputs, maps, kernel, kernel) laid on every place, plus a number for each map."""

    def __init__(
        self, maps: int, outputs: int, kernel: int, random: Generator, padding: int = 0, dtype: type = np.float32
    ):
        shapes = ((outputs, maps, kernel, kernel), (outputs,))
        starts = (random.uniform(-1, 1, shape) / np.sqrt(maps * kernel**2) for shape in shapes)
        self.weight, self.bias = (Tensor(start, requires_grad=True, dtype=dtype) for start in starts)
        self.padding = padding

    def __call__(self, x: Tensor) -> Tensor:
        return x.conv2d(self.weight, padding=self.padding) + self.bias.reshape(-1, 1, 1)


class LeNet:
    """Two convolutions, each with a relu and a maximum of squares, and three linear layers: LeNet-5 as it is built today.

    >>> LeNet(10, 1, np.random.default_rng(0))(Tensor(np.ones((2, 1, 28, 28), np.float32))).shape
    (2, 10)
    """

    def __init__(self, classes: int, channels: int, random: Generator, dtype: type = np.float32):
        self.c1 = Convolution(channels, 6, 5, random, padding=2, dtype=dtype)
        self.c3 = Convolution(6, 16, 5, random, dtype=dtype)
        self.c5 = Linear(16 * 5 * 5, 120, random, dtype)
        self.f6 = Linear(120, 84, random, dtype)
        self.output = Linear(84, classes, random, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        x = self.c1(x).relu().max_pool(2)
        x = self.c3(x).relu().max_pool(2)
        x = self.c5(x.reshape(x.shape[0], -1)).relu()
        return self.output(self.f6(x).relu())

    def parameters(self) -> dict[str, Tensor]:
        """Everything that learns, by name."""
        return {f"{layer}.{part}": getattr(getattr(self, layer), part)
                for layer in ("c1", "c3", "c5", "f6", "output") for part in ("weight", "bias")}  # fmt: skip


class SGD:
    """Stochastic gradient descent; with momentum, a step goes on in the direction of those before it.

    velocity = momentum · velocity + gradient, weight = weight - learning_rate · velocity, as PyTorch has it. (Polyak
    1964 takes the learning rate into the velocity: the same steps, until the rate changes.)
    """

    def __init__(self, parameters: Mapping[str, Tensor], learning_rate: float, momentum: float = 0.0):
        self.parameters, self.learning_rate, self.momentum = dict(parameters), learning_rate, momentum
        self.velocity = {name: np.zeros_like(parameter.data) for name, parameter in parameters.items()}

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                velocity = self.velocity[name]
                velocity *= self.momentum  # in place: the velocity is ours alone
                velocity += parameter.grad
                parameter.data = parameter.data - self.learning_rate * velocity

    def zero_grad(self) -> None:
        """Forget the gradients that have added up: the next step is a new question."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def state(self) -> dict[str, np.ndarray]:
        """All that a resumed training needs: each parameter by name, and its velocity by `velocity.` and that name."""
        weights = {name: parameter.data.copy() for name, parameter in self.parameters.items()}
        return weights | {f"velocity.{name}": velocity.copy() for name, velocity in self.velocity.items()}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` gave, or change nothing.

        KeyError where a name is missing, ValueError where shape or type differ from ours.
        """
        for name, ours in self.state().items():
            expected, came = (f"{x.dtype} of shape {x.shape}" for x in (ours, np.asarray(state[name])))
            if came != expected:
                raise ValueError(f"{name}: expected {expected}, came {came}")
        for name, parameter in self.parameters.items():
            parameter.data, self.velocity[name] = np.array(state[name]), np.array(state[f"velocity.{name}"])
