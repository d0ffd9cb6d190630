"""Counting multiplications: by hand, and against published figures."""

import pytest
import torch
from torch import nn

from learnable.data.examples import Info, TensorExamples
from learnable.metrics.cost import classification_and_cost, cost, costs
from learnable.models.vision.mobilenet import MOBILENETS_V1, MOBILENETS_V2, MobileNetV1, MobileNetV2
from learnable.nn.separable import ConvNorm, Separable


def test_by_hand():
    full = ConvNorm(8, 16, 3)
    separable = Separable(8, 16)
    x = torch.rand(1, 8, 10, 10)
    assert cost(full, x).multiply_adds == 100 * 9 * 8 * 16
    assert cost(separable, x).multiply_adds == 100 * (9 * 8 + 8 * 16)
    assert cost(separable, x).parameters == 9 * 8 + 2 * 8 + 8 * 16 + 2 * 16
    assert cost(full, torch.rand(3, 8, 10, 10)).multiply_adds == 3 * cost(full, x).multiply_adds


def test_part_by_part():
    table = costs(Separable(8, 16), torch.rand(1, 8, 10, 10))
    assert table["depthwise.conv"].multiply_adds == 100 * 9 * 8
    assert table["depthwise.norm"].multiply_adds == 0
    assert table["depthwise"].multiply_adds + table["pointwise"].multiply_adds == table[""].multiply_adds


@pytest.mark.parametrize("model, config, millions", [
    (MobileNetV1, MOBILENETS_V1["mobilenet_v1"][0], 569),  # table 4 of its paper
    (MobileNetV1, MOBILENETS_V1["mobilenet_v1_x0_5"][0], 149),  # table 6
    (MobileNetV2, MOBILENETS_V2["mobilenet_v2"][0], 300),  # table 4 of its paper
], ids=["v1", "v1-half", "v2"])  # fmt: skip
def test_published_figures_on_the_meta_device(model, config, millions):
    with torch.device("meta"):
        assert cost(model(config), torch.empty(1, 3, 224, 224)).multiply_adds / 1e6 == pytest.approx(millions, rel=0.01)


def test_the_mode_stays():
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout())
    assert cost(model.train(), torch.rand(1, 4)) and model.training
    assert cost(model.eval(), torch.rand(1, 4)) and not model.training


def test_beside_the_accuracy():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    examples = TensorExamples({"image": torch.rand(6, 3, 2, 2), "label": torch.tensor([0, 1] * 3)})
    metrics = classification_and_cost(model, examples, Info("x", classes=("a", "b"), image=(3, 2, 2)))
    assert set(metrics) == {"accuracy", "loss", "parameters", "multiply_adds"}
    assert metrics["multiply_adds"] == 24 and metrics["parameters"] == 26
