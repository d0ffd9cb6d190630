"""ResNet in the files of torchvision and timm, which name everything alike, and of transformers."""

from collections.abc import Mapping
from typing import Any

from learnable.errors import WorldError
from learnable.weights.images import Format, Preprocessing, expect, normed, prefixed, timm, torchvision
from learnable.weights.table import Row, same

# theirs -> ours
TABLE = [
    *normed("conv1", "bn1", "stem.conv", "stem.norm"),
    *(
        row
        for stage in range(4)
        for row in (
            *normed(f"layer{stage + 1}.#.conv1", f"layer{stage + 1}.#.bn1", f"stages.{stage}.#.conv1", f"stages.{stage}.#.norm1"),
            *normed(f"layer{stage + 1}.#.conv2", f"layer{stage + 1}.#.bn2", f"stages.{stage}.#.conv2", f"stages.{stage}.#.norm2"),
            *normed(f"layer{stage + 1}.#.conv3", f"layer{stage + 1}.#.bn3", f"stages.{stage}.#.conv3", f"stages.{stage}.#.norm3"),
            *normed(f"layer{stage + 1}.#.downsample.0", f"layer{stage + 1}.#.downsample.1",
                    f"stages.{stage}.#.shortcut.0", f"stages.{stage}.#.shortcut.1"),
        )
    ),
    Row("fc.weight", "head.weight", same),
    Row("fc.bias", "head.bias", same),
]  # fmt: skip

TRANSFORMERS_TABLE = [
    *normed("resnet.embedder.embedder.convolution", "resnet.embedder.embedder.normalization", "stem.conv", "stem.norm"),
    *(
        row
        for number in range(3)
        for row in normed(
            f"resnet.encoder.stages.#.layers.#.layer.{number}.convolution",
            f"resnet.encoder.stages.#.layers.#.layer.{number}.normalization",
            f"stages.#.#.conv{number + 1}",
            f"stages.#.#.norm{number + 1}",
        )
    ),
    *normed(
        "resnet.encoder.stages.#.layers.#.shortcut.convolution",
        "resnet.encoder.stages.#.layers.#.shortcut.normalization",
        "stages.#.#.shortcut.0",
        "stages.#.#.shortcut.1",
    ),
    Row("classifier.1.weight", "head.weight", same),
    Row("classifier.1.bias", "head.bias", same),
]

# What their config may ask for, and the answers that ours has.
ANSWERS: dict[str, Any] = {
    "hidden_act": "relu", "downsample_in_first_stage": False, "downsample_in_bottleneck": False,
}  # fmt: skip


def settings_from(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `ResNetConfig` out of transformers' `config.json`.

    Raises:
        WorldError: it is no ResNet, or asks for something that ours does not do.
    """
    expect(config, "resnet", ANSWERS)
    bottleneck = config.get("layer_type", "bottleneck") == "bottleneck"
    depths, sizes, width = config.get("depths"), config.get("hidden_sizes"), config.get("embedding_size", 64)
    if not isinstance(depths, list) or sizes != [
        width * 2**stage * (4 if bottleneck else 1) for stage in range(len(depths))
    ]:
        raise WorldError(f"config.json asks for depths {depths} and hidden_sizes {sizes} behind {width} channels; in our ResNet "
                         "each stage is twice as wide as the one before")  # fmt: skip
    return {"depths": tuple(depths), "bottleneck": bottleneck, "width": width}


TORCHVISION = Format("torchvision", TABLE)
TIMM = Format("timm", TABLE, answers={"act_layer": "relu", "global_pool": "avg", "output_stride": 32})
TRANSFORMERS = Format("transformers", TRANSFORMERS_TABLE, settings=settings_from, change=prefixed("resnet."))
FORMATS = (TIMM, TORCHVISION, TRANSFORMERS)

PUBLISHED = (
    *torchvision(
        # variant     weights          file                        top-1   cut  resized to
        ("resnet18",  "IMAGENET1K_V1", "resnet18-f37072fd.pth",    69.758, 224, 256),
        ("resnet34",  "IMAGENET1K_V1", "resnet34-b627a593.pth",    73.314, 224, 256),
        ("resnet50",  "IMAGENET1K_V1", "resnet50-0676ba61.pth",    76.130, 224, 256),
        ("resnet50",  "IMAGENET1K_V2", "resnet50-11ad3fa6.pth",    80.858, 224, 232),
        ("resnet101", "IMAGENET1K_V1", "resnet101-63fe2227.pth",   77.374, 224, 256),
        ("resnet101", "IMAGENET1K_V2", "resnet101-cd907fc2.pth",   81.886, 224, 232),
        ("resnet152", "IMAGENET1K_V1", "resnet152-394f9c45.pth",   78.312, 224, 256),
        ("resnet152", "IMAGENET1K_V2", "resnet152-f82ba261.pth",   82.284, 224, 232),
    ),
    *timm(
        # variant     tag        licence
        ("resnet18",  "a1_in1k", "apache-2.0"),
        ("resnet34",  "a1_in1k", "apache-2.0"),
        ("resnet50",  "a1_in1k", "apache-2.0"),
        ("resnet101", "a1_in1k", "apache-2.0"),
        ("resnet152", "a1_in1k", "apache-2.0"),
        prepared=Preprocessing(crop=0.95, interpolation="bicubic"),
    ),
)  # fmt: skip
