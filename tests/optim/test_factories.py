import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.optim.factories import adamw, sgd


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4), nn.Linear(4, 3))


def learn(optimizer, model, steps=3):
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.tensor([0, 2])).square().sum().backward()
        optimizer.step()


def test_matrices_decay_and_nothing_else_does():
    model = net()
    decay = {
        id(p): group["weight_decay"]
        for group in adamw(model, 1e-3, weight_decay=0.2).param_groups
        for p in group["params"]
    }
    assert {name: decay[id(p)] for name, p in model.named_parameters()} == {
        "0.weight": 0.2, "1.weight": 0, "1.bias": 0, "2.weight": 0.2, "2.bias": 0,
    }  # fmt: skip


def test_decay_alone_shrinks_by_its_share():
    model = net()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = adamw(model, 0.1, weight_decay=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert_close(parameter.detach(), before[name] * (0.95 if parameter.ndim == 2 else 1))


def test_the_first_step_has_the_size_of_the_learning_rate():
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.zero_()
    model.weight.grad, model.bias.grad = torch.tensor([[7.0, -0.01]]), torch.zeros(1)
    adamw(model, 0.5).step()
    assert_close(model.weight.detach(), torch.tensor([[-0.5, 0.5]]), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "factory", [adamw, lambda m, rate: sgd(m, rate, momentum=0.9, weight_decay=0.01)], ids=["adamw", "sgd"]
)
def test_fused_is_the_same_sum(factory):
    one, other = net(), net()
    plain = factory(other, 0.01)
    for group in plain.param_groups:
        group["fused"] = False
    learn(factory(one, 0.01), one)
    learn(plain, other)
    for name, parameter in one.named_parameters():
        assert_close(parameter, other.get_parameter(name), atol=1e-6, rtol=1e-5)


def test_frozen_parameters_are_left_out():
    model = net()
    model[0].requires_grad_(False)
    assert sum(len(group["params"]) for group in adamw(model, 1e-3).param_groups) == 4
    assert sum(len(group["params"]) for group in sgd(model, 1e-3).param_groups) == 4


def test_momentum_builds_up():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    optimizer = sgd(model, 1.0, momentum=0.5)
    for expected in (-1.0, -2.5, -4.25):  # steps of 1, 1.5, 1.75, on the way to 1 / (1 - 0.5)
        model.weight.grad = torch.ones(1, 1)
        optimizer.step()
        assert model.weight.item() == pytest.approx(expected)
