"""Swin in the files of timm, torchvision and transformers."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from learnable.errors import WorldError
from learnable.weights.images import Format, Preprocessing, expect, prefixed, timm, torchvision
from learnable.weights.table import Row, Table, join, same
from learnable.weights.vit import both


def timm_table(config: Any) -> Table:
    """timm's names, also those of its files before 2023, when a merge stood at the end of the stage before it."""
    block = "layers.#.blocks.#"
    return [
        *both("patch_embed.proj", "patch"),
        *both("patch_embed.norm", "patch_norm"),
        *_numbered(both("layers.{}.downsample.norm", "merges.{}.norm"), range(1, len(config.depths)), -1),
        *_numbered([Row("layers.{}.downsample.reduction.weight", "merges.{}.reduction.weight", same)],
                   range(1, len(config.depths)), -1),
        *both(f"{block}.norm1", "stages.#.#.norm1"),
        *both(f"{block}.attn.qkv", "stages.#.#.attention.to_qkv"),
        *both(f"{block}.attn.proj", "stages.#.#.attention.to_out"),
        Row(f"{block}.attn.relative_position_bias_table", "stages.#.#.attention.distance", same),
        *both(f"{block}.norm2", "stages.#.#.norm2"),
        *both(f"{block}.mlp.fc1", "stages.#.#.mlp.up"),
        *both(f"{block}.mlp.fc2", "stages.#.#.mlp.down"),
        *both("norm", "norm"),
        *both("head.fc", "head"),
        Row(f"{block}.attn.relative_position_index", None, same),  # follows from the window
        Row(f"{block}.attn_mask", None, same),
    ]  # fmt: skip


def torchvision_table(config: Any) -> Table:
    rows: list[Row] = [*both("features.0.0", "patch"), *both("features.0.2", "patch_norm")]
    for stage in range(len(config.depths)):
        block, ours = f"features.{2 * stage + 1}.#", f"stages.{stage}.#"
        rows += [
            *both(f"{block}.norm1", f"{ours}.norm1"),
            *both(f"{block}.attn.qkv", f"{ours}.attention.to_qkv"),
            *both(f"{block}.attn.proj", f"{ours}.attention.to_out"),
            Row(f"{block}.attn.relative_position_bias_table", f"{ours}.attention.distance", same),
            Row(f"{block}.attn.relative_position_index", None, same),
            *both(f"{block}.norm2", f"{ours}.norm2"),
            *both(f"{block}.mlp.0", f"{ours}.mlp.up"),
            *both(f"{block}.mlp.3", f"{ours}.mlp.down"),
        ]
        if stage:
            rows += [
                *both(f"features.{2 * stage}.norm", f"merges.{stage - 1}.norm"),
                Row(f"features.{2 * stage}.reduction.weight", f"merges.{stage - 1}.reduction.weight", same),
            ]
    return [*rows, *both("norm", "norm"), *both("head", "head")]


BLOCK = "swin.encoder.layers.#.blocks.#"
TRANSFORMERS_TABLE = [
    *both("swin.embeddings.patch_embeddings.projection",        "patch"),
    *both("swin.embeddings.norm",                               "patch_norm"),
    *both("swin.encoder.layers.#.downsample.norm",              "merges.#.norm"),
    Row("swin.encoder.layers.#.downsample.reduction.weight",    "merges.#.reduction.weight", same),
    *both(f"{BLOCK}.layernorm_before",                          "stages.#.#.norm1"),
    *(Row((f"{BLOCK}.attention.self.query.{part}", f"{BLOCK}.attention.self.key.{part}", f"{BLOCK}.attention.self.value.{part}"),
          f"stages.#.#.attention.to_qkv.{part}", join(3)) for part in ("weight", "bias")),
    *both(f"{BLOCK}.attention.output.dense",                    "stages.#.#.attention.to_out"),
    Row(f"{BLOCK}.attention.self.relative_position_bias_table", "stages.#.#.attention.distance", same),
    Row(f"{BLOCK}.attention.self.relative_position_index",      None, same),
    *both(f"{BLOCK}.layernorm_after",                           "stages.#.#.norm2"),
    *both(f"{BLOCK}.intermediate.dense",                        "stages.#.#.mlp.up"),
    *both(f"{BLOCK}.output.dense",                              "stages.#.#.mlp.down"),
    *both("swin.layernorm",                                     "norm"),
    *both("classifier",                                         "head"),
]  # fmt: skip


def settings_from(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `SwinConfig` out of transformers' `config.json`.

    Raises:
        WorldError: it is no Swin, or asks for something that ours does not do.
    """
    expect(config, "swin", {"hidden_act": "gelu", "qkv_bias": True, "mlp_ratio": 4.0, "patch_size": 4, "layer_norm_eps": 1e-5,
                            "use_absolute_embeddings": False})  # fmt: skip
    depths, heads = config.get("depths"), config.get("num_heads")
    if not isinstance(depths, list) or not isinstance(heads, list):
        raise WorldError(f"expected lists for depths and num_heads in config.json, came {depths!r} and {heads!r}")
    return {
        "depths": tuple(depths),
        "heads": tuple(heads),
        "width": config.get("embed_dim", 96),
        "window": config.get("window_size", 7),
        "size": config.get("image_size", 224),
    }


def merges_at_the_start(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """timm's older files, and the authors' own, have a merge at the end of the stage before it, and a head without `fc`."""
    older = "layers.0.downsample.norm.weight" in state
    renamed = {}
    for name, tensor in state.items():
        words = name.split(".")
        if older and words[0] == "layers" and words[2] == "downsample":
            words[1] = str(int(words[1]) + 1)
        if words[0] == "head" and len(words) == 2:
            words = ["head", "fc", words[1]]
        renamed[".".join(words)] = tensor
    return renamed


def _numbered(rows: Any, numbers: range, more: int) -> list[Row]:
    """Rows with `{}` for a number that is `more` larger in our names."""
    return [Row(row.theirs.format(n), row.ours.format(n + more), row.change) for row in rows for n in numbers]


TIMM = Format(
    "timm",
    timm_table,
    names={
        "swin_t": "swin_tiny_patch4_window7_224",
        "swin_s": "swin_small_patch4_window7_224",
        "swin_b": "swin_base_patch4_window7_224",
        "swin_l": "swin_large_patch4_window7_224",
        "swin_b_384": "swin_base_patch4_window12_384",
        "swin_l_384": "swin_large_patch4_window12_384",
    },
    change=merges_at_the_start,
    answers={"act_layer": "gelu", "global_pool": "avg", "qkv_bias": True},
    fixed=True,
)
TORCHVISION = Format("torchvision", torchvision_table)
TRANSFORMERS = Format("transformers", TRANSFORMERS_TABLE, settings=settings_from, change=prefixed("swin."))
FORMATS = (TORCHVISION, TIMM, TRANSFORMERS)

PUBLISHED = (
    *torchvision(
        # variant  weights          file                   top-1   cut  resized to
        ("swin_t", "IMAGENET1K_V1", "swin_t-704ceda3.pth", 81.474, 224, 232),
        ("swin_s", "IMAGENET1K_V1", "swin_s-5e29d889.pth", 83.196, 224, 246),
        ("swin_b", "IMAGENET1K_V1", "swin_b-68c6b09e.pth", 83.582, 224, 238),
        interpolation="bicubic",
    ),
    *timm(
        # variant                          tag                   licence
        ("swin_tiny_patch4_window7_224",   "ms_in1k",            "mit"),
        ("swin_small_patch4_window7_224",  "ms_in1k",            "mit"),
        ("swin_base_patch4_window7_224",   "ms_in22k_ft_in1k",   "mit"),
        ("swin_large_patch4_window7_224",  "ms_in22k_ft_in1k",   "mit"),
        names=TIMM.names,
        prepared=Preprocessing(crop=0.9, interpolation="bicubic"),
    ),
    *timm(
        ("swin_base_patch4_window12_384",  "ms_in22k_ft_in1k",   "mit"),
        ("swin_large_patch4_window12_384", "ms_in22k_ft_in1k",   "mit"),
        names=TIMM.names,
        prepared=Preprocessing(size=384, crop=1.0, interpolation="bicubic"),
    ),
)  # fmt: skip
