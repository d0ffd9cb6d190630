r"""DenseNet: a layer is given all that the layers before it found, and adds a little of its own.

    x = [x, F(x)]        beside each other, where ResNet has x + F(x): nothing that was found is ever written over

Since everything stays within reach, a layer needs to add few maps only (the growth: 32), and the network gets by with
half of ResNet's weights (figure 3). What it costs is memory: the list of maps is copied anew for each layer.

Paper    Huang, Liu, van der Maaten & Weinberger 2017, "Densely connected convolutional networks", table 1 and figure 1
         https://arxiv.org/abs/1608.06993
Letters  their k is our `growth`; blocks and layers are numbered from 1, as in the table. All are DenseNet-BC with
         compression 0.5: B for the 1x1 convolution in front of the 3x3, C for the transition that halves the maps
Differs  no dropout (the paper: 0.2 where pictures are not mirrored and shifted). DenseNet-161 has growth 48, as published with
         the authors' code; the paper's table has 264 layers with growth 32 in its place
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from learnable.nn.pictures import check_pictures, check_sizes
from learnable.weights import densenet as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier


@dataclass(frozen=True)
class DenseNetConfig:
    """What may be chosen of the architecture.

    >>> DenseNetConfig(depths=(6, 12, 24, 16)).layers
    121
    """

    depths: tuple[int, ...]  # layers in each block; between two blocks the picture is halved
    growth: int = 32  # maps that a layer adds
    start: int = 64  # maps that the first block is given
    neck: int = 4  # the 1x1 convolution leaves so many times `growth` maps for the 3x3

    def __post_init__(self) -> None:
        check_sizes(self, len(self.depths), *self.depths, self.growth, self.start, self.neck)

    @property
    def layers(self) -> int:
        """The number in the name: layers with weights from the picture to the logits."""
        return 2 * sum(self.depths) + len(self.depths) + 1


#                 config                                                         parameters
DENSENETS = {
    "densenet121": (DenseNetConfig(depths=(6, 12, 24, 16)),                       7_978_856),
    "densenet161": (DenseNetConfig(depths=(6, 12, 36, 24), growth=48, start=96), 28_681_000),
    "densenet169": (DenseNetConfig(depths=(6, 12, 32, 32)),                      14_149_480),
    "densenet201": (DenseNetConfig(depths=(6, 12, 48, 32)),                      20_013_928),
}  # fmt: skip


class DenseNet(nn.Module):
    """Table 1 of the paper.

    >>> DenseNet(DenseNetConfig(depths=(2, 2), growth=8, start=16), classes=10)(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape, or too small.
    """

    first: ClassVar[str] = "stem.conv"  # the layer that depends on the number of channels
    last: ClassVar[str] = "head"  # the layer that depends on the number of classes

    def __init__(self, config: DenseNetConfig, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None  # what published weights expect of a picture
        self.stem = Stem(channels, config.start)
        self.blocks, self.transitions = nn.ModuleDict(), nn.ModuleDict()
        maps = config.start
        for number, depth in enumerate(config.depths, start=1):
            self.blocks[str(number)] = DenseBlock(maps, config.growth, config.neck, depth)
            maps += depth * config.growth
            if number < len(config.depths):
                self.transitions[str(number)] = Transition(maps, maps // 2)
                maps //= 2
        self.norm = nn.BatchNorm2d(maps)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(maps, classes)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """Where the feature maps of a pyramid are taken: the end of each block, at a 4th, 8th, 16th, 32nd of the picture."""
        return tuple(f"blocks.{number}" for number in self.blocks)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.features(image).mean(dim=(2, 3)))

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps before they are averaged over the picture."""
        check_pictures(image, self.channels, smallest=2 ** (len(self.blocks) + 1) - 3)
        x = self.stem(image)
        for number, block in self.blocks.items():
            x = block(x)
            if number in self.transitions:
                x = self.transitions[number](x)
        return self.relu(self.norm(x))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """He initialization: ReLU halves the variance, the factor 2 gives it back."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "DenseNet":
        """Published weights of torchvision or timm, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, DENSENETS, weights.FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads."""
        save_classifier(self, folder, DENSENETS, weights.TIMM)


class Stem(nn.Module):
    """A 7x7 convolution and a maximum: the picture shrinks to a quarter before anything deep begins."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        return self.pool(self.relu(self.norm(self.conv(image))))


class DenseBlock(nn.Module):
    """Figure 1: each layer is connected with all layers before it."""

    def __init__(self, maps: int, growth: int, neck: int, depth: int):
        super().__init__()
        self.layers = nn.ModuleDict(
            {str(number + 1): DenseLayer(maps + number * growth, growth, neck) for number in range(depth)}
        )

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h w"]:
        for layer in self.layers.values():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class DenseLayer(nn.Module):
    """Choose among all maps (1x1), look around (3x3); norm and ReLU come first, so that each layer weighs old maps anew."""

    def __init__(self, maps: int, growth: int, neck: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(maps)
        self.conv1 = nn.Conv2d(maps, neck * growth, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(neck * growth)
        self.conv2 = nn.Conv2d(neck * growth, growth, kernel_size=3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch growth h w"]:
        x = self.conv1(self.relu(self.norm1(x)))
        return self.conv2(self.relu(self.norm2(x)))


class Transition(nn.Module):
    """Half as many maps, half the size."""

    def __init__(self, maps: int, out: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(maps)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(maps, out, kernel_size=1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch out h2 w2"]:
        return self.pool(self.conv(self.relu(self.norm(x))))
