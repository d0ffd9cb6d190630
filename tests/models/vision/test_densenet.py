"""DenseNet: its sizes, what a layer sees, and what it refuses."""

import pytest
import torch

from learnable.errors import CallError
from learnable.models.vision.densenet import DENSENETS, DenseBlock, DenseNet, DenseNetConfig
from learnable.nn.activations import Features

SMALL = DenseNetConfig(depths=(2, 3), growth=4, start=8)


def test_a_name_says_its_layers():
    assert [f"densenet{config.layers}" for config, _ in DENSENETS.values()] == list(DENSENETS)


def test_a_block_keeps_what_it_was_given():
    x = torch.rand(2, 8, 5, 5)
    y = DenseBlock(8, growth=4, neck=2, depth=3)(x)
    assert y.shape == (2, 20, 5, 5) and torch.equal(y[:, :8], x)


def test_each_layer_is_given_all_before_it():
    block = DenseBlock(8, growth=4, neck=2, depth=3)
    assert [layer.norm1.num_features for layer in block.layers.values()] == [8, 12, 16]


def test_its_features_are_the_ends_of_the_blocks():
    maps = Features(DenseNet(SMALL))(torch.rand(1, 3, 64, 48))
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 16, 12), (20, 8, 6)]


@pytest.mark.parametrize("depths, least", [((1,), 1), ((1, 1), 5), ((1, 1, 1, 1), 29)])
def test_the_smallest_picture(depths, least):
    model = DenseNet(DenseNetConfig(depths, growth=4, start=8)).eval()
    assert model(torch.rand(1, 3, least, least)).shape == (1, 1000)
    with pytest.raises(CallError, match="expected pictures"):
        model(torch.rand(1, 3, least, least - 1))


@pytest.mark.parametrize("wrong", [{"depths": ()}, {"depths": (1, 0)}, {"growth": 0}, {"start": 0}, {"neck": 0}])
def test_layers_of_nothing_are_refused(wrong):
    with pytest.raises(CallError, match="at least 1"):
        DenseNetConfig(**{"depths": (1, 1), **wrong})
