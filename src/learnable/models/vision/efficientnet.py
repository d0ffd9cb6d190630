r"""EfficientNet: a small network is enlarged in three directions at once, in a fixed proportion.

    depth  d = alpha^phi        alpha = 1.2        layers
    width  w = beta^phi         beta  = 1.1        channels
    size   r = gamma^phi        gamma = 1.15       pixels a side
    alpha * beta^2 * gamma^2 is about 2: each step of phi doubles the work

More layers alone, or more channels, or more pixels, soon bring little; a larger picture asks for more layers to look
across it and for more channels for what there is to see. B0 was found by a search, B1 to B7 are made of it by this rule.

Paper    Tan & Le 2019, "EfficientNet", table 1 and equation 3 - https://arxiv.org/abs/1905.11946
Letters  their MBConv is our `InvertedResidual`, their F-hat, L-hat, C-hat the columns of `BASELINE`
Differs  the published multipliers of B1 to B7 are rounded, as `EFFICIENTNETS` has them. `same` pads as the paper's own
         TensorFlow weights want it; torchvision and timm pad evenly
"""

import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Unpack

from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.pictures import check_pictures, check_sizes
from learnable.nn.separable import ConvNorm, Inverted, InvertedResidual, ends_of_scales, reset_convolutions, rounded
from learnable.nn.squeeze import SqueezeExcitation
from learnable.weights import efficientnet as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier

# expansion, kernel, stride of the first, channels, blocks
BASELINE = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


@dataclass(frozen=True)
class EfficientNetConfig:
    """What may be chosen. Of the fields that do not compare the weights decide: they are no other architecture.

    >>> [len(stage) for stage in EfficientNetConfig(depth=3.1).plan]  # B7
    [4, 7, 7, 10, 10, 13, 4]
    """

    width: float = 1.0  # multiplies the channels
    depth: float = 1.0  # multiplies the blocks
    size: int = field(default=224, compare=False)  # pixels a side that it was made for; others work as well
    dropout: float = 0.2
    stages: tuple[tuple[int, int, int, int, int], ...] = BASELINE
    stem: int = 32  # channels of the first convolution, and
    last: int = 1280  # of the last one, both before they are multiplied
    drop: float = 0.2  # stochastic depth: probability at the last block, from 0 at the first; shared out evenly
    norm: tuple[float, float] = field(default=(1e-5, 0.1), compare=False)  # eps and momentum of the norms
    same: bool = field(default=False, compare=False)  # pads as TensorFlow does

    def __post_init__(self) -> None:
        check_sizes(
            self,
            len(self.stages),
            self.size,
            self.stem,
            self.last,
            *(number for stage in self.stages for number in stage),
        )
        if self.width <= 0 or self.depth <= 0 or not 0 <= self.drop < 1:
            raise CallError(f"expected a width and depth above 0 and a drop from 0 to below 1, came {self.width:g}, "
                            f"{self.depth:g} and {self.drop:g}")  # fmt: skip

    @property
    def plan(self) -> list[list[Inverted]]:
        """The sizes of all blocks, stage by stage."""
        plan: list[list[Inverted]] = []
        channels = rounded(self.stem * self.width)
        for expansion, kernel, stride, out, depth in self.stages:
            plan.append([])
            for number in range(math.ceil(depth * self.depth)):
                hidden, out_now = rounded(channels * expansion), rounded(out * self.width)
                squeezed = max(1, channels // 4)  # of the narrow channels
                plan[-1].append(
                    Inverted(channels, hidden, out_now, kernel, stride if number == 0 else 1, squeezed)
                )  # fmt: skip
                channels = out_now
        return plan


KERAS = (1e-3, 0.01)  # torchvision's three largest came from TensorFlow, and kept its norms

#                                          width depth size dropout                       parameters
EFFICIENTNETS = {
    "efficientnet_b0": (EfficientNetConfig(1.0,  1.0,  224, 0.2),                          5_288_548),
    "efficientnet_b1": (EfficientNetConfig(1.0,  1.1,  240, 0.2),                          7_794_184),
    "efficientnet_b2": (EfficientNetConfig(1.1,  1.2,  288, 0.3),                          9_109_994),
    "efficientnet_b3": (EfficientNetConfig(1.2,  1.4,  300, 0.3),                         12_233_232),
    "efficientnet_b4": (EfficientNetConfig(1.4,  1.8,  380, 0.4),                         19_341_616),
    "efficientnet_b5": (EfficientNetConfig(1.6,  2.2,  456, 0.4, norm=KERAS),             30_389_784),
    "efficientnet_b6": (EfficientNetConfig(1.8,  2.6,  528, 0.5, norm=KERAS),             43_040_704),
    "efficientnet_b7": (EfficientNetConfig(2.0,  3.1,  600, 0.5, norm=KERAS),             66_347_960),
}  # fmt: skip


class EfficientNet(nn.Module):
    """Table 1 of the paper, enlarged.

    >>> import torch
    >>> EfficientNet(EFFICIENTNETS["efficientnet_b0"][0], classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape.
    """

    first: ClassVar[str] = "stem.conv"
    last: ClassVar[str] = "head"

    def __init__(self, config: EfficientNetConfig, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None
        eps, momentum = config.norm
        norm = partial(nn.BatchNorm2d, eps=eps, momentum=momentum)
        plan, wide = config.plan, rounded(config.last * config.width)
        blocks = sum(len(stage) for stage in plan)
        drops = (config.drop * number / blocks for number in range(blocks))
        self.stem = ConvNorm(
            channels, plan[0][0].channels, 3, stride=2, activation=nn.SiLU, norm=norm, same=config.same
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(
                InvertedResidual(
                    sizes,
                    nn.SiLU,
                    SqueezeExcitation(sizes.hidden, sizes.squeezed, activation=nn.SiLU),
                    drop_probability=next(drops),
                    norm=norm,
                    same=config.same,
                )
                for sizes in stage
            ))
            for stage in plan
        )  # fmt: skip
        self.widen = ConvNorm(plan[-1][-1].out, wide, 1, activation=nn.SiLU, norm=norm)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(wide, classes)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """The last block of each scale: a half, 4th, 8th, 16th and 32nd of the picture."""
        return ends_of_scales(self.config.plan)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.dropout(self.features(image).mean(dim=(2, 3))))

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps before they are averaged over the picture."""
        check_pictures(image, self.channels)
        x = self.stem(image)
        for stage in self.stages:
            x = stage(x)
        return self.widen(x)

    def reset_parameters(self) -> None:
        """He initialization; the last layer starts small."""
        reset_convolutions(self)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "EfficientNet":
        """Published weights of torchvision, timm or transformers, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, EFFICIENTNETS, weights.FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads."""
        save_classifier(self, folder, EFFICIENTNETS, weights.TIMM)
