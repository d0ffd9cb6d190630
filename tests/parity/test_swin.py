"""Swin against torchvision, timm and transformers: same weights in, same logits and gradients out."""

import re
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from learnable.models.vision.swin import SWINS, Swin, SwinConfig
from learnable.weights.images import Format
from learnable.weights.swin import TIMM, TORCHVISION, TRANSFORMERS_TABLE
from parity import pictures as parity

pytestmark = pytest.mark.reference

TOY = SwinConfig(depths=(2, 2, 2), heads=(2, 2, 4), width=16, window=4, size=64)


def of_torchvision(config: SwinConfig, classes: int):
    models = pytest.importorskip("torchvision").models
    return models.SwinTransformer(
        patch_size=[4, 4], embed_dim=config.width, depths=list(config.depths), num_heads=list(config.heads),
        window_size=[config.window] * 2, stochastic_depth_prob=0.0, num_classes=classes,
    )  # fmt: skip


def of_timm(config: SwinConfig, classes: int):
    timm = pytest.importorskip("timm")
    return timm.models.SwinTransformer(
        img_size=config.size, embed_dim=config.width, depths=config.depths, num_heads=config.heads,
        window_size=config.window, num_classes=classes, drop_path_rate=0.0,
    )  # fmt: skip


def of_transformers(config: SwinConfig, classes: int):
    transformers = pytest.importorskip("transformers")
    return transformers.SwinForImageClassification(
        transformers.SwinConfig(
            image_size=config.size, embed_dim=config.width, depths=list(config.depths), num_heads=list(config.heads),
            window_size=config.window, drop_path_rate=0.0, num_labels=classes,
        )
    )  # fmt: skip


WORDS = {"q": "query", "k": "key", "v": "value"}


def as_in_files(state: Any) -> dict[str, torch.Tensor]:
    """In memory transformers calls its layers by other names than in its files."""
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r"attention\.([qkv])_proj", lambda m: f"attention.self.{WORDS[m[1]]}", name)
        name = name.replace("attention.o_proj", "attention.output.dense").replace(
            "attention.relative_position_bias.", "attention.self."
        )
        renamed[name.replace("mlp.fc1", "intermediate.dense").replace("mlp.fc2", "output.dense")] = tensor
    return renamed


IN_MEMORY = Format("transformers", TRANSFORMERS_TABLE, change=as_in_files)


@pytest.mark.parametrize("dtype, train", [(torch.float64, True), (torch.float32, False)])
@pytest.mark.parametrize(
    "build, form",
    [(of_torchvision, TORCHVISION), (of_timm, TIMM), (of_transformers, IN_MEMORY)],
    ids=["torchvision", "timm", "transformers"],
)
def test_agrees(build, form, dtype, train):
    parity.assert_parity(Swin(TOY, classes=7), build(TOY, 7), form, parity.pictures(2, 3, 64, 64), dtype, train)


@pytest.mark.parametrize("size", [(64, 32), (71, 100), (16, 80)], ids=str)
def test_agrees_where_windows_do_not_fit(size):
    parity.assert_parity(Swin(TOY, classes=7), of_torchvision(TOY, 7), TORCHVISION, parity.pictures(2, 3, *size))


def test_goes_both_ways_with_timm(tmp_path):
    timm = pytest.importorskip("timm")
    reference = timm.create_model("swin_tiny_patch4_window7_224", num_classes=5)
    parity.assert_goes_both_ways(
        Swin, reference, parity.timm_writes, parity.timm_reads, tmp_path, parity.pictures(1, 3, 224, 224)
    )


def test_reads_torchvisions_file(tmp_path):
    models = pytest.importorskip("torchvision").models
    parity.assert_goes_both_ways(
        Swin, models.swin_t(), parity.torch_writes, parity.timm_reads, tmp_path,
        parity.pictures(1, 3, 224, 224), allow_pickle=True,
    )  # fmt: skip


def test_reads_transformers_folder(tmp_path):
    reference = parity.randomize(of_transformers(TOY, 7)).eval()
    reference.save_pretrained(tmp_path)
    model = Swin.from_pretrained(tmp_path)
    assert model.config == TOY and model.classes == 7
    image = parity.pictures(2, 3, 64, 64)
    assert_close(model(image), reference(image).logits, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_full_size_goes_through_files(tmp_path):
    models = pytest.importorskip("torchvision").models
    parity.assert_full_size(Swin, SWINS["swin_t"][0], models.swin_t, tmp_path)


@pytest.mark.parametrize("name", ["swin_t", "swin_b_384"])
def test_timm_builds_what_was_saved_for_its_own_size(tmp_path, name):
    pytest.importorskip("timm")
    config = SWINS[name][0]
    Swin(config, classes=3).save_pretrained(tmp_path)
    assert parity.timm_reads(tmp_path).patch_embed.img_size == (config.size, config.size)
