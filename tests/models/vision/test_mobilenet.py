"""MobileNet beyond parity and contract: its settings, its sizes, its taps, and what it refuses."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from learnable.errors import CallError
from learnable.models.vision.mobilenet import (
    MOBILENETS_V1,
    MOBILENETS_V2,
    MOBILENETS_V3,
    MobileNetV1,
    MobileNetV1Config,
    MobileNetV2,
    MobileNetV3,
)
from learnable.nn.activations import Features, activations
from learnable.nn.separable import ConvNorm


@pytest.mark.parametrize("model, config, channels", [
    (MobileNetV1, MOBILENETS_V1["mobilenet_v1"][0], [64, 128, 256, 512, 1024]),
    (MobileNetV2, MOBILENETS_V2["mobilenet_v2"][0], [16, 24, 32, 96, 320]),
    (MobileNetV3, MOBILENETS_V3["mobilenet_v3_large"][0], [16, 24, 40, 112, 160]),
], ids=["v1", "v2", "v3"])  # fmt: skip
def test_maps_at_five_scales(model, config, channels):
    with torch.device("meta"):
        maps = Features(model(config).eval())(torch.empty(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(c, 32 >> s, 32 >> s) for s, c in enumerate(channels)]


SMALL = [
    (MobileNetV1, MOBILENETS_V1["mobilenet_v1_x0_25"][0]),
    (MobileNetV2, MOBILENETS_V2["mobilenet_v2_x0_35"][0]),
    (MobileNetV3, MOBILENETS_V3["mobilenet_v3_small_x0_5"][0]),
]


@pytest.mark.parametrize("family, config", SMALL, ids=["v1", "v2", "v3"])
def test_what_the_weights_decide_reaches_every_layer(family, config):
    with torch.device("meta"):
        model = family(replace(config, eps=0.25, same=True))
    assert {norm.eps for norm in model.modules() if isinstance(norm, nn.BatchNorm2d)} == {0.25}
    strides = [conv for conv in model.modules() if isinstance(conv, nn.Conv2d) and max(conv.stride) > 1]
    assert {conv.padding for conv in strides} == {(0, 0)}  # TensorFlow's zeros are put around by another layer


def test_v3s_norms_forget_as_slowly_as_theirs():
    with torch.device("meta"):
        model = MobileNetV3(replace(SMALL[2][1], momentum=0.25))
    assert {norm.momentum for norm in model.modules() if isinstance(norm, nn.BatchNorm2d)} == {0.25}


@pytest.mark.parametrize("family, config", SMALL, ids=["v1", "v2", "v3"])
def test_dropout_is_right_before_the_head(family, config):
    seen = activations(family(config, classes=2).eval(), torch.rand(1, 3, 32, 32))
    assert list(seen)[-2:] == ["dropout", "head"]


def test_a_block_can_be_handed_over():
    model = MobileNetV1(
        MobileNetV1Config(0.25), classes=3, block=lambda c, out, stride: ConvNorm(c, out, 3, stride, activation=nn.ReLU)
    )
    assert not any(m.groups > 1 for m in model.modules() if isinstance(m, nn.Conv2d))
    assert model.eval()(torch.rand(1, 3, 32, 32)).shape == (1, 3)


def test_the_first_layer_of_the_narrowest_v3_stays():
    assert MOBILENETS_V3["mobilenet_v3_small_x0_5"][0].stem == 16


def test_a_single_pixel_goes_through():
    for model in (
        MobileNetV2(MOBILENETS_V2["mobilenet_v2_x0_35"][0]),
        MobileNetV3(MOBILENETS_V3["mobilenet_v3_small"][0]),
    ):
        assert model.eval()(torch.rand(1, 3, 1, 1)).shape == (1, 1000)


def test_what_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(CallError, match="at least 1"):
        MobileNetV1Config(stages=((64, 0, 1),))
    with pytest.raises(CallError, match="channels=1"):
        MobileNetV1(MobileNetV1Config(0.25))(torch.rand(2, 1, 32, 32))
