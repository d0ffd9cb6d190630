import math

import numpy as np
import pytest
import torch

from learnable.engine import MLP as Engine
from learnable.engine import Tensor
from learnable.models.vision.mlp import MLP


@pytest.mark.parametrize("hidden", [[], [16], [16, 8]])
def test_agrees_with_the_engine(hidden):
    """Same weights in, same outputs and gradients out, by the same names."""
    engine = Engine(24, hidden, 5, np.random.default_rng(0), np.float64)
    model = MLP(24, hidden, 5).double()
    model.load_state_dict({name: torch.tensor(t.data) for name, t in engine.parameters().items()})
    images = np.random.default_rng(1).normal(size=(6, 2, 3, 4))
    labels = np.arange(6) % 5
    mine, theirs = model(torch.tensor(images)), engine(Tensor(images))
    np.testing.assert_allclose(mine.detach(), theirs.data, rtol=0, atol=1e-12)
    torch.nn.functional.cross_entropy(mine, torch.tensor(labels)).backward()
    theirs.cross_entropy(labels).backward()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, engine.parameters()[name].grad, rtol=0, atol=1e-12, err_msg=name)


def test_size():
    model = MLP(784, [256], 10)
    assert sum(p.numel() for p in model.parameters()) == 784 * 256 + 256 + 256 * 10 + 10


def test_examples_do_not_leak_into_each_other():
    model, batch = MLP(12, [8], 3).double(), torch.rand(4, 1, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(model(batch)[:1], model(batch[:1]))


def test_a_new_model_is_undecided():
    torch.manual_seed(0)
    loss = torch.nn.functional.cross_entropy(MLP(64, [64], 10)(torch.rand(200, 1, 8, 8)), torch.randint(10, (200,)))
    assert loss < 1.1 * math.log(10)
