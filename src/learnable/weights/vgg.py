"""VGG in the files of torchvision and of timm, which writes the dense layers as convolutions of the whole 7x7 field.

torchvision has a third file of VGG-16, `IMAGENET1K_FEATURES`, for detectors: it has no dense layers, so it is no classifier
and no row of `PUBLISHED`.
"""

from typing import Any

from torch import Tensor

from learnable.weights.images import Format, Preprocessing, normed, timm, torchvision
from learnable.weights.table import Change, Row, Table, same


def convolutions(config: Any) -> list[Row]:
    """Both count convolutions, norms, ReLUs and pools in one row."""
    rows, place = [], 0
    for stage, depth in enumerate(config.depths):
        for layer in range(depth):
            ours = f"stages.{stage}.layers.{layer}"
            if config.norm:
                rows += normed(f"features.{place}", f"features.{place + 1}", f"{ours}.conv", f"{ours}.norm", bias=True)
            else:
                rows += both(f"features.{place}", f"{ours}.conv")
            place += 3 if config.norm else 2
        place += 1  # the pool
    return rows


def both(theirs: str, ours: str, change: Change = same) -> list[Row]:
    return [Row(f"{theirs}.weight", f"{ours}.weight", change), Row(f"{theirs}.bias", f"{ours}.bias", same)]


def torchvision_table(config: Any) -> Table:
    return [
        *convolutions(config),
        *both("classifier.0", "dense1"),
        *both("classifier.3", "dense2"),
        *both("classifier.6", "head"),
    ]


def timm_table(config: Any) -> Table:
    def field(side: int) -> Change:
        """A matrix over all maps and places is a kernel as large as the field, and back."""

        def to_theirs(tensor: Tensor) -> Tensor:
            return tensor.unflatten(1, (-1, side, side))

        return Change(lambda tensor: tensor.flatten(1), to_theirs)

    return [
        *convolutions(config),
        *both("pre_logits.fc1", "dense1", field(config.grid)),
        *both("pre_logits.fc2", "dense2", field(1)),
        *both("head.fc", "head"),
    ]


TORCHVISION = Format("torchvision", torchvision_table)
TIMM = Format("timm", timm_table, answers={"act_layer": "relu", "global_pool": "avg"})
FORMATS = (TIMM, TORCHVISION)

PUBLISHED = (
    *torchvision(
        # variant    weights          file                     top-1   cut  resized to
        ("vgg11",    "IMAGENET1K_V1", "vgg11-8a719046.pth",    69.020, 224, 256),
        ("vgg13",    "IMAGENET1K_V1", "vgg13-19584684.pth",    69.928, 224, 256),
        ("vgg16",    "IMAGENET1K_V1", "vgg16-397923af.pth",    71.592, 224, 256),
        ("vgg19",    "IMAGENET1K_V1", "vgg19-dcbb9e9d.pth",    72.376, 224, 256),
        ("vgg11_bn", "IMAGENET1K_V1", "vgg11_bn-6002323d.pth", 70.370, 224, 256),
        ("vgg13_bn", "IMAGENET1K_V1", "vgg13_bn-abd245e5.pth", 71.586, 224, 256),
        ("vgg16_bn", "IMAGENET1K_V1", "vgg16_bn-6c64b313.pth", 73.360, 224, 256),
        ("vgg19_bn", "IMAGENET1K_V1", "vgg19_bn-c79401a0.pth", 74.218, 224, 256),
    ),
    *timm(
        # variant    tag        licence
        ("vgg11",    "tv_in1k", "bsd-3-clause"),
        ("vgg13",    "tv_in1k", "bsd-3-clause"),
        ("vgg16",    "tv_in1k", "bsd-3-clause"),
        ("vgg19",    "tv_in1k", "bsd-3-clause"),
        ("vgg11_bn", "tv_in1k", "bsd-3-clause"),
        ("vgg13_bn", "tv_in1k", "bsd-3-clause"),
        ("vgg16_bn", "tv_in1k", "bsd-3-clause"),
        ("vgg19_bn", "tv_in1k", "bsd-3-clause"),
        prepared=Preprocessing(),
    ),
)  # fmt: skip
