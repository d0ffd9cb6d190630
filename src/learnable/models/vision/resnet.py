r"""ResNet: a layer adds to what it was given instead of replacing it, so that a hundred of them can be trained.

    y = relu(x + F(x))        a block has to learn only what is still missing; F = 0 changes nothing

In a plain stack of 56 layers the gradient passes through 56 products; here it also goes around them, along the sum.

Paper    He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition", table 1 and figure 5
         https://arxiv.org/abs/1512.03385; `CIFARResNet` is its section 4.2;
         Srivastava, Greff & Schmidhuber 2015, "Highway networks", equation 3 - https://arxiv.org/abs/1505.00387 (`Highway`)
Letters  conv2_x to conv5_x are our `stages`
Differs  where a stage halves the picture, a bottleneck does so in its 3x3 convolution, as all published weights do since 2017
         (the paper: in the first 1x1; "ResNet v1.5")
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Unpack

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.pictures import check_pictures, check_sizes
from learnable.weights import resnet as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier


@dataclass(frozen=True)
class ResNetConfig:
    """What may be chosen of the architecture.

    >>> ResNetConfig(depths=(3, 4, 6, 3), bottleneck=True).layers
    50
    """

    depths: tuple[int, ...]  # blocks in each stage; from the second on a stage halves the picture and doubles the width
    bottleneck: bool  # blocks of three convolutions, the middle one narrow, instead of two
    width: int = 64  # channels of the first stage, before a bottleneck widens them by four

    def __post_init__(self) -> None:
        check_sizes(self, len(self.depths), *self.depths, self.width)

    @property
    def layers(self) -> int:
        """The number in the name: layers with weights from the picture to the logits."""
        return sum(self.depths) * (3 if self.bottleneck else 2) + 2


#                config                                              parameters
RESNETS = {
    "resnet18":  (ResNetConfig(depths=(2, 2, 2, 2),  bottleneck=False), 11_689_512),
    "resnet34":  (ResNetConfig(depths=(3, 4, 6, 3),  bottleneck=False), 21_797_672),
    "resnet50":  (ResNetConfig(depths=(3, 4, 6, 3),  bottleneck=True),  25_557_032),
    "resnet101": (ResNetConfig(depths=(3, 4, 23, 3), bottleneck=True),  44_549_160),
    "resnet152": (ResNetConfig(depths=(3, 8, 36, 3), bottleneck=True),  60_192_808),
}  # fmt: skip


class ResNet(nn.Module):
    """Table 1 of the paper.

    >>> ResNet(RESNETS["resnet18"][0], classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape, or too small.
    """

    first: ClassVar[str] = "stem.conv"  # the layer that depends on the number of channels
    last: ClassVar[str] = "head"  # the layer that depends on the number of classes

    def __init__(self, config: ResNetConfig, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = (
            None  # what its weights expect of a picture, where they were published
        )
        widths = [config.width * 2**stage for stage in range(len(config.depths))]
        out = [4 * width if config.bottleneck else width for width in widths]
        block = Bottleneck if config.bottleneck else BasicBlock
        self.stem = Stem(channels, config.width)
        self.stages = nn.ModuleList(
            nn.Sequential(*(
                block(before if number == 0 else after, width, stride=2 if number == 0 and stage > 0 else 1)
                for number in range(depth)
            ))
            for stage, (depth, before, width, after) in enumerate(
                zip(config.depths, [config.width, *out], widths, out, strict=False)
            )
        )  # fmt: skip
        self.head = nn.Linear(out[-1], classes)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """Where the feature maps of a pyramid are taken: the end of each stage, at a 4th, 8th, 16th, 32nd of the picture."""
        return tuple(f"stages.{stage}" for stage in range(len(self.stages)))

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.features(image).mean(dim=(2, 3)))

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps before they are averaged over the picture."""
        check_pictures(image, self.channels)
        x = self.stem(image)
        for stage in self.stages:
            x = stage(x)
        return x

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """He initialization (section 3.4 there, by He et al. 2015): ReLU halves the variance, the factor 2 gives it back."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "ResNet":
        """Published weights of torchvision, timm or transformers, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, RESNETS, weights.FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads."""
        save_classifier(self, folder, RESNETS, weights.TIMM)


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


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside the shortcut (figure 5, left)."""

    def __init__(self, channels: int, width: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut(channels, width, stride)
        self.relu = nn.ReLU(inplace=True)  # in place: one map less to keep, and it is what takes the memory

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h2 w2"]:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return self.relu(y.add_(self.shortcut(x)))


class Bottleneck(nn.Module):
    """Narrow, look around, widen: the 3x3 convolution works on a quarter of the channels (figure 5, right)."""

    def __init__(self, channels: int, width: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, kernel_size=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.norm3 = nn.BatchNorm2d(4 * width)
        self.shortcut = shortcut(channels, 4 * width, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h2 w2"]:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.relu(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        return self.relu(y.add_(self.shortcut(x)))


def shortcut(channels: int, out: int, stride: int) -> nn.Module:
    """The input itself; where its shape would not fit, a 1x1 convolution makes it fit (option B of section 3.3)."""
    if stride == 1 and channels == out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, out, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(out))


# Section 4.2: the small networks in which depth alone is varied.

#               layers   parameters (10 classes, color)
CIFAR_RESNETS = {
    "cifar-resnet20":  (20,    269_722),
    "cifar-resnet32":  (32,    464_154),
    "cifar-resnet44":  (44,    658_586),
    "cifar-resnet56":  (56,    853_018),
    "cifar-resnet110": (110, 1_727_962),
}  # fmt: skip


class CIFARResNet(nn.Module):
    """6n + 2 layers for pictures of 32x32: three stages of n blocks, 16, 32 and 64 wide.

    What a block does with its two convolutions and its input is handed over: `Residual` is the paper's, `Plain` its control,
    `Highway` the gated sum that came before it.

    >>> CIFARResNet(20)(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    Raises:
        CallError: a number of layers that is not 6n + 2.
    """

    def __init__(
        self,
        layers: int = 20,
        classes: int = 10,
        channels: int = 3,
        width: int = 16,
        join: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        if layers < 8 or (layers - 2) % 6:
            raise CallError(f"expected 6n + 2 layers (8, 14, 20, 32, 44, 56, 110 ...), came {layers}")
        check_sizes(self, classes, channels, width)
        self.classes, self.channels = classes, channels
        join = join or Residual
        self.conv = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.stages = nn.ModuleList(
            nn.Sequential(*(
                Joined(out if number else before, out, stride=2 if out > before and not number else 1, join=join)
                for number in range((layers - 2) // 6)
            ))
            for before, out in ((width, width), (width, 2 * width), (2 * width, 4 * width))
        )  # fmt: skip
        self.head = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        check_pictures(image, self.channels)
        x = F.relu(self.norm(self.conv(image)))
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean(dim=(2, 3)))


class Joined(nn.Module):
    """Two convolutions, joined with their input; a shortcut without weights (option A): every second pixel, and zeros."""

    def __init__(self, channels: int, width: int, stride: int, join: Callable[[int], nn.Module]):
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.join = join(width)

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h2 w2"]:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        more = y.shape[1] - x.shape[1]
        x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, more // 2, more - more // 2))
        return F.relu(self.join(x, y))


class Residual(nn.Module):
    """x + F(x)."""

    def __init__(self, width: int):
        super().__init__()

    def forward(self, x: Float[Tensor, "batch maps h w"], y: Float[Tensor, "batch maps h w"]) -> Tensor:
        return x + y


class Plain(nn.Module):
    """F(x) alone: what every network did before."""

    def __init__(self, width: int):
        super().__init__()

    def forward(self, x: Float[Tensor, "batch maps h w"], y: Float[Tensor, "batch maps h w"]) -> Tensor:
        return y


class Highway(nn.Module):
    """t F(x) + (1 - t) x, where the network decides by t, for each place and map, how much of the new it lets in.

    The gate starts at a bias of -3 (section 2.2 of the paper has -1 and -3): at first nearly everything is carried through. With -1
    a quarter is lost in each block, and behind 27 blocks nothing is left.
    """

    def __init__(self, width: int):
        super().__init__()
        self.gate = nn.Conv2d(width, width, kernel_size=1)
        assert self.gate.bias is not None
        nn.init.constant_(self.gate.bias, -3.0)

    def forward(self, x: Float[Tensor, "batch maps h w"], y: Float[Tensor, "batch maps h w"]) -> Tensor:
        t = torch.sigmoid(self.gate(x))
        return t * y + (1 - t) * x
