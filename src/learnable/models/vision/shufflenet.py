r"""ShuffleNet V2: half of the channels rest in each block, and a shuffle sees to it that it is not always the same half.

    a, b = halves of x
    y    = shuffle(a, F(b))        F: 1x1, depthwise 3x3, 1x1

It was designed by the clock, not by counting multiplications: equal widths, no groups in the 1x1 convolutions, few
branches, nothing added element by element.

Paper    Ma et al. 2018, "ShuffleNet V2", table 5 and figure 3 - https://arxiv.org/abs/1807.11164
Letters  table 5's stages 2 to 4 are our `stages`
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.pictures import check_pictures, check_sizes
from learnable.nn.separable import ConvNorm, reset_convolutions
from learnable.ops.shuffle import interleave
from learnable.weights import shufflenet as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier


@dataclass(frozen=True)
class ShuffleNetV2Config:
    """What may be chosen of the architecture."""

    widths: tuple[int, ...]  # channels of the stages
    last: int = 1024  # channels before the picture is averaged
    depths: tuple[int, ...] = (4, 8, 4)  # blocks in each stage; each halves the picture once
    stem: int = 24
    shuffle: bool = True  # False: the halves are joined as they are, to see what the shuffle is good for

    def __post_init__(self) -> None:
        check_sizes(self, *self.widths, *self.depths, self.last, self.stem)
        if len(self.widths) != len(self.depths) or any(width % 2 for width in self.widths):
            raise CallError(f"expected an even width for each of {len(self.depths)} stages, came {self.widths}")


#                         config                                                       parameters
SHUFFLENETS = {
    "shufflenet_v2_x0_5": (ShuffleNetV2Config(widths=(48, 96, 192)),                    1_366_792),
    "shufflenet_v2_x1_0": (ShuffleNetV2Config(widths=(116, 232, 464)),                  2_278_604),
    "shufflenet_v2_x1_5": (ShuffleNetV2Config(widths=(176, 352, 704)),                  3_503_624),
    "shufflenet_v2_x2_0": (ShuffleNetV2Config(widths=(244, 488, 976), last=2048),       7_393_996),
}  # fmt: skip


class ShuffleNetV2(nn.Module):
    """Table 5 of the paper.

    >>> ShuffleNetV2(SHUFFLENETS["shufflenet_v2_x0_5"][0], classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape.
    """

    first: ClassVar[str] = "stem.conv"
    last: ClassVar[str] = "head"

    def __init__(self, config: ShuffleNetV2Config, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None
        self.stem = ConvNorm(channels, config.stem, 3, stride=2, activation=nn.ReLU)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stages = nn.ModuleList(
            nn.Sequential(Halving(before, width, config.shuffle), *(Half(width, config.shuffle) for _ in range(depth - 1)))
            for before, width, depth in zip((config.stem, *config.widths), config.widths, config.depths, strict=False)
        )  # fmt: skip
        self.widen = ConvNorm(config.widths[-1], config.last, 1, activation=nn.ReLU)
        self.head = nn.Linear(config.last, classes)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """The stem and the end of each stage: a half, 8th, 16th and 32nd of the picture."""
        return ("stem", *(f"stages.{stage}" for stage in range(len(self.stages))))

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.features(image).mean(dim=(2, 3)))

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps before they are averaged over the picture."""
        check_pictures(image, self.channels)
        x = self.pool(self.stem(image))
        for stage in self.stages:
            x = stage(x)
        return self.widen(x)

    def reset_parameters(self) -> None:
        """He initialization; the last layer starts small."""
        reset_convolutions(self)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "ShuffleNetV2":
        """Published weights of torchvision, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, SHUFFLENETS, weights.FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder whose tensors are named as torchvision's; timm has no ShuffleNet."""
        save_classifier(self, folder, SHUFFLENETS, weights.TORCHVISION)


class Half(nn.Module):
    """Half of the channels pass, the other half is worked on (figure 3c)."""

    def __init__(self, width: int, shuffle: bool = True):
        super().__init__()
        self.work = work(width // 2, width // 2, stride=1)
        self.shuffle = shuffle

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps h w"]:
        a, b = x.chunk(2, dim=1)
        return join(a, self.work(b), self.shuffle)


class Halving(nn.Module):
    """The picture is halved: both branches see all channels and work (figure 3d)."""

    def __init__(self, channels: int, width: int, shuffle: bool = True):
        super().__init__()
        self.depthwise = ConvNorm(channels, channels, 3, stride=2, groups=channels)
        self.pointwise = ConvNorm(channels, width // 2, 1, activation=nn.ReLU)
        self.work = work(channels, width // 2, stride=2)
        self.shuffle = shuffle

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h2 w2"]:
        return join(self.pointwise(self.depthwise(x)), self.work(x), self.shuffle)


def work(channels: int, width: int, stride: int) -> nn.Sequential:
    """Mix, look around, mix; no activation between the last two."""
    return nn.Sequential(
        ConvNorm(channels, width, 1, activation=nn.ReLU),
        ConvNorm(width, width, 3, stride, groups=width),
        ConvNorm(width, width, 1, activation=nn.ReLU),
    )


def join(a: Float[Tensor, "batch half h w"], b: Float[Tensor, "batch half h w"], shuffle: bool) -> Tensor:
    """Two halves become one; shuffled, each later half has a part of both."""
    return interleave(a, b) if shuffle else torch.cat((a, b), dim=1)
