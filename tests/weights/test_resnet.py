"""ResNet's tables: whose names they are, and which configs they refuse."""

import pytest
import torch

from learnable.errors import WorldError
from learnable.models.vision.resnet import RESNETS, ResNet
from learnable.weights.resnet import PUBLISHED, TIMM, TORCHVISION, settings_from
from learnable.weights.table import translate
from parity.pictures import assert_torchvisions


@pytest.mark.reference
def test_the_published_weights_are_those_that_torchvision_names():
    pytest.importorskip("torchvision")
    assert_torchvisions(PUBLISHED, RESNETS)


@pytest.mark.reference
@pytest.mark.parametrize("name", RESNETS)
def test_every_variant_fits_both_libraries(name: str):
    timm, torchvision = pytest.importorskip("timm"), pytest.importorskip("torchvision")
    with torch.device("meta"):
        ours = ResNet(RESNETS[name][0])
        for form, theirs in ((TIMM, timm.create_model(name)), (TORCHVISION, torchvision.models.get_model(name))):
            translate(theirs.state_dict(), form.rows(ours.config), like=ours.state_dict())


PUBLISHED_CONFIG = {
    "model_type": "resnet", "depths": [3, 4, 6, 3], "hidden_sizes": [256, 512, 1024, 2048], "embedding_size": 64,
    "layer_type": "bottleneck", "hidden_act": "relu", "downsample_in_first_stage": False,
}  # fmt: skip


def test_reads_the_sizes_of_transformers():
    assert settings_from(PUBLISHED_CONFIG) == {"depths": (3, 4, 6, 3), "bottleneck": True, "width": 64}


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "gelu"}, {"hidden_sizes": [64, 128, 256, 512]}, {"downsample_in_bottleneck": True}, {"depths": 3},
        {"model_type": "vit"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_what_ours_would_get_wrong_is_refused(change: dict):
    with pytest.raises(WorldError, match=next(iter(change))):
        settings_from(PUBLISHED_CONFIG | change)
