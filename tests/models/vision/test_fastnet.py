import inspect
import math
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.vision.fastnet import FastNet


@pytest.fixture
def model() -> FastNet:
    torch.manual_seed(0)
    return FastNet()


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {"image": torch.rand(10, 1, 28, 28, generator=generator), "label": torch.arange(10)}


@pytest.mark.parametrize("size", [16, 17, 28, 32])
def test_takes_pictures_of_other_sizes(size: int):
    assert FastNet(classes=3, channels=2, size=size)(torch.rand(2, 2, size, size)).shape == (2, 3)


def test_a_picture_that_is_too_small_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match="at least 16x16 pixels, came 15x15; enlarge"):
        FastNet(size=15)


def test_size_by_hand():
    with torch.device("meta"):
        sizes = {name: sum(p.numel() for p in layer.parameters()) for name, layer in FastNet().named_children()}
    assert sizes == {
        "c1": 16 * 25,
        "s2": 0,
        "norm2": 2 * 16,
        "c3": 32 * 16 * 25,
        "s4": 0,
        "norm4": 2 * 32,
        "f5": 128 * 512,
        "norm5": 2 * 128,
        "output": 10 * 129,
    }


def test_is_the_plain_network(model: FastNet, batch: dict[str, torch.Tensor]):
    """The usual order, norm and ReLU before the maximum, is the same function while a norm's scale is positive."""
    children = dict(model.named_children())
    order = ["c1", "norm2", "relu", "s2", "c3", "norm4", "relu", "s4", "flat", "f5", "norm5", "relu", "output"]
    layers = nn.Sequential(*(children.get(name) or {"relu": nn.ReLU(), "flat": nn.Flatten()}[name] for name in order))
    model.eval(), layers.eval()
    assert_close(model(batch["image"]), layers(batch["image"]))


def test_every_parameter_learns(model: FastNet, batch: dict[str, torch.Tensor]):
    F.cross_entropy(model(batch["image"]), batch["label"]).backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_examples_do_not_leak_into_each_other(model: FastNet, batch: dict[str, torch.Tensor]):
    model.eval()
    image = batch["image"].clone().requires_grad_()
    model(image)[3].sum().backward()
    assert (image.grad.flatten(1).abs().sum(1) > 0).nonzero().flatten().tolist() == [3]


def test_a_new_model_is_undecided(model: FastNet, batch: dict[str, torch.Tensor]):
    loss = lambda: F.cross_entropy(model(batch["image"]), batch["label"])
    model.eval()
    assert loss() < 1.1 * math.log(10)


def test_overfits_one_batch(model: FastNet, batch: dict[str, torch.Tensor]):
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(30):
        loss = F.cross_entropy(model(batch["image"]), batch["label"])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.05


@pytest.mark.parametrize(
    "shape",
    [(1, 28, 28), (28, 28), (2, 1, 29, 29), (2, 1, 32, 32), (2, 1, 28, 30), (2, 3, 28, 28)],
    ids=["no batch axis", "a bare table", "a pixel more", "larger", "not square", "colored"],
)
def test_wrong_pictures(shape: tuple[int, ...]):
    forward = inspect.unwrap(FastNet.forward)  # without the checks of shapes that only tests have: users meet ours
    with pytest.raises(CallError, match=r"shape \(batch, 1, 28, 28\), came " + re.escape(str(shape))):
        forward(FastNet(), torch.rand(shape))


@pytest.mark.parametrize("settings", [{"classes": 0}, {"channels": 0}, {"classes": -3}], ids=str)
def test_wrong_numbers(settings: dict[str, int]):
    with pytest.raises(CallError, match="at least 1 class and 1 channel, came"):
        FastNet(**settings)
