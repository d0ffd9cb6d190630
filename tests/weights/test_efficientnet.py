"""EfficientNet's tables: whose names they are, what no tensor shows, and which configs are refused."""

from pathlib import Path

import pytest
import torch

from learnable.errors import WorldError
from learnable.models.vision.efficientnet import EFFICIENTNETS, EfficientNet
from learnable.weights.efficientnet import PUBLISHED, TIMM, TIMM_TF, TORCHVISION, settings_from, to_timm
from learnable.weights.images import Preprocessing
from learnable.weights.table import translate
from parity.pictures import assert_torchvisions


@pytest.mark.reference
def test_the_published_weights_are_those_that_torchvision_names():
    pytest.importorskip("torchvision")
    assert_torchvisions(PUBLISHED, EFFICIENTNETS)


@pytest.mark.reference
def test_the_published_weights_are_those_that_timm_names():
    timm = pytest.importorskip("timm")
    rows = [row for row in PUBLISHED if row.name.startswith("timm/")]
    for row in rows:
        told = timm.get_pretrained_cfg(row.name.removeprefix("timm/"))
        assert told is not None and told.tag == row.name.partition(".")[2], row.name
        assert row.licence == told.license and told.num_classes == 1000
        assert row.preprocessing == Preprocessing(
            told.input_size[-1], told.crop_pct, tuple(told.mean), tuple(told.std), told.interpolation
        )
    assert {row.variant for row in rows} == set(EFFICIENTNETS)


@pytest.mark.reference
@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_every_variant_fits_both_libraries(name: str):
    """Names, shapes, and the eps and momentum of every norm."""
    timm, torchvision = pytest.importorskip("timm"), pytest.importorskip("torchvision")
    config = EFFICIENTNETS[name][0]
    for form, build in (
        (TORCHVISION, lambda: torchvision.models.get_model(name)),
        (TIMM, lambda: timm.create_model(name)),
        (TIMM_TF, lambda: timm.create_model(f"tf_{name}")),
    ):
        with torch.device("meta"):
            ours, theirs = EfficientNet(form.habits(config, {})), build()
        translate(theirs.state_dict(), form.rows(ours.config), like=ours.state_dict())
        norms = [
            {(m.eps, m.momentum) for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)}
            for model in (ours, theirs)
        ]
        assert norms[0] == norms[1] and len(norms[0]) == 1, form.library


def test_habits_go_to_timm_and_come_back():
    config = EFFICIENTNETS["efficientnet_b7"][0]
    assert to_timm(config) == {"bn_eps": 1e-3}
    assert to_timm(TIMM.habits(config, {})) == {}
    back = TIMM.habits(config, to_timm(TIMM_TF.habits(config, {})))
    assert back.same and back.norm[0] == 1e-3 and back == config


PUBLISHED_CONFIG = {  # of google/efficientnet-b0
    "model_type": "efficientnet", "width_coefficient": 1.0, "depth_coefficient": 1.0, "image_size": 224, "dropout_rate": 0.2,
    "drop_connect_rate": 0.2, "batch_norm_eps": 1e-3, "hidden_act": "swish", "depthwise_padding": [],
}  # fmt: skip


def test_reads_the_sizes_of_transformers():
    config = EFFICIENTNETS["efficientnet_b0"][0]
    assert type(config)(**settings_from(PUBLISHED_CONFIG)) == config


@pytest.mark.parametrize(
    "change",
    [{"hidden_act": "relu"}, {"strides": [1] * 7}, {"width_coefficient": "wide"}, {"pooling_type": "max"}, {"model_type": "vit"}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_what_ours_would_get_wrong_is_refused(change: dict):
    with pytest.raises(WorldError, match=next(iter(change))):
        settings_from(PUBLISHED_CONFIG | change)


def test_a_bare_port_from_tensorflow_is_known_by_its_files_name(tmp_path: Path):
    EfficientNet(EFFICIENTNETS["efficientnet_b0"][0], classes=2).save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    file = tmp_path / "model.safetensors"
    assert not EfficientNet.from_pretrained(file).config.same
    file = file.rename(tmp_path / "tf_efficientnet_b0_ns-c0e6a31c.safetensors")
    config = EfficientNet.from_pretrained(file).config
    assert config.same and config.norm[0] == 1e-3
