"""MobileNet in the files of torchvision, timm and transformers.

torchvision counts blocks through, timm stage by stage, so the tables follow from the plan of the blocks. What no tensor shows
differs as well: the norms of torchvision's V3 have an eps of 1e-3, those of timm's 1e-5; the weights that came from TensorFlow
(timm's `tf_` and all of transformers') have 1e-3 and TensorFlow's padding.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from learnable.errors import WorldError
from learnable.weights.images import ANY, Format, expect, normed, prefixed, renamed, torchvision
from learnable.weights.table import Change, Row, same

flat = Change(
    lambda tensor: tensor.flatten(1), lambda tensor: tensor[:, :, None, None]
)  # a 1x1 convolution is a matrix


def head(theirs: str) -> list[Row]:
    """The last layer."""
    return [Row(f"{theirs}.{part}", f"head.{part}", same) for part in ("weight", "bias")]


def squeeze(reduce: str, expand: str, ours: str) -> list[Row]:
    """The two layers of squeeze and excitation."""
    return [
        Row(f"{theirs}.{part}", f"{ours}.squeeze.{our}.{part}", same)
        for theirs, our in ((reduce, "reduce"), (expand, "expand"))
        for part in ("weight", "bias")
    ]


def numbered(config: Any) -> Iterator[tuple[int, int, int, Any]]:
    """The blocks of a plan: their number through all stages, their stage, their number in it, their sizes."""
    count = 0
    for stage, blocks in enumerate(config.plan):
        for number, sizes in enumerate(blocks):
            yield count, stage, number, sizes
            count += 1


def torchvision_block(theirs: str, ours: str, sizes: Any) -> list[Row]:
    """A block of torchvision's V3 and EfficientNet: a list of the parts that it has."""
    parts = [*(["expand"] if sizes.expands else []), "depthwise", *(["squeeze"] if sizes.squeezed else []), "project"]
    rows: list[Row] = []
    for place, part in enumerate(parts):
        if part == "squeeze":
            rows += squeeze(f"{theirs}.{place}.fc1", f"{theirs}.{place}.fc2", ours)
        else:
            rows += normed(f"{theirs}.{place}.0", f"{theirs}.{place}.1", f"{ours}.{part}.conv", f"{ours}.{part}.norm")
    return rows


def timm_block(theirs: str, ours: str, sizes: Any) -> list[Row]:
    """A block of timm, which numbers the norms through and calls the last convolution by what stands before it."""
    parts = [*([("conv_pw", "expand")] if sizes.expands else []), ("conv_dw", "depthwise"),
             ("conv_pwl" if sizes.expands else "conv_pw", "project")]  # fmt: skip
    rows: list[Row] = []
    for place, (name, part) in enumerate(parts, start=1):
        rows += normed(f"{theirs}.{name}", f"{theirs}.bn{place}", f"{ours}.{part}.conv", f"{ours}.{part}.norm")
    return rows + (squeeze(f"{theirs}.se.conv_reduce", f"{theirs}.se.conv_expand", ours) if sizes.squeezed else [])


def timm_blocks(config: Any) -> list[Row]:
    """timm's stem and all blocks."""
    return [
        *normed("conv_stem", "bn1", "stem.conv", "stem.norm"),
        *(
            row
            for _, stage, number, sizes in numbered(config)
            for row in timm_block(f"blocks.{stage}.{number}", f"stages.{stage}.{number}", sizes)
        ),
    ]


def of_timm(default: dict[str, Any]) -> Callable[[Any, Mapping[str, Any]], Any]:
    """Habits of timm's weights: those of the name, and what `model_args` say beside it."""

    def habits(config: Any, arguments: Mapping[str, Any]) -> Any:
        eps = arguments.get("bn_eps", default["eps"])
        return replace(config, eps=eps, same=arguments.get("pad_type", "same" if default["same"] else "") == "same")

    return habits


def to_timm(config: Any) -> dict[str, Any]:
    """What timm has to be told beside the name."""
    return {**({"bn_eps": config.eps} if config.eps != 1e-5 else {}), **({"pad_type": "same"} if config.same else {})}


ANSWERS: dict[str, Any] = {"bn_eps": ANY, "pad_type": ("same", ""), "global_pool": "avg", "output_stride": 32}
USUAL, TENSORFLOW = {"eps": 1e-5, "same": False}, {"eps": 1e-3, "same": True}


# V1

V1_TABLE = [
    *normed("conv_stem", "bn1", "stem.conv", "stem.norm"),
    *normed("blocks.#.#.conv_dw", "blocks.#.#.bn1", "stages.#.#.depthwise.conv", "stages.#.#.depthwise.norm"),
    *normed("blocks.#.#.conv_pw", "blocks.#.#.bn2", "stages.#.#.pointwise.conv", "stages.#.#.pointwise.norm"),
    *head("classifier"),
]


def v1_transformers(config: Any) -> list[Row]:
    """transformers counts the convolutions: two of each block."""
    rows = normed(
        "mobilenet_v1.conv_stem.convolution", "mobilenet_v1.conv_stem.normalization", "stem.conv", "stem.norm"
    )
    layer = 0
    for stage, (_, depth, _) in enumerate(config.stages):
        for number in range(depth):
            for part in ("depthwise", "pointwise"):
                theirs, ours = f"mobilenet_v1.layer.{layer}", f"stages.{stage}.{number}.{part}"
                rows += normed(f"{theirs}.convolution", f"{theirs}.normalization", f"{ours}.conv", f"{ours}.norm")
                layer += 1
    return rows + head("classifier")


def v1_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `MobileNetV1Config` out of transformers' `config.json`.

    Raises:
        WorldError: it is no MobileNet V1, or asks for something that ours does not do.
    """
    expect(config, "mobilenet_v1", {"hidden_act": "relu6", "min_depth": 8})
    width = config.get("depth_multiplier", 1.0)
    if not isinstance(width, int | float) or width <= 0 or any(width * channels % 8 for channels in (32, 64)):
        raise WorldError(
            f"config.json asks for depth_multiplier = {width!r}; ours has channels by eights, so a multiple of 0.25"
        )
    return {"width": float(width), "eps": config.get("layer_norm_eps", 1e-3), "same": config.get("tf_padding", True)}


V1_NAMES = {"mobilenet_v1": "mobilenetv1_100", "mobilenet_v1_x1_25": "mobilenetv1_125"}  # the narrow ones it has not
V1_TIMM = Format("timm", V1_TABLE, V1_NAMES, habits=of_timm(USUAL), arguments=to_timm,
                 answers=ANSWERS | {"act_layer": "relu6"})  # fmt: skip
V1_TRANSFORMERS = Format("transformers", v1_transformers, settings=v1_settings, change=prefixed("mobilenet_v1."))
V1_FORMATS = (V1_TIMM, V1_TRANSFORMERS)


# V2


def v2_torchvision(config: Any) -> list[Row]:
    """The last convolution of a block is not wrapped, the others are."""
    rows = normed("features.0.0", "features.0.1", "stem.conv", "stem.norm")
    count = 0
    for count, stage, number, sizes in numbered(config):
        theirs, ours = f"features.{count + 1}.conv", f"stages.{stage}.{number}"
        for place, part in enumerate(["expand", "depthwise"] if sizes.expands else ["depthwise"]):
            rows += normed(f"{theirs}.{place}.0", f"{theirs}.{place}.1", f"{ours}.{part}.conv", f"{ours}.{part}.norm")
        last = 2 if sizes.expands else 1
        rows += normed(f"{theirs}.{last}", f"{theirs}.{last + 1}", f"{ours}.project.conv", f"{ours}.project.norm")
    last = count + 2
    return [
        *rows,
        *normed(f"features.{last}.0", f"features.{last}.1", "widen.conv", "widen.norm"),
        *head("classifier.1"),
    ]


def v2_timm(config: Any) -> list[Row]:
    """Stage by stage."""
    return [*timm_blocks(config), *normed("conv_head", "bn2", "widen.conv", "widen.norm"), *head("classifier")]


def v2_transformers(config: Any) -> list[Row]:
    """The first block is part of the stem."""
    parts = (("expand_1x1", "expand"), ("conv_3x3", "depthwise"), ("reduce_1x1", "project"))
    pairs = [("conv_stem.first_conv", "stem"), ("conv_1x1", "widen")]
    for count, stage, number, sizes in numbered(config):
        theirs = f"layer.{count - 1}" if count else "conv_stem"
        pairs += [
            (f"{theirs}.{name}", f"stages.{stage}.{number}.{part}") for name, part in parts[0 if sizes.expands else 1 :]
        ]
    return [
        *(
            row
            for theirs, ours in pairs
            for row in normed(f"mobilenet_v2.{theirs}.convolution", f"mobilenet_v2.{theirs}.normalization",
                              f"{ours}.conv", f"{ours}.norm")
        ),
        *head("classifier"),
    ]  # fmt: skip


V2_ANSWERS: dict[str, Any] = {
    "hidden_act": "relu6", "min_depth": 8, "depth_divisible_by": 8, "expand_ratio": 6.0, "output_stride": 32,
    "first_layer_is_expansion": True, "finegrained_output": True,
}  # fmt: skip


def v2_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `MobileNetV2Config` out of transformers' `config.json`.

    Raises:
        WorldError: it is no MobileNet V2, or asks for something that ours does not do.
    """
    expect(config, "mobilenet_v2", V2_ANSWERS)
    width = config.get("depth_multiplier", 1.0)
    if not isinstance(width, int | float) or width <= 0:
        raise WorldError(f"config.json asks for depth_multiplier = {width!r}; expected a number above 0")
    return {"width": float(width), "eps": config.get("layer_norm_eps", 1e-3), "same": config.get("tf_padding", True)}


V2_NAMES = {
    "mobilenet_v2_x0_35": "mobilenetv2_035", "mobilenet_v2_x0_5": "mobilenetv2_050",
    "mobilenet_v2_x0_75": "mobilenetv2_075", "mobilenet_v2": "mobilenetv2_100", "mobilenet_v2_x1_4": "mobilenetv2_140",
}  # fmt: skip
V2_TORCHVISION = Format("torchvision", v2_torchvision)
V2_TIMM = Format("timm", v2_timm, V2_NAMES, habits=of_timm(USUAL), arguments=to_timm,
                 answers=ANSWERS | {"act_layer": "relu6"})  # fmt: skip
V2_TRANSFORMERS = Format("transformers", v2_transformers, settings=v2_settings, change=prefixed("mobilenet_v2."))
V2_FORMATS = (V2_TIMM, V2_TORCHVISION, V2_TRANSFORMERS)


# V3


def v3_torchvision(config: Any) -> list[Row]:
    """All in one row, from the stem to the widening."""
    rows = normed("features.0.0", "features.0.1", "stem.conv", "stem.norm")
    count = 0
    for count, stage, number, sizes in numbered(config):
        rows += torchvision_block(f"features.{count + 1}.block", f"stages.{stage}.{number}", sizes)
    last = count + 2
    return [
        *rows,
        *normed(f"features.{last}.0", f"features.{last}.1", "widen.conv", "widen.norm"),
        *(Row(f"classifier.0.{part}", f"widen_more.{part}", same) for part in ("weight", "bias")),
        *head("classifier.3"),
    ]


def v3_timm(config: Any) -> list[Row]:
    """The widening is a stage of its own, and the layer behind the average a convolution."""
    last = f"blocks.{len(config.stages)}.0"
    return [
        *timm_blocks(config),
        *normed(f"{last}.conv", f"{last}.bn1", "widen.conv", "widen.norm"),
        Row("conv_head.weight", "widen_more.weight", flat),
        Row("conv_head.bias", "widen_more.bias", same),
        *head("classifier"),
    ]


V3_NAMES = {
    "mobilenet_v3_small_x0_5": "mobilenetv3_small_050", "mobilenet_v3_small_x0_75": "mobilenetv3_small_075",
    "mobilenet_v3_small": "mobilenetv3_small_100", "mobilenet_v3_large_x0_75": "mobilenetv3_large_075",
    "mobilenet_v3_large": "mobilenetv3_large_100",
}  # fmt: skip
V3_TORCHVISION = Format("torchvision", v3_torchvision)
V3_TIMM = Format("timm", v3_timm, V3_NAMES, habits=of_timm(USUAL), arguments=to_timm,
                 answers=ANSWERS | {"act_layer": "hard_swish"})  # fmt: skip
V3_TIMM_TF = Format("timm's ports from TensorFlow", v3_timm, {our: f"tf_{name}" for our, name in V3_NAMES.items()},
                    habits=of_timm(TENSORFLOW), arguments=to_timm, answers=ANSWERS | {"act_layer": "hard_swish"})  # fmt: skip
V3_FORMATS = (V3_TIMM, V3_TIMM_TF, V3_TORCHVISION)


PUBLISHED = (
    *torchvision(
        # variant              weights          file                               top-1   cut  resized to
        ("mobilenet_v2",       "IMAGENET1K_V1", "mobilenet_v2-b0353104.pth",       71.878, 224, 256),
        ("mobilenet_v2",       "IMAGENET1K_V2", "mobilenet_v2-7ebf99e0.pth",       72.154, 224, 232),
        ("mobilenet_v3_large", "IMAGENET1K_V1", "mobilenet_v3_large-8738ca79.pth", 74.042, 224, 256),
        ("mobilenet_v3_large", "IMAGENET1K_V2", "mobilenet_v3_large-5c1a4163.pth", 75.274, 224, 232),
        ("mobilenet_v3_small", "IMAGENET1K_V1", "mobilenet_v3_small-047dcff4.pth", 67.668, 224, 256),
    ),
    *renamed(
        V1_NAMES,
        # variant             tag                     size crop   interpolation, pixels from -1 to 1
        ("mobilenet_v1",       "ra4_e3600_r224_in1k", 224, 0.875, "bicubic",  True),
        ("mobilenet_v1_x1_25", "ra4_e3600_r224_in1k", 224, 0.9,   "bicubic",  True),
    ),
    *renamed(
        V2_NAMES,
        ("mobilenet_v2_x0_5",  "lamb_in1k",           224, 0.875, "bicubic",  False),
        ("mobilenet_v2",       "ra_in1k",             224, 0.875, "bicubic",  False),
        ("mobilenet_v2_x1_4",  "ra_in1k",             224, 0.875, "bicubic",  False),
    ),
    *renamed(
        V3_NAMES,
        ("mobilenet_v3_small_x0_5",  "lamb_in1k",           224, 0.875, "bicubic", False),
        ("mobilenet_v3_small_x0_75", "lamb_in1k",           224, 0.875, "bicubic", False),
        ("mobilenet_v3_small",       "lamb_in1k",           224, 0.875, "bicubic", False),
        ("mobilenet_v3_large",       "ra_in1k",             224, 0.875, "bicubic", False),
        ("mobilenet_v3_large",       "ra4_e3600_r224_in1k", 224, 0.95,  "bicubic", True),
    ),
    *renamed(
        V3_NAMES,
        ("mobilenet_v3_small_x0_75", "in1k", 224, 0.875, "bilinear", True),
        ("mobilenet_v3_small",       "in1k", 224, 0.875, "bilinear", True),
        ("mobilenet_v3_large_x0_75", "in1k", 224, 0.875, "bilinear", True),
        ("mobilenet_v3_large",       "in1k", 224, 0.875, "bilinear", True),
        prefix="tf_",
    ),
)  # fmt: skip
