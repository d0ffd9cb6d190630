"""AlexNet in the files of torchvision; timm has none."""

from learnable.weights.images import Format, torchvision
from learnable.weights.table import Row, same

#          theirs           ours
LAYERS = {
    "features.0":   "conv1",
    "features.3":   "conv2",
    "features.6":   "conv3",
    "features.8":   "conv4",
    "features.10":  "conv5",
    "classifier.1": "dense6",
    "classifier.4": "dense7",
    "classifier.6": "head",
}  # fmt: skip

TABLE = [
    Row(f"{theirs}.{part}", f"{ours}.{part}", same) for theirs, ours in LAYERS.items() for part in ("weight", "bias")
]

TORCHVISION = Format("torchvision", TABLE)
FORMATS = (TORCHVISION,)

PUBLISHED = torchvision(
    # variant   weights          file                        top-1   cut  resized to
    ("alexnet", "IMAGENET1K_V1", "alexnet-owt-7be5be79.pth", 56.522, 224, 256),
)
