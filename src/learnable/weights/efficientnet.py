"""EfficientNet in the files of torchvision, timm and transformers.

What no tensor shows: torchvision's B5 to B7 have norms with an eps of 1e-3, as have all that came from TensorFlow (timm's `tf_`
and transformers'), which pad in TensorFlow's way besides; timm's own have 1e-5.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from learnable.errors import WorldError
from learnable.weights.images import ANY, Format, Preprocessing, Published, expect, normed, prefixed, renamed
from learnable.weights.mobilenet import head, numbered, squeeze, timm_blocks, torchvision_block
from learnable.weights.table import Row


def torchvision_table(config: Any) -> list[Row]:
    """Each stage is a part of `features`, the stem and the widening are others."""
    last = len(config.stages) + 1
    return [
        *normed("features.0.0", "features.0.1", "stem.conv", "stem.norm"),
        *(
            row
            for _, stage, number, sizes in numbered(config)
            for row in torchvision_block(f"features.{stage + 1}.{number}.block", f"stages.{stage}.{number}", sizes)
        ),
        *normed(f"features.{last}.0", f"features.{last}.1", "widen.conv", "widen.norm"),
        *head("classifier.1"),
    ]


def timm_table(config: Any) -> list[Row]:
    """Stage by stage."""
    return [*timm_blocks(config), *normed("conv_head", "bn2", "widen.conv", "widen.norm"), *head("classifier")]


def transformers_table(config: Any) -> list[Row]:
    """The blocks counted through, each part with names of its own."""
    blocks, parts = "efficientnet.encoder.blocks", (
        ("expansion.expand_conv", "expansion.expand_bn", "expand"),
        ("depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm", "depthwise"),
        ("projection.project_conv", "projection.project_bn", "project"),
    )  # fmt: skip
    rows = normed("efficientnet.embeddings.convolution", "efficientnet.embeddings.batchnorm", "stem.conv", "stem.norm")
    for count, stage, number, _ in numbered(config):
        ours = f"stages.{stage}.{number}"
        for conv, norm, part in parts[0 if config.stages[stage][0] > 1 else 1 :]:
            rows += normed(
                f"{blocks}.{count}.{conv}", f"{blocks}.{count}.{norm}", f"{ours}.{part}.conv", f"{ours}.{part}.norm"
            )
        theirs = f"{blocks}.{count}.squeeze_excite"
        rows += squeeze(f"{theirs}.reduce", f"{theirs}.expand", ours)
    top = "efficientnet.encoder.top"
    return [*rows, *normed(f"{top}_conv", f"{top}_bn", "widen.conv", "widen.norm"), *head("classifier")]


ANSWERS: dict[str, Any] = {
    "hidden_act": "swish", "pooling_type": "mean", "depth_divisor": 8, "squeeze_expansion_ratio": 0.25,
    "kernel_sizes": [3, 3, 5, 3, 5, 5, 3], "in_channels": [32, 16, 24, 40, 80, 112, 192],
    "out_channels": [16, 24, 40, 80, 112, 192, 320], "strides": [1, 2, 2, 2, 1, 2, 1],
    "num_block_repeats": [1, 2, 2, 3, 3, 4, 1], "expand_ratios": [1, 6, 6, 6, 6, 6, 6],
}  # fmt: skip


def settings_from(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `EfficientNetConfig` out of transformers' `config.json`.

    `depthwise_padding` is not read: it lists the blocks whose maps have an odd side at `image_size`, which TensorFlow's
    padding finds out by itself at any size. Their momentum of 0.99 is TensorFlow's, which PyTorch calls 0.01.

    Raises:
        WorldError: it is no EfficientNet, or asks for something that ours does not do.
    """
    expect(config, "efficientnet", ANSWERS)
    wanted = {"width_coefficient": 2.0, "depth_coefficient": 3.1, "image_size": 600, "dropout_rate": 0.5, "drop_connect_rate": 0.2,
              "batch_norm_eps": 1e-3}  # fmt: skip
    found = {name: config.get(name, usual) for name, usual in wanted.items()}
    for name, value in found.items():
        if not isinstance(value, int | float):
            raise WorldError(f"config.json asks for {name} = {value!r}; expected a number")
    return {
        "width": float(found["width_coefficient"]), "depth": float(found["depth_coefficient"]),
        "size": int(found["image_size"]), "dropout": float(found["dropout_rate"]), "drop": float(found["drop_connect_rate"]),
        "norm": (float(found["batch_norm_eps"]), 0.01), "same": True,
    }  # fmt: skip


def timms(config: Any, arguments: Mapping[str, Any]) -> Any:
    """timm's own weights."""
    return replace(config, norm=(arguments.get("bn_eps", 1e-5), 0.1), same=arguments.get("pad_type") == "same")


def tensorflows(config: Any, arguments: Mapping[str, Any]) -> Any:
    """timm's ports of the paper's weights."""
    return replace(config, norm=(arguments.get("bn_eps", 1e-3), 0.1), same=arguments.get("pad_type", "same") == "same")


def to_timm(config: Any) -> dict[str, Any]:
    """What timm has to be told beside the name."""
    eps = config.norm[0]
    return {**({"bn_eps": eps} if eps != 1e-5 else {}), **({"pad_type": "same"} if config.same else {})}


TORCHVISION = Format("torchvision", torchvision_table)
OF_TIMM = {
    "act_layer": ("silu", "swish"),
    "bn_eps": ANY,
    "pad_type": ("same", ""),
    "global_pool": "avg",
    "output_stride": 32,
}
TIMM = Format("timm", timm_table, habits=timms, arguments=to_timm, answers=OF_TIMM)
TIMM_TF = Format("timm's ports from TensorFlow", timm_table,
                 {f"efficientnet_b{n}": f"tf_efficientnet_b{n}" for n in range(8)}, habits=tensorflows,
                 answers=OF_TIMM)  # fmt: skip
TRANSFORMERS = Format("transformers", transformers_table, settings=settings_from, change=prefixed("efficientnet."))
FORMATS = (TIMM, TIMM_TF, TORCHVISION, TRANSFORMERS)


def _torchvision(*rows: tuple[str, str, str, float, int, int, str]) -> tuple[Published, ...]:
    """As `images.torchvision`, with how each was resized."""
    return tuple(
        Published(f"torchvision/{variant}.{name}", variant, "BSD-3-Clause", top1, "https://download.pytorch.org/models/" + file,
                  Preprocessing(cut, cut / resized, interpolation=interpolation))
        for variant, name, file, top1, cut, resized, interpolation in rows
    )  # fmt: skip


SAME_NAMES = {f"efficientnet_b{n}": f"efficientnet_b{n}" for n in range(8)}

PUBLISHED = (
    *_torchvision(
        # variant           weights          file                                     top-1   cut  resized to
        ("efficientnet_b0", "IMAGENET1K_V1", "efficientnet_b0_rwightman-7f5810bc.pth", 77.692, 224, 256, "bicubic"),
        ("efficientnet_b1", "IMAGENET1K_V1", "efficientnet_b1_rwightman-bac287d4.pth", 78.642, 240, 256, "bicubic"),
        ("efficientnet_b1", "IMAGENET1K_V2", "efficientnet_b1-c27df63c.pth",           79.838, 240, 255, "bilinear"),
        ("efficientnet_b2", "IMAGENET1K_V1", "efficientnet_b2_rwightman-c35c1473.pth", 80.608, 288, 288, "bicubic"),
        ("efficientnet_b3", "IMAGENET1K_V1", "efficientnet_b3_rwightman-b3899882.pth", 82.008, 300, 320, "bicubic"),
        ("efficientnet_b4", "IMAGENET1K_V1", "efficientnet_b4_rwightman-23ab8bcd.pth", 83.384, 380, 384, "bicubic"),
        ("efficientnet_b5", "IMAGENET1K_V1", "efficientnet_b5_lukemelas-1a07897c.pth", 83.444, 456, 456, "bicubic"),
        ("efficientnet_b6", "IMAGENET1K_V1", "efficientnet_b6_lukemelas-24a108a5.pth", 84.008, 528, 528, "bicubic"),
        ("efficientnet_b7", "IMAGENET1K_V1", "efficientnet_b7_lukemelas-c5b4e57e.pth", 84.122, 600, 600, "bicubic"),
    ),
    *renamed(
        SAME_NAMES,
        # variant           tag                     size crop   interpolation, pixels from -1 to 1
        ("efficientnet_b0", "ra_in1k",              224, 0.875, "bicubic", False),
        ("efficientnet_b0", "ra4_e3600_r224_in1k",  224, 0.9,   "bicubic", True),
        ("efficientnet_b1", "ft_in1k",              224, 0.875, "bicubic", False),
        ("efficientnet_b1", "ra4_e3600_r240_in1k",  240, 0.9,   "bicubic", True),
        ("efficientnet_b2", "ra_in1k",              256, 0.875, "bicubic", False),
        ("efficientnet_b3", "ra2_in1k",             288, 0.875, "bicubic", False),
        ("efficientnet_b4", "ra2_in1k",             320, 0.875, "bicubic", False),
        ("efficientnet_b5", "sw_in12k_ft_in1k",     448, 1.0,   "bicubic", False),
    ),
    *renamed(
        SAME_NAMES,
        ("efficientnet_b0", "ns_jft_in1k", 224, 0.875, "bicubic", False),
        ("efficientnet_b1", "ns_jft_in1k", 240, 0.882, "bicubic", False),
        ("efficientnet_b2", "ns_jft_in1k", 260, 0.89,  "bicubic", False),
        ("efficientnet_b3", "ns_jft_in1k", 300, 0.904, "bicubic", False),
        ("efficientnet_b4", "ns_jft_in1k", 380, 0.922, "bicubic", False),
        ("efficientnet_b5", "ns_jft_in1k", 456, 0.934, "bicubic", False),
        ("efficientnet_b6", "ns_jft_in1k", 528, 0.942, "bicubic", False),
        ("efficientnet_b7", "ns_jft_in1k", 600, 0.949, "bicubic", False),
        prefix="tf_",
    ),
)  # fmt: skip
