"""The Vision Transformer's tables: whose names they are, and which configs they refuse."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from learnable.errors import WorldError
from learnable.models.vision.vit import VITS, ViT
from learnable.weights.table import translate
from learnable.weights.vit import PUBLISHED, TIMM, TORCHVISION, settings_from
from parity.pictures import assert_torchvisions


@pytest.mark.reference
def test_the_published_weights_are_those_that_torchvision_names():
    pytest.importorskip("torchvision")
    assert_torchvisions(PUBLISHED, {name: row for name, row in VITS.items() if name != "vit_h_14"})


@pytest.mark.reference
@pytest.mark.parametrize("name", VITS)
def test_every_variant_fits_the_libraries_that_have_it(name: str):
    timm, torchvision = pytest.importorskip("timm"), pytest.importorskip("torchvision")
    with torch.device("meta"):
        ours = ViT(VITS[name][0])
        if name != "vit_h_14":  # timm's has no hidden layer of five thousand
            translate(
                timm.create_model(TIMM.names[name], num_classes=1000).state_dict(),
                TIMM.rows(ours.config),
                like=ours.state_dict(),
            )
        if name in torchvision.models.list_models():
            theirs = torchvision.models.get_model(name)
            translate(theirs.state_dict(), TORCHVISION.rows(ours.config), like=ours.state_dict())


PUBLISHED_CONFIG = {
    "model_type": "vit",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "qkv_bias": True,
}


def test_reads_the_sizes_of_transformers():
    assert settings_from(PUBLISHED_CONFIG) == {
        "depth": 12, "width": 768, "heads": 12, "patch": 16, "size": 224, "eps": 1e-12,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"hidden_act": "relu"}, {"intermediate_size": 1000}, {"qkv_bias": False}, {"model_type": "deit"}],
    ids=lambda change: next(iter(change)),
)
def test_what_ours_would_get_wrong_is_refused(change: dict):
    with pytest.raises(WorldError, match=next(iter(change))):
        settings_from(PUBLISHED_CONFIG | change)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_384", "deit_tiny_patch16_224", "vit_tiny_patch16_224"])
def test_the_positions_say_how_large_the_pictures_are(tmp_path: Path, name: str):
    size = int(name.rpartition("_")[2]) if "deit" not in name else 64
    ViT(replace(VITS["vit_ti_16"][0], size=size), classes=3).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": name, "model_args": {"img_size": size}}))
    assert ViT.from_pretrained(tmp_path).config == replace(VITS["vit_ti_16"][0], size=size)
    (tmp_path / "config.json").unlink()
    assert ViT.from_pretrained(tmp_path / "model.safetensors").config.size == size


def test_as_many_positions_as_no_square_has_are_refused(tmp_path: Path):
    ViT(VITS["vit_ti_16"][0]).save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    state = load_file(tmp_path / "model.safetensors") | {"reg_token": torch.zeros(1, 4, 192)}
    save_file(state | {"pos_embed": torch.zeros(1, 201, 192)}, tmp_path / "model.safetensors")
    with pytest.raises(
        WorldError, match=r"nearest is vit_ti_16, but pos_embed: expected .*; reg_token is not part of it"
    ):
        ViT.from_pretrained(tmp_path / "model.safetensors")


@pytest.mark.reference
@pytest.mark.parametrize("pooler", [True, False])
def test_transformers_network_without_a_head(tmp_path: Path, pooler: bool):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=32, patch_size=8
    )
    theirs = transformers.ViTModel(config, add_pooling_layer=pooler).eval()
    theirs.save_pretrained(tmp_path)
    with pytest.raises(WorldError, match="a network without a head: say how many classes"):
        ViT.from_pretrained(tmp_path)
    ours = ViT.from_pretrained(tmp_path, classes=4).eval()
    image = torch.rand(2, 3, 32, 32)
    assert_close(ours.norm(ours.tokens(image)), theirs(image).last_hidden_state)
