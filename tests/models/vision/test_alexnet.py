"""AlexNet: its sizes, what it refuses, and what the paper says of it."""

import pytest
import torch

from learnable.errors import CallError
from learnable.models.vision.alexnet import ALEXNETS, SMALLEST, AlexNet, AlexNet2012, AlexNetConfig, normalize_neighbors
from learnable.nn.activations import Features, activations

SMALL = AlexNetConfig(widths=(4, 8, 8, 8, 8), hidden=16)


def test_the_maps_have_the_sizes_of_the_paper():
    seen = activations(AlexNet(AlexNetConfig((4, 8, 8, 8, 8), hidden=16)), torch.rand(1, 3, 224, 224))
    assert [seen[name].shape[-1] for name in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")] == [
        55,
        27,
        27,
        13,
        13,
        6,
    ]


def test_its_features_are_three_scales():
    assert [maps.shape[-1] for maps in Features(AlexNet(SMALL))(torch.rand(1, 3, 224, 224))] == [27, 13, 6]


def test_the_dense_layers_hold_nearly_all_weights():
    with torch.device("meta"):
        model = AlexNet(ALEXNETS["alexnet"][0])
    dense = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("conv"))
    assert round(dense / ALEXNETS["alexnet"][1], 2) == 0.96


@pytest.mark.parametrize("build", [lambda: AlexNet(SMALL), lambda: AlexNet2012(width=12, hidden=16)])
def test_the_smallest_picture(build):
    model = build().eval()
    assert model(torch.rand(1, 3, SMALLEST, SMALLEST)).shape == (1, 1000)
    with pytest.raises(CallError, match="at least 63x63 pixels, came"):
        model(torch.rand(1, 3, SMALLEST - 1, 100))


@pytest.mark.parametrize("wrong", [{"widths": (4, 0, 8, 8, 8)}, {"hidden": 0}, {"grid": 0}])
def test_layers_of_nothing_are_refused(wrong):
    with pytest.raises(CallError, match="at least 1"):
        AlexNetConfig(**wrong)


@pytest.mark.parametrize("dropout", [1.0, -0.1])
def test_a_dropout_that_leaves_nothing_is_refused(dropout):
    with pytest.raises(CallError, match="from 0 to under 1"):
        AlexNetConfig(dropout=dropout)


def test_a_tower_does_not_see_the_other_before_conv3():
    model = AlexNet2012(classes=3, width=12, hidden=16, dropout=0)
    image = torch.rand(1, 3, 64, 64)
    maps = activations(model, image, names=["conv1", "conv2"])
    assert model.conv2(model.pool1(maps["conv1"].relu())).shape == maps["conv2"].shape
    x = torch.rand(1, 12, 15, 15, requires_grad=True)
    model.conv2(x)[:, :16].sum().backward()  # the first tower's maps
    assert x.grad is not None and x.grad[:, :6].all() and not x.grad[:, 6:].any()


def test_towers_of_half_a_map_are_refused():
    with pytest.raises(CallError, match="both towers"):
        AlexNet2012(width=10)


def test_a_loud_map_is_normalized_by_hand():
    """One map that says 100, alone: 100 / (2 + 1e-4 * 10,000)^0.75."""
    x = torch.zeros(1, 9, 1, 1)
    x[0, 4] = 100.0
    y = normalize_neighbors(x)
    torch.testing.assert_close(y[0, 4, 0, 0], torch.tensor(100 / 3**0.75))
    assert y.sum() == y[0, 4, 0, 0]
