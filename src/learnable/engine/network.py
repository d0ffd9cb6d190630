"""Enough of a framework to train a network: a layer, layers in a row, and stochastic gradient descent with momentum.

Names and shapes are those of `learnable.models.vision.mlp.MLP`, its twin in PyTorch, so either one loads what the other learned.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learnable.engine.tensor import Tensor

Arrays = dict[str, np.ndarray]


class Linear:
    """x @ weight.T + bias, with weight (outputs, inputs): a row of the weight is what one neuron looks for.

    Weights start between ±1/√inputs, so that a sum over many inputs is not larger than a sum over few.
    """

    def __init__(self, inputs: int, outputs: int, generator: np.random.Generator, dtype: Any = np.float32):
        def start(*shape: int) -> Tensor:
            return Tensor(generator.uniform(-1, 1, shape) / np.sqrt(inputs), requires_grad=True, dtype=dtype)

        self.weight, self.bias = start(outputs, inputs), start(outputs)

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias


class MLP:
    """Layers in a row with a relu between them: without it, they would be one matrix.

    >>> network = MLP(64, [32], 10, np.random.default_rng(0))
    >>> network(Tensor(np.ones((5, 1, 8, 8), np.float32))).shape
    (5, 10)
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], classes: int, generator: np.random.Generator, dtype: Any = np.float32
    ):
        widths = [inputs, *hidden, classes]
        self.layers = [Linear(*pair, generator, dtype) for pair in zip(widths, widths[1:], strict=False)]

    def __call__(self, x: Tensor) -> Tensor:
        x = x.reshape(x.shape[0], -1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)

    def parameters(self) -> dict[str, Tensor]:
        """Everything that learns, by name."""
        return {f"layers.{i}.{n}": t for i, layer in enumerate(self.layers) for n, t in vars(layer).items()}


class SGD:
    """Stochastic gradient descent; with momentum, a step goes on in the direction of those before it.

    velocity = momentum · velocity + gradient, weight = weight - learning_rate · velocity, as PyTorch has it (Polyak 1964
    and Sutskever et al. 2013 take the learning rate into the velocity: the same steps, until the rate changes).
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
        for parameter in self.parameters.values():
            parameter.zero_grad()

    def state(self) -> Arrays:
        """All that a resumed training needs: each parameter under its name, its velocity under `velocity.` and its name."""
        weights = {name: parameter.data for name, parameter in self.parameters.items()}
        return weights | {f"velocity.{name}": velocity.copy() for name, velocity in self.velocity.items()}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up the state that `state` gave. Raises ValueError where names, shapes or types differ."""
        if state.keys() != self.state().keys():
            raise ValueError(f"expected {sorted(self.state())}, came {sorted(state)}")
        for name, parameter in self.parameters.items():
            parameter.data = np.array(state[name])
            self.velocity[name] = np.array(state[f"velocity.{name}"], parameter.dtype)
