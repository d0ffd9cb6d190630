"""The Vision Transformer in the files of timm, torchvision and transformers."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from learnable.errors import WorldError
from learnable.weights.images import HALF, Format, Preprocessing, expect, prefixed, timm, torchvision
from learnable.weights.table import Row, join, same


def both(theirs: str, ours: str) -> tuple[Row, Row]:
    """A layer's weight and bias."""
    return Row(f"{theirs}.weight", f"{ours}.weight", same), Row(f"{theirs}.bias", f"{ours}.bias", same)


TIMM_TABLE = [
    #     theirs                our own
    Row("cls_token",            "class_token", same),
    Row("pos_embed",            "position",    same),
    *both("patch_embed.proj",   "patch"),
    *both("blocks.#.norm1",     "blocks.#.norm1"),
    *both("blocks.#.attn.qkv",  "blocks.#.attention.to_qkv"),
    *both("blocks.#.attn.proj", "blocks.#.attention.to_out"),
    *both("blocks.#.norm2",     "blocks.#.norm2"),
    *both("blocks.#.mlp.fc1",   "blocks.#.mlp.up"),
    *both("blocks.#.mlp.fc2",   "blocks.#.mlp.down"),
    *both("norm",               "norm"),
    *both("head",               "head"),
]  # fmt: skip

LAYER = "encoder.layers.encoder_layer_#"
TORCHVISION_TABLE = [
    Row("class_token",                             "class_token", same),
    Row("encoder.pos_embedding",                   "position",    same),
    *both("conv_proj",                             "patch"),
    *both(f"{LAYER}.ln_1",                         "blocks.#.norm1"),
    Row(f"{LAYER}.self_attention.in_proj_weight",  "blocks.#.attention.to_qkv.weight", same),
    Row(f"{LAYER}.self_attention.in_proj_bias",    "blocks.#.attention.to_qkv.bias",   same),
    *both(f"{LAYER}.self_attention.out_proj",      "blocks.#.attention.to_out"),
    *both(f"{LAYER}.ln_2",                         "blocks.#.norm2"),
    *both(f"{LAYER}.mlp.0",                        "blocks.#.mlp.up"),
    *both(f"{LAYER}.mlp.3",                        "blocks.#.mlp.down"),
    *both("encoder.ln",                            "norm"),
    *both("heads.head",                            "head"),
]  # fmt: skip

INNER = "vit.encoder.layer.#.attention"
TRANSFORMERS_TABLE = [
    Row("vit.embeddings.cls_token",                         "class_token", same),
    Row("vit.embeddings.position_embeddings",               "position",    same),
    *both("vit.embeddings.patch_embeddings.projection",     "patch"),
    *both("vit.encoder.layer.#.layernorm_before",           "blocks.#.norm1"),
    *(Row((f"{INNER}.attention.query.{part}", f"{INNER}.attention.key.{part}", f"{INNER}.attention.value.{part}"),
          f"blocks.#.attention.to_qkv.{part}", join(3)) for part in ("weight", "bias")),
    *both(f"{INNER}.output.dense",                          "blocks.#.attention.to_out"),
    *both("vit.encoder.layer.#.layernorm_after",            "blocks.#.norm2"),
    *both("vit.encoder.layer.#.intermediate.dense",         "blocks.#.mlp.up"),
    *both("vit.encoder.layer.#.output.dense",               "blocks.#.mlp.down"),
    *both("vit.layernorm",                                  "norm"),
    *both("classifier",                                     "head"),
    Row("vit.pooler.dense.weight",                          None, same),  # a head of its own that classifiers do not use
    Row("vit.pooler.dense.bias",                            None, same),
]  # fmt: skip


def settings_from(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `ViTConfig` out of transformers' `config.json`.

    Raises:
        WorldError: it is no ViT, or asks for something that ours does not do.
    """
    expect(
        config,
        "vit",
        {"hidden_act": "gelu", "qkv_bias": True, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    )
    width = config.get("hidden_size", 768)
    if config.get("intermediate_size", 3072) != 4 * width:
        raise WorldError(f"config.json asks for intermediate_size {config.get('intermediate_size', 3072)}; ours is 4 x "
                         f"hidden_size = {4 * width} alone")  # fmt: skip
    return {
        "depth": config.get("num_hidden_layers", 12),
        "width": width,
        "heads": config.get("num_attention_heads", 12),
        "patch": config.get("patch_size", 16),
        "size": config.get("image_size", 224),
        "eps": config.get("layer_norm_eps", 1e-12),
    }


def younger_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's first files call the layers of an MLP linear_1 and linear_2."""
    return {
        re.sub(r"mlp\.linear_([12])\.", lambda found: f"mlp.{0 if found[1] == '1' else 3}.", name): tensor
        for name, tensor in state.items()
    }


def by_positions(name: str) -> Callable[[Any, Mapping[str, Tensor]], Any]:
    """The size of the pictures, which the table of positions shows: many were trained on 224x224 and tuned on 384x384."""

    def sized(config: Any, state: Mapping[str, Tensor]) -> Any:
        if name not in state or state[name].dim() != 3:
            return config
        patches = state[name].shape[1] - 1
        side = math.isqrt(max(patches, 0))
        return replace(config, size=side * config.patch) if patches > 0 and side**2 == patches else config

    return sized


TIMM = Format(
    "timm",
    TIMM_TABLE,
    names={
        "vit_ti_16": "vit_tiny_patch16_224",
        "vit_s_16": "vit_small_patch16_224",
        "vit_s_32": "vit_small_patch32_224",
        "vit_b_8": "vit_base_patch8_224",
        "vit_b_16": "vit_base_patch16_224",
        "vit_b_32": "vit_base_patch32_224",
        "vit_l_16": "vit_large_patch16_224",
        "vit_l_32": "vit_large_patch32_224",
        "vit_h_14": "vit_huge_patch14_224",
    },
    answers={"act_layer": "gelu", "global_pool": "token", "class_token": True, "qkv_bias": True, "pre_norm": False},
    sized=by_positions("pos_embed"),
    others={
        "vit_tiny_patch16_384": "vit_ti_16",
        "vit_small_patch16_384": "vit_s_16",
        "vit_small_patch32_384": "vit_s_32",
        "vit_base_patch16_384": "vit_b_16",
        "vit_base_patch32_384": "vit_b_32",
        "vit_large_patch16_384": "vit_l_16",
        "vit_large_patch32_384": "vit_l_32",
        "deit_tiny_patch16_224": "vit_ti_16",
        "deit_small_patch16_224": "vit_s_16",
        "deit_base_patch16_224": "vit_b_16",
        "deit_base_patch16_384": "vit_b_16",
    },
    fixed=True,
)
TORCHVISION = Format(
    "torchvision", TORCHVISION_TABLE, change=younger_names, sized=by_positions("encoder.pos_embedding")
)
TRANSFORMERS = Format("transformers", TRANSFORMERS_TABLE, settings=settings_from, change=prefixed("vit."))
FORMATS = (TIMM, TORCHVISION, TRANSFORMERS)

PUBLISHED = (
    *torchvision(
        # variant    weights                      file                               top-1   cut  resized to
        ("vit_b_16", "IMAGENET1K_V1",             "vit_b_16-c867db91.pth",           81.072, 224, 256),
        ("vit_b_32", "IMAGENET1K_V1",             "vit_b_32-d86f8d99.pth",           75.912, 224, 256),
        ("vit_l_16", "IMAGENET1K_V1",             "vit_l_16-852ce7e3.pth",           79.662, 224, 242),
        ("vit_l_32", "IMAGENET1K_V1",             "vit_l_32-c7638314.pth",           76.972, 224, 256),
    ),
    *timm(
        # variant                 tag                        licence
        ("vit_tiny_patch16_224",  "augreg_in21k_ft_in1k",    "apache-2.0"),
        ("vit_small_patch16_224", "augreg_in21k_ft_in1k",    "apache-2.0"),
        ("vit_small_patch32_224", "augreg_in21k_ft_in1k",    "apache-2.0"),
        ("vit_base_patch8_224",   "augreg2_in21k_ft_in1k",   "apache-2.0"),
        ("vit_base_patch16_224",  "augreg2_in21k_ft_in1k",   "apache-2.0"),
        ("vit_base_patch32_224",  "augreg_in21k_ft_in1k",    "apache-2.0"),
        ("vit_large_patch16_224", "augreg_in21k_ft_in1k",    "apache-2.0"),
        names=TIMM.names,
        prepared=Preprocessing(crop=0.9, mean=HALF, std=HALF, interpolation="bicubic"),
    ),
)  # fmt: skip
