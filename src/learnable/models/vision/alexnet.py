r"""AlexNet: the network that won ImageNet by so much in 2012 that everybody else changed over.

    conv1    64 maps    11x11, every fourth pixel       pool1    3x3, every second: the squares overlap
    conv2   192 maps    5x5                             pool2
    conv3   384 maps    3x3
    conv4   256 maps    3x3
    conv5   256 maps    3x3                             pool5
    dense6  4,096       dense7  4,096       head  1,000

What made it trainable: ReLU, whose slope does not fade (figure 1: six times fewer epochs than tanh to the same error), dropout
in front of the dense layers, which hold 96 % of the weights, shifted and mirrored pictures, and two graphics cards.

Paper    Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks", figure 2
         https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks (`AlexNet2012`)
         Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks" - https://arxiv.org/abs/1404.5997
         (`AlexNet`: one tower; what torchvision publishes)
Letters  attributes are numbered as the layers in the paper
Differs  `AlexNet` from the paper of 2012: one tower, so every map sees all maps of the layer before; 64, 192, 384, 256, 256 maps
         where there were 96, 256, 384, 384, 256; no normalization over neighboring maps; two pixels of padding around 224
         (the paper's figure says 224, its arithmetic 227: both give 55x55 maps); what is left of a picture of another size
         is averaged into 6x6. `AlexNet2012` goes back on all but the last two; both start as PyTorch starts its layers, where
         the paper drew weights of standard deviation 0.01 and set some biases to 1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Unpack

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.pictures import check_pictures, check_sizes
from learnable.weights import alexnet as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier

SMALLEST = 63  # pixels of a side: of fewer, the strides and pools leave nothing


@dataclass(frozen=True)
class AlexNetConfig:
    """What may be chosen of the architecture."""

    widths: tuple[int, int, int, int, int] = (64, 192, 384, 256, 256)  # maps of the five convolutions
    hidden: int = 4096  # of the two dense layers
    grid: int = 6  # places per side that the dense layers see, whatever the picture's size
    dropout: float = 0.5  # share of the dense layers' inputs that is left out in training

    def __post_init__(self) -> None:
        check_sizes(self, *self.widths, self.hidden, self.grid)
        if not 0 <= self.dropout < 1:
            raise CallError(f"expected dropout from 0 to under 1, came {self.dropout}")


#            config            parameters
ALEXNETS = {
    "alexnet": (AlexNetConfig(), 61_100_840),
}  # fmt: skip


class AlexNet(nn.Module):
    """One tower of five convolutions and three dense layers.

    >>> import torch
    >>> small = AlexNetConfig(widths=(8, 16, 16, 16, 16), hidden=32)
    >>> AlexNet(small, classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape, or too small.
    """

    first: ClassVar[str] = "conv1"  # the layer that depends on the number of channels
    last: ClassVar[str] = "head"  # the layer that depends on the number of classes
    taps: ClassVar[tuple[str, ...]] = ("pool1", "pool2", "pool5")  # at some 8th, 16th and 32nd of the picture

    def __init__(self, config: AlexNetConfig, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None  # what published weights expect of a picture
        one, two, three, four, five = config.widths
        self.conv1 = nn.Conv2d(channels, one, kernel_size=11, stride=4, padding=2)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv2 = nn.Conv2d(one, two, kernel_size=5, padding=2)
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv3 = nn.Conv2d(two, three, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(three, four, kernel_size=3, padding=1)
        self.conv5 = nn.Conv2d(four, five, kernel_size=3, padding=1)
        self.pool5 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.dense6 = nn.Linear(five * config.grid**2, config.hidden)
        self.dense7 = nn.Linear(config.hidden, config.hidden)
        self.head = nn.Linear(config.hidden, classes)
        self.dropout = nn.Dropout(config.dropout)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        x = F.adaptive_avg_pool2d(self.features(image), self.config.grid).flatten(1)
        x = self.relu(self.dense6(self.dropout(x)))
        x = self.relu(self.dense7(self.dropout(x)))
        return self.head(x)

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps of the last convolution, in front of the dense layers."""
        check_pictures(image, self.channels, SMALLEST)
        x = self.pool1(self.relu(self.conv1(image)))
        x = self.pool2(self.relu(self.conv2(x)))
        x = self.relu(self.conv3(x))
        x = self.relu(self.conv4(x))
        return self.pool5(self.relu(self.conv5(x)))

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "AlexNet":
        """Published weights of torchvision, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, ALEXNETS, weights.FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder whose `model.safetensors` has torchvision's names; timm has no AlexNet."""
        save_classifier(self, folder, ALEXNETS, weights.TORCHVISION)


class AlexNet2012(nn.Module):
    """The paper's own: two towers, each of which sat on a graphics card of its own and saw the other at conv3 and from dense6 on.

    A tower is a group of a grouped convolution. 60,965,224 parameters with 1,000 classes, the paper's "60 million".

    >>> import torch
    >>> AlexNet2012(classes=10, width=12, hidden=32)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Args:
        width: maps of conv1, both towers together; the others follow in the paper's proportions.

    Raises:
        CallError: a width that two towers cannot share; when called: pictures of another shape, or too small.
    """

    def __init__(
        self, classes: int = 1000, channels: int = 3, width: int = 96, hidden: int = 4096, dropout: float = 0.5
    ):
        super().__init__()
        check_sizes(self, classes, channels, width, hidden)
        if width % 6:
            raise CallError(f"expected a multiple of 6 for the width, so that both towers get whole maps; came {width}")
        two, three, five = 8 * width // 3, 4 * width, 8 * width // 3
        self.channels = channels
        self.conv1 = nn.Conv2d(channels, width, kernel_size=11, stride=4, padding=2)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv2 = nn.Conv2d(width, two, kernel_size=5, padding=2, groups=2)
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv3 = nn.Conv2d(two, three, kernel_size=3, padding=1)  # the only one to see both towers
        self.conv4 = nn.Conv2d(three, three, kernel_size=3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(three, five, kernel_size=3, padding=1, groups=2)
        self.pool5 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.dense6 = nn.Linear(five * 6**2, hidden)
        self.dense7 = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        check_pictures(image, self.channels, SMALLEST)
        x = self.pool1(normalize_neighbors(F.relu(self.conv1(image))))
        x = self.pool2(normalize_neighbors(F.relu(self.conv2(x))))
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = self.pool5(F.relu(self.conv5(x)))
        x = F.adaptive_avg_pool2d(x, 6).flatten(1)
        x = F.relu(self.dense6(self.dropout(x)))
        x = F.relu(self.dense7(self.dropout(x)))
        return self.head(x)


def normalize_neighbors(
    x: Float[Tensor, "batch maps h w"], neighbors: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> Float[Tensor, "batch maps h w"]:
    r"""Section 3.3: what a map says at a place is divided by how loudly it and its neighbors in the list of maps speak there.

    $b_i = a_i / (k + \alpha \sum_j a_j^2)^\beta$ over the `neighbors` maps around i. The order of the maps has no meaning at
    first; this gives it one. `nn.LocalResponseNorm` takes the mean for the sum: its alpha is ours times `neighbors`.
    """
    maps, half = x.shape[1], neighbors // 2
    squares = F.pad(x * x, (0, 0, 0, 0, half, neighbors - 1 - half))
    loudness = sum(squares[:, shift : shift + maps] for shift in range(neighbors))
    return x / (k + alpha * loudness) ** beta
