"""DenseNet in the files of torchvision and timm, which name everything alike, older names included."""

import re
from collections.abc import Mapping

from torch import Tensor

from learnable.weights.images import Format, normed, timm, torchvision
from learnable.weights.table import Row, same

LAYER, OURS = "features.denseblock#.denselayer#", "blocks.#.layers.#"

# theirs -> ours
TABLE = [
    *normed("features.conv0", "features.norm0", "stem.conv", "stem.norm"),
    *normed(f"{LAYER}.conv1", f"{LAYER}.norm1", f"{OURS}.conv1", f"{OURS}.norm1"),
    *normed(f"{LAYER}.conv2", f"{LAYER}.norm2", f"{OURS}.conv2", f"{OURS}.norm2"),
    *normed("features.transition#.conv", "features.transition#.norm", "transitions.#.conv", "transitions.#.norm"),
    *normed("", "features.norm5", "", "norm")[1:],
    Row("classifier.weight", "head.weight", same),
    Row("classifier.bias", "head.bias", same),
]


def modern(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published files are of 2017, when a layer's parts had a dot before their number: `denselayer1.norm.1.weight`."""
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", name): tensor for name, tensor in state.items()}


TORCHVISION = Format("torchvision", TABLE, change=modern)
TIMM = Format("timm", TABLE, change=modern, answers={"act_layer": "relu", "global_pool": "avg"})
FORMATS = (TIMM, TORCHVISION)

PUBLISHED = (
    *torchvision(
        # variant       weights          file                        top-1   cut  resized to
        ("densenet121", "IMAGENET1K_V1", "densenet121-a639ec97.pth", 74.434, 224, 256),
        ("densenet161", "IMAGENET1K_V1", "densenet161-8d451a50.pth", 77.138, 224, 256),
        ("densenet169", "IMAGENET1K_V1", "densenet169-b2777c0a.pth", 75.600, 224, 256),
        ("densenet201", "IMAGENET1K_V1", "densenet201-c1103571.pth", 76.896, 224, 256),
    ),
    *timm(
        # variant       tag        licence
        ("densenet121", "ra_in1k", "apache-2.0"),
        ("densenet121", "tv_in1k", "apache-2.0"),
        ("densenet161", "tv_in1k", "apache-2.0"),
        ("densenet169", "tv_in1k", "apache-2.0"),
        ("densenet201", "tv_in1k", "apache-2.0"),
    ),
)  # fmt: skip
