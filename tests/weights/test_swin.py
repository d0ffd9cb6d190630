"""Swin's tables: whose names they are, and which configs they refuse."""

import pytest
import torch

from learnable.errors import WorldError
from learnable.models.vision.swin import SWINS, Swin
from learnable.weights.swin import PUBLISHED, TIMM, TORCHVISION, merges_at_the_start, settings_from
from learnable.weights.table import translate
from parity.pictures import assert_torchvisions


@pytest.mark.reference
def test_the_published_weights_are_those_that_torchvision_names():
    pytest.importorskip("torchvision")
    assert_torchvisions(PUBLISHED, SWINS)


@pytest.mark.reference
@pytest.mark.parametrize("name", SWINS)
def test_every_variant_fits_the_libraries_that_have_it(name: str):
    timm, torchvision = pytest.importorskip("timm"), pytest.importorskip("torchvision")
    with torch.device("meta"):
        ours = Swin(SWINS[name][0])
        theirs = timm.create_model(TIMM.names[name])
        translate(theirs.state_dict(), TIMM.rows(ours.config), like=ours.state_dict())
        if name in torchvision.models.list_models():
            theirs = torchvision.models.get_model(name)
            translate(theirs.state_dict(), TORCHVISION.rows(ours.config), like=ours.state_dict())


def test_older_files_have_a_merge_at_the_end_of_a_stage():
    one = torch.zeros(1)
    older = {"layers.0.downsample.norm.weight": one, "layers.1.downsample.norm.weight": one, "head.weight": one}
    assert list(merges_at_the_start(older)) == [
        "layers.1.downsample.norm.weight", "layers.2.downsample.norm.weight", "head.fc.weight",
    ]  # fmt: skip
    assert list(merges_at_the_start({"layers.1.downsample.norm.weight": one})) == ["layers.1.downsample.norm.weight"]


PUBLISHED_CONFIG = {"model_type": "swin", "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "embed_dim": 96}


def test_reads_the_sizes_of_transformers():
    assert settings_from(PUBLISHED_CONFIG) == {
        "depths": (2, 2, 6, 2), "heads": (3, 6, 12, 24), "width": 96, "window": 7, "size": 224,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "relu"},
        {"mlp_ratio": 2.0},
        {"use_absolute_embeddings": True},
        {"depths": 2},
        {"model_type": "swinv2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_ours_would_get_wrong_is_refused(change: dict):
    with pytest.raises(WorldError, match=next(iter(change))):
        settings_from(PUBLISHED_CONFIG | change)
