"""ShuffleNet V2 in the files of torchvision; timm and transformers do not have it."""

from learnable.weights.images import Format, normed, torchvision
from learnable.weights.table import Row, same

# theirs -> ours
TABLE = [
    *normed("conv1.0", "conv1.1", "stem.conv", "stem.norm"),
    *(
        row
        for stage in range(3)
        for row in (
            *normed(f"stage{stage + 2}.0.branch1.0", f"stage{stage + 2}.0.branch1.1",
                    f"stages.{stage}.0.depthwise.conv", f"stages.{stage}.0.depthwise.norm"),
            *normed(f"stage{stage + 2}.0.branch1.2", f"stage{stage + 2}.0.branch1.3",
                    f"stages.{stage}.0.pointwise.conv", f"stages.{stage}.0.pointwise.norm"),
            *normed(f"stage{stage + 2}.#.branch2.0", f"stage{stage + 2}.#.branch2.1",
                    f"stages.{stage}.#.work.0.conv", f"stages.{stage}.#.work.0.norm"),
            *normed(f"stage{stage + 2}.#.branch2.3", f"stage{stage + 2}.#.branch2.4",
                    f"stages.{stage}.#.work.1.conv", f"stages.{stage}.#.work.1.norm"),
            *normed(f"stage{stage + 2}.#.branch2.5", f"stage{stage + 2}.#.branch2.6",
                    f"stages.{stage}.#.work.2.conv", f"stages.{stage}.#.work.2.norm"),
        )
    ),
    *normed("conv5.0", "conv5.1", "widen.conv", "widen.norm"),
    Row("fc.weight", "head.weight", same),
    Row("fc.bias", "head.bias", same),
]  # fmt: skip

TORCHVISION = Format("torchvision", TABLE)
FORMATS = (TORCHVISION,)

PUBLISHED = torchvision(
    # variant              weights          file                            top-1   cut  resized to
    ("shufflenet_v2_x0_5", "IMAGENET1K_V1", "shufflenetv2_x0.5-f707e7126e.pth", 60.552, 224, 256),
    ("shufflenet_v2_x1_0", "IMAGENET1K_V1", "shufflenetv2_x1-5666bf0f80.pth",   69.362, 224, 256),
    ("shufflenet_v2_x1_5", "IMAGENET1K_V1", "shufflenetv2_x1_5-3c479a10.pth",   72.996, 224, 232),
    ("shufflenet_v2_x2_0", "IMAGENET1K_V1", "shufflenetv2_x2_0-8be3c8ee.pth",   76.230, 224, 232),
)  # fmt: skip
