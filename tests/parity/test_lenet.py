"""LeNet against the same layers in a row, as anybody would write them down with torch."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.models.vision.lenet import LeNet


def plain(classes: int, channels: int, size: int, left: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ZeroPad2d(2 if size == 28 else 0),
        nn.Conv2d(channels, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * left * left, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, classes),
    )  # fmt: skip


#        theirs       ours
TABLE = {
    "1":  "c1",
    "4":  "c3",
    "8":  "c5",
    "10": "f6",
    "12": "output",
}  # fmt: skip


@pytest.mark.reference
@pytest.mark.parametrize("channels, size, left", [(1, 28, 5), (3, 32, 5), (1, 48, 9)])
def test_outputs_and_gradients_are_those_of_the_plain_network(channels: int, size: int, left: int):
    torch.manual_seed(0)
    theirs, ours = plain(7, channels, size, left).double(), LeNet(7, channels, size).double()
    weights = theirs.state_dict()
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    names = {f"{row}.{kind}": f"{name}.{kind}" for row, name in TABLE.items() for kind in ("weight", "bias")}
    ours.load_state_dict({names[name]: value.view(shapes[names[name]]) for name, value in weights.items()})

    mine = torch.rand(4, channels, size, size, dtype=torch.float64, requires_grad=True)
    reference = mine.detach().clone().requires_grad_()
    exact = {"atol": 1e-12, "rtol": 1e-12}
    assert_close(ours(mine), theirs(reference), **exact)

    weight = torch.randn(4, 7, dtype=torch.float64)
    (ours(mine) * weight).sum().backward()
    (theirs(reference) * weight).sum().backward()
    assert_close(mine.grad, reference.grad, **exact)
    for name, parameter in theirs.named_parameters():
        found = ours.get_parameter(names[name])
        assert_close(found.grad.view_as(parameter), parameter.grad, **exact, msg=name)
