"""Attention as it was computed: the tables give the answers, in every kind of model, and nothing is changed by looking."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.models.vision.resnet import ResNet, ResNetConfig
from learnable.models.vision.swin import Swin, SwinConfig
from learnable.models.vision.vit import ViT, ViTConfig
from learnable.nn.attention_maps import attention_maps, rollout, weights_of

PICTURE, TEXT = torch.rand(2, 3, 32, 32), torch.randint(11, (2, 7))


def case(name: str):
    torch.manual_seed(0)
    return {
        "GPT": lambda: (GPT(GPTConfig(depth=2, width=16, heads=4, vocab=11, context=8)), TEXT, (2, 4, 7, 7), 2),
        "Llama": lambda: (
            Llama(LlamaConfig(depth=3, width=16, heads=4, key_heads=2, hidden=32, vocab=11, context=8)), TEXT, (2, 4, 7, 7), 3,
        ),
        "ViT": lambda: (ViT(ViTConfig(depth=2, width=16, heads=2, patch=8, size=32)), PICTURE, (2, 2, 17, 17), 2),
        "Swin": lambda: (Swin(SwinConfig(depths=(2, 1), heads=(2, 4), width=16, window=4)), PICTURE, (8, 2, 16, 16), 3),
    }[name]()  # fmt: skip


@pytest.mark.parametrize("name", ["GPT", "Llama", "ViT", "Swin"])
def test_every_layer_is_seen(name: str):
    model, inputs, shape, layers = case(name)
    model.eval()
    before = model(inputs)
    maps = attention_maps(model, inputs)
    assert len(maps) == layers and tuple(next(iter(maps.values())).shape) == shape
    for layer, table in maps.items():
        assert "attention" in layer
        assert_close(table.sum(-1), torch.ones(table.shape[:-1]))
    assert torch.equal(model(inputs), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_causal_tables_are_lower_triangles():
    model, inputs, *_ = case("GPT")
    for table in attention_maps(model, inputs).values():
        assert not table.triu(1).any()


@pytest.mark.parametrize("mask", ["none", "bool", "float", "causal"])
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_the_table_times_the_values_is_the_kernels_answer(mask: str, key_heads: int):
    query, (key, value) = torch.randn(2, 4, 5, 8), torch.randn(2, 2, key_heads, 5, 8)
    more = {
        "none": {}, "bool": {"attn_mask": torch.rand(2, 1, 5, 5) > 0.4}, "float": {"attn_mask": torch.randn(1, 4, 5, 5)},
        "causal": {"is_causal": True, "scale": 0.3},
    }[mask]  # fmt: skip
    more["enable_gqa"] = key_heads < 4
    table = weights_of(query, key, value, **more)
    expected = F.scaled_dot_product_attention(query, key, value, **more).nan_to_num(0.0)
    assert_close(table @ value.repeat_interleave(4 // key_heads, dim=1), expected)


def test_a_network_without_attention_says_so():
    with pytest.raises(CallError, match="no part of ResNet attends"):
        attention_maps(ResNet(ResNetConfig((1,), bottleneck=False, width=4)), PICTURE)


def test_hooks_go_when_the_model_fails():
    model, *_ = case("ViT")
    with pytest.raises(CallError):
        attention_maps(model, torch.rand(1, 3, 8, 8))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.reference
def test_other_peoples_models_are_seen_too():
    timm = pytest.importorskip("timm")
    model = timm.models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=3
    ).eval()
    assert {name: tuple(table.shape) for name, table in attention_maps(model, PICTURE).items()} == {
        "blocks.0.attn": (2, 2, 17, 17), "blocks.1.attn": (2, 2, 17, 17),
    }  # fmt: skip


def test_rollout_by_hand():
    one = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])  # all look at the first
    assert_close(rollout([one]), torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]))
    assert_close(rollout({"a": one, "b": one}), torch.tensor([[[1.0, 0.0], [0.75, 0.25]]]))
    with pytest.raises(CallError, match="square tables of one size"):
        rollout([one, torch.rand(1, 1, 3, 3)])
    with pytest.raises(CallError, match="came none"):
        rollout([])
