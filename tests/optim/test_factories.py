import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.optim.factories import adamw, adamw_in_depth, muon, sgd


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


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(5, 4)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4)) for _ in range(2))
        self.head = nn.Linear(4, 5)


def test_muon_moves_the_matrices_of_the_blocks_and_adamw_the_rest():
    model = Stack()
    by_muon, by_adam = muon(model, 0.02, adam_share=0.1).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert {names[id(p)] for p in by_muon["params"]} == {"blocks.0.1.weight", "blocks.1.1.weight"}
    assert len(by_muon["params"]) + len(by_adam["params"]) == len(names)
    assert (by_muon["lr"], by_adam["lr"]) == (0.02, pytest.approx(0.002))
    assert by_muon["orthogonal"] and not by_adam["orthogonal"]


def test_muon_leaves_out_what_is_frozen_and_refuses_a_module_without_blocks():
    model = Stack()
    model.blocks[0].requires_grad_(False)
    assert len(muon(model, 0.02).param_groups[0]["params"]) == 1
    with pytest.raises(
        CallError, match="expected linear layers within an nn.ModuleList.*none in Sequential; use adamw"
    ):
        muon(nn.Sequential(nn.Linear(2, 2)), 0.02)


def test_each_part_learns_more_slowly_than_the_one_behind_it():
    model = net()
    model[0].requires_grad_(False)
    optimizer = adamw_in_depth(model, 0.8, parts=("0.", "1.", "2."), factor=2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.4, 0.8]  # the frozen one has no group
    assert [[id(p) for p in group["params"]] for group in optimizer.param_groups] == [
        [id(p) for p in model[place].parameters()] for place in (1, 2)
    ]


def test_a_parameter_that_is_in_no_part_is_an_error():
    with pytest.raises(ValueError, match=r"1\.weight is in none"):
        adamw_in_depth(net(), 0.1, parts=("0.", "2."))
