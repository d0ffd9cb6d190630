"""VGG: its sizes, and what it refuses."""

import pytest
import torch

from learnable.errors import CallError
from learnable.models.vision.vgg import VGG, VGGS, VGGConfig
from learnable.nn.activations import Features

SMALL = VGGConfig(depths=(1, 2, 1), width=4, hidden=8)


def test_a_name_says_its_layers():
    assert [f"vgg{config.layers}{'_bn' * config.norm}" for config, _ in VGGS.values()] == list(VGGS)


def test_maps_double_up_to_eight_times():
    assert VGGS["vgg16"][0].widths == (64, 128, 256, 512, 512)


def test_its_features_are_the_last_maps_of_each_stage():
    maps = Features(VGG(SMALL))(torch.rand(1, 3, 40, 56))
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 40, 56), (8, 20, 28), (16, 10, 14)]


def test_the_smallest_picture():
    model = VGG(SMALL).eval()
    assert model(torch.rand(1, 3, 8, 8)).shape == (1, 1000)
    with pytest.raises(CallError, match="at least 8x8 pixels"):
        model(torch.rand(1, 3, 8, 7))


@pytest.mark.parametrize("wrong", [{"depths": ()}, {"depths": (1, 0)}, {"width": 0}, {"hidden": 0}, {"grid": 0}])
def test_layers_of_nothing_are_refused(wrong):
    with pytest.raises(CallError, match="at least 1"):
        VGGConfig(**{"depths": (1, 1), **wrong})


@pytest.mark.parametrize("dropout", [1.0, -0.1])
def test_a_dropout_that_leaves_nothing_is_refused(dropout):
    with pytest.raises(CallError, match="from 0 to under 1"):
        VGGConfig(depths=(1,), dropout=dropout)


def test_the_signal_neither_fades_nor_grows_through_nineteen_layers():
    torch.manual_seed(0)
    config = VGGConfig(depths=(2, 2, 4, 4, 4), width=16, hidden=8)
    features = VGG(config).features(torch.randn(2, 3, 64, 64))
    assert 0.05 < features.std() < 20
