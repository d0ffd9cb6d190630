"""MobileNet's tables: whose names they are, what no tensor shows, and which configs are refused."""

import pytest
import torch

from learnable.errors import WorldError
from learnable.models.vision.mobilenet import (
    MOBILENETS_V1,
    MOBILENETS_V2,
    MOBILENETS_V3,
    MobileNetV1,
    MobileNetV2,
    MobileNetV3,
)
from learnable.weights.images import Preprocessing
from learnable.weights.mobilenet import (
    PUBLISHED,
    V1_NAMES,
    V1_TIMM,
    V2_NAMES,
    V2_TIMM,
    V2_TORCHVISION,
    V3_NAMES,
    V3_TIMM,
    V3_TIMM_TF,
    V3_TORCHVISION,
    to_timm,
    v1_settings,
    v2_settings,
)
from learnable.weights.table import translate
from parity.pictures import assert_torchvisions

ALL = MOBILENETS_V1 | MOBILENETS_V2 | MOBILENETS_V3


@pytest.mark.reference
def test_the_published_weights_are_those_that_torchvision_names():
    pytest.importorskip("torchvision")
    assert_torchvisions(PUBLISHED, ALL)


def assert_timms(published, variants):
    """Our rows of timm's weights say what timm says: that there are such weights, and how pictures are prepared."""
    timm = pytest.importorskip("timm")
    rows = [row for row in published if row.name.startswith("timm/")]
    assert rows
    for row in rows:
        assert row.variant in variants
        told = timm.get_pretrained_cfg(row.name.removeprefix("timm/"))
        assert told is not None and told.tag == row.name.partition(".")[2], row.name
        assert row.preprocessing == Preprocessing(
            told.input_size[-1], told.crop_pct, tuple(told.mean), tuple(told.std), told.interpolation
        )
        assert row.licence == told.license and told.num_classes == 1000


@pytest.mark.reference
def test_the_published_weights_are_those_that_timm_names():
    assert_timms(PUBLISHED, ALL)


@pytest.mark.reference
@pytest.mark.parametrize("cls, variants, names, form", [
    (MobileNetV1, MOBILENETS_V1, V1_NAMES, V1_TIMM), (MobileNetV2, MOBILENETS_V2, V2_NAMES, V2_TIMM),
    (MobileNetV3, MOBILENETS_V3, V3_NAMES, V3_TIMM), (MobileNetV3, MOBILENETS_V3, V3_TIMM_TF.names, V3_TIMM_TF),
], ids=["v1", "v2", "v3", "v3-tf"])  # fmt: skip
def test_every_variant_fits_timm(cls, variants, names, form):
    timm = pytest.importorskip("timm")
    for name, theirs in names.items():
        if not timm.is_model(theirs):
            assert theirs == "tf_mobilenetv3_small_050"
            continue
        with torch.device("meta"):
            ours, reference = cls(form.habits(variants[name][0], {})), timm.create_model(theirs)
        translate(reference.state_dict(), form.rows(ours.config), like=ours.state_dict())
        eps = {module.eps for module in reference.modules() if isinstance(module, torch.nn.BatchNorm2d)}
        assert eps == {ours.config.eps}
        assert form.variant(theirs, variants) == name


@pytest.mark.reference
def test_the_norms_are_torchvisions():
    models = pytest.importorskip("torchvision").models
    for name, cls, form in (
        ("mobilenet_v2", MobileNetV2, V2_TORCHVISION),
        ("mobilenet_v3_small", MobileNetV3, V3_TORCHVISION),
        ("mobilenet_v3_large", MobileNetV3, V3_TORCHVISION),
    ):
        with torch.device("meta"):
            ours, theirs = cls(ALL[name][0]), models.get_model(name)
        translate(theirs.state_dict(), form.rows(ours.config), like=ours.state_dict())
        norms = [
            {(m.eps, m.momentum) for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)}
            for model in (ours, theirs)
        ]
        assert norms[0] == norms[1] and len(norms[0]) == 1


def test_habits_go_to_timm_and_come_back():
    config = MOBILENETS_V3["mobilenet_v3_small"][0]
    assert to_timm(config) == {"bn_eps": 1e-3}
    assert to_timm(V3_TIMM.habits(config, {})) == {}
    tensorflow = V3_TIMM_TF.habits(config, {})
    assert tensorflow.same and to_timm(tensorflow) == {"bn_eps": 1e-3, "pad_type": "same"}
    back = V3_TIMM.habits(config, to_timm(tensorflow))
    assert (back.eps, back.same) == (1e-3, True)
    assert back == config, "it is no other architecture"


def test_reads_the_settings_of_transformers():
    assert v1_settings({"model_type": "mobilenet_v1", "depth_multiplier": 0.75}) == {
        "width": 0.75,
        "eps": 1e-3,
        "same": True,
    }
    told = {"model_type": "mobilenet_v2", "depth_multiplier": 1.4, "tf_padding": False, "layer_norm_eps": 1e-5}
    assert v2_settings(told) == {"width": 1.4, "eps": 1e-5, "same": False}


@pytest.mark.parametrize("read, change", [
    (v1_settings, {"model_type": "mobilenet_v1", "depth_multiplier": 0.3}),
    (v1_settings, {"model_type": "mobilenet_v1", "hidden_act": "relu"}),
    (v1_settings, {"model_type": "mobilenet_v2"}),
    (v2_settings, {"model_type": "mobilenet_v2", "expand_ratio": 4.0}),
    (v2_settings, {"model_type": "mobilenet_v2", "first_layer_is_expansion": False}),
    (v2_settings, {"model_type": "mobilenet_v2", "depth_multiplier": "wide"}),
], ids=lambda value: list(value)[-1] if isinstance(value, dict) else None)  # fmt: skip
def test_what_ours_would_get_wrong_is_refused(read, change: dict):
    with pytest.raises(WorldError, match=list(change)[-1]):
        read(change)
