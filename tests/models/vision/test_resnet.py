"""ResNet: its sizes, what it refuses, and what the paper says of its parts."""

import pytest
import torch
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.vision.resnet import RESNETS, CIFARResNet, Highway, Plain, ResNet, ResNetConfig, shortcut


def test_names_count_layers():
    for name, (config, _) in RESNETS.items():
        assert name == f"resnet{config.layers}"


@pytest.mark.parametrize("layers", [0, 7, 21, -4])
def test_layers_are_six_n_and_two(layers: int):
    with pytest.raises(CallError, match="6n \\+ 2"):
        CIFARResNet(layers)


@pytest.mark.parametrize("numbers", [{"depths": ()}, {"depths": (1, 0)}, {"width": 0}])
def test_sizes_of_nothing_are_refused(numbers: dict):
    with pytest.raises(CallError, match="at least 1"):
        ResNetConfig(**{"depths": (1,), "bottleneck": False} | numbers)


def test_other_pictures_are_refused():
    with pytest.raises(CallError, match="batch, 3, height, width"):
        ResNet(RESNETS["resnet18"][0])(torch.zeros(2, 1, 64, 64))


def test_a_plain_network_is_a_residual_one_without_its_sums():
    """Same seed, same weights; only the sum is missing, so only the outputs differ."""
    torch.manual_seed(0)
    plain = CIFARResNet(8, join=Plain).eval()
    torch.manual_seed(0)
    residual = CIFARResNet(8).eval()
    image = torch.rand(1, 3, 16, 16)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, residual.state_dict()[name])
    assert not torch.allclose(plain(image), residual(image))


def test_a_block_of_zeros_changes_nothing():
    model = CIFARResNet(8).eval()
    block = model.stages[0][0]
    with torch.no_grad():
        block.norm2.weight.zero_()
    x = torch.rand(1, 16, 8, 8)
    assert_close(block(x), x)


def test_a_shut_gate_carries_the_input_through():
    highway = Highway(4)
    x, y = torch.rand(1, 4, 2, 2), torch.rand(1, 4, 2, 2)
    with torch.no_grad():
        highway.gate.weight.zero_()
        assert_close(highway(x, y), x + (y - x) * torch.sigmoid(torch.tensor(-3.0)))
        highway.gate.bias.fill_(-50)
        assert_close(highway(x, y), x)
        highway.gate.bias.fill_(50)
        assert_close(highway(x, y), y)


def test_a_shortcut_has_weights_only_where_shapes_differ():
    assert not list(shortcut(4, 4, 1).parameters())
    assert shortcut(4, 8, 2)(torch.rand(1, 4, 6, 6)).shape == (1, 8, 3, 3)
