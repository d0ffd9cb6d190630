r"""VGG: nothing but 3x3 convolutions, one after the other, until the picture is 7x7 and everything has been said.

Two of them see 5x5 pixels, three 7x7, with fewer weights (18 and 27 per pair of maps for 25 and 49) and a ReLU in between. So
a layer needs no choice of its own any more, and depth is what one varies.

Paper    Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", table 1
         https://arxiv.org/abs/1409.1556
Letters  table 1's columns A, B, D, E are VGG-11, 13, 16, 19; its rows between two pools are our `stages`
Differs  the variants with batch norm came later, with torchvision; they keep the convolution's bias, which the norm undoes.
         He initialization, where the paper trained the shallow one first and began the deep ones with its layers. What is
         left of a picture that is not 224x224 is averaged into 7x7, as torchvision does (timm: only where it is smaller)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Unpack

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.pictures import check_pictures, check_sizes
from learnable.weights import vgg as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier


@dataclass(frozen=True)
class VGGConfig:
    """What may be chosen of the architecture.

    >>> VGGConfig(depths=(2, 2, 3, 3, 3)).layers
    16
    """

    depths: tuple[int, ...]  # convolutions in each stage; each stage ends in a pool that halves the picture
    norm: bool = False  # batch norm behind each convolution
    width: int = 64  # maps of the first stage; each next one has twice as many, up to eight times
    hidden: int = 4096  # of the two dense layers
    grid: int = 7  # places per side that the dense layers see, whatever the picture's size
    dropout: float = 0.5  # share of the dense layers' results that is left out in training

    def __post_init__(self) -> None:
        check_sizes(self, len(self.depths), *self.depths, self.width, self.hidden, self.grid)
        if not 0 <= self.dropout < 1:
            raise CallError(f"expected dropout from 0 to under 1, came {self.dropout}")

    @property
    def layers(self) -> int:
        """The number in the name: layers with weights from the picture to the logits."""
        return sum(self.depths) + 3

    @property
    def widths(self) -> tuple[int, ...]:
        """Maps of each stage."""
        return tuple(self.width * min(8, 2**stage) for stage in range(len(self.depths)))


#               config                                      parameters
VGGS = {
    "vgg11":    (VGGConfig(depths=(1, 1, 2, 2, 2)),            132_863_336),
    "vgg13":    (VGGConfig(depths=(2, 2, 2, 2, 2)),            133_047_848),
    "vgg16":    (VGGConfig(depths=(2, 2, 3, 3, 3)),            138_357_544),
    "vgg19":    (VGGConfig(depths=(2, 2, 4, 4, 4)),            143_667_240),
    "vgg11_bn": (VGGConfig(depths=(1, 1, 2, 2, 2), norm=True), 132_868_840),
    "vgg13_bn": (VGGConfig(depths=(2, 2, 2, 2, 2), norm=True), 133_053_736),
    "vgg16_bn": (VGGConfig(depths=(2, 2, 3, 3, 3), norm=True), 138_365_992),
    "vgg19_bn": (VGGConfig(depths=(2, 2, 4, 4, 4), norm=True), 143_678_248),
}  # fmt: skip


class VGG(nn.Module):
    """Table 1 of the paper.

    >>> small = VGGConfig(depths=(1, 1, 2, 2, 2), width=8, hidden=32)
    >>> VGG(small, classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape, or too small.
    """

    first: ClassVar[str] = "stages.0.layers.0.conv"  # the layer that depends on the number of channels
    last: ClassVar[str] = "head"  # the layer that depends on the number of classes

    def __init__(self, config: VGGConfig, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None  # what published weights expect of a picture
        before = (channels, *config.widths)
        self.stages = nn.ModuleList(
            Stage(inputs, width, depth, config.norm)
            for inputs, width, depth in zip(before, config.widths, config.depths, strict=False)
        )
        self.dense1 = nn.Linear(config.widths[-1] * config.grid**2, config.hidden)
        self.dense2 = nn.Linear(config.hidden, config.hidden)
        self.head = nn.Linear(config.hidden, classes)
        self.dropout = nn.Dropout(config.dropout)
        self.relu = nn.ReLU(inplace=True)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """Where the feature maps of a pyramid are taken: the last convolution of each stage, at all of the picture, a half ..."""
        return tuple(f"stages.{stage}.layers" for stage in range(len(self.stages)))

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        x = F.adaptive_avg_pool2d(self.features(image), self.config.grid).flatten(1)
        x = self.dropout(self.relu(self.dense1(x)))
        x = self.dropout(self.relu(self.dense2(x)))
        return self.head(x)

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps in front of the dense layers."""
        check_pictures(image, self.channels, 2 ** len(self.stages))
        x = image
        for stage in self.stages:
            x = stage(x)
        return x

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """He initialization, without which nothing deeper than eleven layers would learn; dense layers begin small."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "VGG":
        """Published weights of torchvision or timm, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, VGGS, weights.FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads."""
        save_classifier(self, folder, VGGS, weights.TIMM)


class Stage(nn.Module):
    """Some 3x3 convolutions, each with its ReLU; then the maximum of each 2x2 square."""

    def __init__(self, channels: int, width: int, depth: int, norm: bool):
        super().__init__()
        self.layers = nn.Sequential(*(Layer(width if number else channels, width, norm) for number in range(depth)))
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h2 w2"]:
        return self.pool(self.layers(x))


class Layer(nn.Module):
    """A 3x3 convolution that keeps the picture's size."""

    def __init__(self, channels: int, width: int, norm: bool):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h w"]:
        return self.relu(self.norm(self.conv(x)))
