"""The Vision Transformer against timm, torchvision and transformers: same weights in, same logits and gradients out."""

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from learnable.models.vision.vit import VITS, ViT, ViTConfig
from learnable.weights.images import Format
from learnable.weights.vit import TIMM, TORCHVISION, TRANSFORMERS, TRANSFORMERS_TABLE
from parity import pictures as parity

pytestmark = pytest.mark.reference

TOY = ViTConfig(depth=3, width=32, heads=4, patch=8, size=32)
PRECISIONS = [(torch.float64, True), (torch.float32, False)]

# In memory transformers calls its layers by other names than in its files.
RENAMES = (
    (r"vit\.layers\.(\d+)\.attention\.([qkv])_proj", lambda m: f"vit.encoder.layer.{m[1]}.attention.attention.{WORDS[m[2]]}"),
    (r"vit\.layers\.(\d+)\.attention\.o_proj", r"vit.encoder.layer.\1.attention.output.dense"),
    (r"vit\.layers\.(\d+)\.mlp\.fc1", r"vit.encoder.layer.\1.intermediate.dense"),
    (r"vit\.layers\.(\d+)\.mlp\.fc2", r"vit.encoder.layer.\1.output.dense"),
    (r"vit\.layers\.", "vit.encoder.layer."),
)  # fmt: skip
WORDS = {"q": "query", "k": "key", "v": "value"}


def as_in_files(state: Any) -> dict[str, torch.Tensor]:
    renamed = {}
    for name, tensor in state.items():
        for pattern, to in RENAMES:
            name = re.sub(pattern, to, name)
        renamed[name] = tensor
    return renamed


IN_MEMORY = Format("transformers", TRANSFORMERS_TABLE, change=as_in_files)


def of_timm(config: ViTConfig, classes: int, channels: int = 3):
    timm = pytest.importorskip("timm")
    return timm.models.VisionTransformer(
        img_size=config.size, patch_size=config.patch, in_chans=channels, num_classes=classes,
        embed_dim=config.width, depth=config.depth, num_heads=config.heads,
    )  # fmt: skip


def of_torchvision(config: ViTConfig, classes: int):
    models = pytest.importorskip("torchvision").models
    return models.VisionTransformer(
        image_size=config.size, patch_size=config.patch, num_layers=config.depth, num_heads=config.heads,
        hidden_dim=config.width, mlp_dim=4 * config.width, num_classes=classes,
    )  # fmt: skip


def of_transformers(config: ViTConfig, classes: int):
    transformers = pytest.importorskip("transformers")
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(
            hidden_size=config.width, num_hidden_layers=config.depth, num_attention_heads=config.heads,
            intermediate_size=4 * config.width, image_size=config.size, patch_size=config.patch,
            layer_norm_eps=config.eps, num_labels=classes,
        )
    )  # fmt: skip


@pytest.mark.parametrize("dtype, train", PRECISIONS)
@pytest.mark.parametrize(
    "build, form",
    [(of_timm, TIMM), (of_torchvision, TORCHVISION), (of_transformers, IN_MEMORY)],
    ids=["timm", "torchvision", "transformers"],
)
def test_agrees(build, form, dtype, train):
    parity.assert_parity(ViT(TOY, classes=7), build(TOY, 7), form, parity.pictures(2, 3, 32, 32), dtype, train)


@pytest.mark.parametrize("channels", [1, 3])
def test_goes_both_ways_with_timm(tmp_path, channels):
    timm = pytest.importorskip("timm")
    reference = timm.create_model("vit_tiny_patch16_224", num_classes=5, in_chans=channels)
    parity.assert_goes_both_ways(
        ViT, reference, parity.timm_writes, parity.timm_reads, tmp_path, parity.pictures(1, channels, 224, 224)
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_reads_torchvisions_files(tmp_path, legacy):
    models = pytest.importorskip("torchvision").models
    config = replace(VITS["vit_ti_16"][0])
    reference = parity.randomize(of_torchvision(config, 1000)).eval()
    state = reference.state_dict()
    if legacy:
        state = {n.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): t for n, t in state.items()}
    torch.save(state, tmp_path / "model.pth")
    model = ViT.from_pretrained(tmp_path / "model.pth", allow_pickle=True)
    assert model.config == config and models
    image = parity.pictures(1, 3, 224, 224)
    with torch.no_grad():
        assert_close(model(image), reference(image), atol=1e-4, rtol=1e-4)


def test_reads_transformers_folder(tmp_path):
    config = replace(TOY, eps=1e-12)
    reference = parity.randomize(of_transformers(config, 7)).eval()
    reference.save_pretrained(tmp_path)
    model = ViT.from_pretrained(tmp_path)
    assert model.config == config and model.classes == 7 and TRANSFORMERS.settings is not None
    image = parity.pictures(2, 3, 32, 32)
    assert_close(model(image), reference(image).logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [16, 48])
def test_positions_are_stretched_as_timm_stretches_them(size):
    timm = pytest.importorskip("timm")
    ours = ViT(TOY)
    parity.randomize(ours)
    expected = timm.layers.resample_abs_pos_embed(ours.position, [size // 8, size // 8])
    assert_close(ours.resized(size).position, expected, atol=1e-5, rtol=1e-5)


def test_weights_without_a_head_want_to_know_the_classes(tmp_path):
    """As self-supervised weights are published."""
    timm = pytest.importorskip("timm")
    parity.timm_writes(timm.create_model("vit_tiny_patch16_224", num_classes=0), tmp_path)
    with pytest.raises(Exception, match="say how many classes="):
        ViT.from_pretrained(tmp_path)
    assert ViT.from_pretrained(tmp_path, classes=3).head.weight.shape == (3, 192)


@pytest.mark.slow
def test_full_size_goes_through_files(tmp_path):
    models = pytest.importorskip("torchvision").models
    parity.assert_full_size(ViT, VITS["vit_b_32"][0], models.vit_b_32, tmp_path)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_384", "deit_tiny_patch16_224", "vit_small_patch32_224"])
def test_timm_builds_what_was_saved_for_its_own_size(tmp_path, name):
    """By the module's own means: the copy of a family takes this file along, and has no `models.create`."""
    config = TIMM.called(name, VITS[str(TIMM.variant(name, VITS))][0])
    model = ViT(config, classes=3).eval()
    model.save_pretrained(tmp_path)
    theirs = parity.timm_reads(tmp_path).eval()
    image = torch.rand(1, 3, config.size, config.size)
    with torch.no_grad():
        assert_close(theirs(image), model(image), atol=1e-5, rtol=1e-5)
