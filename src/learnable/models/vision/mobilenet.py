r"""MobileNet: image classifiers small enough for a telephone, in three versions.

    V1    full convolutions become separable ones: a ninth of the work                        `MobileNetV1`
    V2    widen, look around, narrow; shortcuts between the narrow ends                       `MobileNetV2`
    V3    squeeze and excitation, cheaper curves, and an architecture found by a search       `MobileNetV3`

Paper    Howard et al. 2017, "MobileNets", table 1 - https://arxiv.org/abs/1704.04861
         Sandler et al. 2018, "MobileNetV2", table 2 - https://arxiv.org/abs/1801.04381
         Howard et al. 2019, "Searching for MobileNetV3", tables 1 and 2 - https://arxiv.org/abs/1905.02244
Letters  their width multiplier alpha is our `width`, V2's t, c, n, s are the columns of `V2_STAGES`
Differs  V1 bends with ReLU6, as all published weights do (the paper: ReLU). V3's squeeze works on a quarter of the widened
         channels, rounded to 8. `same` pads as the paper's own TensorFlow weights want it; torchvision and timm pad evenly
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Unpack

from jaxtyping import Float
from torch import Tensor, nn

from learnable.nn.pictures import check_pictures, check_sizes
from learnable.nn.separable import (
    ConvNorm,
    Inverted,
    InvertedResidual,
    Separable,
    ends_of_scales,
    reset_convolutions,
    rounded,
)
from learnable.nn.squeeze import SqueezeExcitation
from learnable.weights import mobilenet as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier

#           channels, blocks, stride of the first
V1_STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))

#     expansion, channels, blocks, stride of the first
V2_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

# kernel, expansion, channels, squeeze and excitation, hard swish (else ReLU), stride
V3_LARGE = (
    ((3, 1.0, 16, False, False, 1),),
    ((3, 4.0, 24, False, False, 2), (3, 3.0, 24, False, False, 1)),
    ((5, 3.0, 40, True, False, 2), (5, 3.0, 40, True, False, 1), (5, 3.0, 40, True, False, 1)),
    ((3, 6.0, 80, False, True, 2), (3, 2.5, 80, False, True, 1), (3, 2.3, 80, False, True, 1), (3, 2.3, 80, False, True, 1)),
    ((3, 6.0, 112, True, True, 1), (3, 6.0, 112, True, True, 1)),
    ((5, 6.0, 160, True, True, 2), (5, 6.0, 160, True, True, 1), (5, 6.0, 160, True, True, 1)),
)  # fmt: skip
V3_SMALL = (
    ((3, 1.0, 16, True, False, 2),),
    ((3, 4.5, 24, False, False, 2), (3, 3.67, 24, False, False, 1)),
    ((5, 4.0, 40, True, True, 2), (5, 6.0, 40, True, True, 1), (5, 6.0, 40, True, True, 1)),
    ((5, 3.0, 48, True, True, 1), (5, 3.0, 48, True, True, 1)),
    ((5, 6.0, 96, True, True, 2), (5, 6.0, 96, True, True, 1), (5, 6.0, 96, True, True, 1)),
)  # fmt: skip


@dataclass(frozen=True)
class MobileNetV1Config:
    """What may be chosen. Of the fields that do not compare the weights decide: they are no other architecture.

    >>> MobileNetV1Config(width=0.25).stem
    8
    """

    width: float = 1.0  # multiplies all channels
    stages: tuple[tuple[int, int, int], ...] = V1_STAGES
    dropout: float = 0.2
    eps: float = field(default=1e-5, compare=False)  # of the norms
    same: bool = field(default=False, compare=False)  # pads as TensorFlow does

    def __post_init__(self) -> None:
        check_sizes(self, len(self.stages), *(number for stage in self.stages for number in stage))

    @property
    def stem(self) -> int:
        """Channels of the first convolution."""
        return rounded(32 * self.width)


@dataclass(frozen=True)
class MobileNetV2Config:
    """What may be chosen. Of the fields that do not compare the weights decide."""

    width: float = 1.0  # multiplies all channels, the last ones only where it is above 1
    stages: tuple[tuple[int, int, int, int], ...] = V2_STAGES
    dropout: float = 0.2
    eps: float = field(default=1e-5, compare=False)
    same: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        check_sizes(self, len(self.stages), *(number for stage in self.stages for number in stage))

    @property
    def plan(self) -> list[list[Inverted]]:
        """The sizes of all blocks, stage by stage."""
        plan: list[list[Inverted]] = []
        channels = rounded(32 * self.width)
        for expansion, out, depth, stride in self.stages:
            out = rounded(out * self.width)
            plan.append([
                Inverted(channels if number == 0 else out, expansion * (channels if number == 0 else out), out, 3,
                         stride if number == 0 else 1)
                for number in range(depth)
            ])  # fmt: skip
            channels = out
        return plan


@dataclass(frozen=True)
class MobileNetV3Config:
    """What may be chosen. Of the fields that do not compare the weights decide."""

    stages: tuple[tuple[tuple[int, float, int, bool, bool, int], ...], ...]
    last: tuple[int, int]  # channels before and after the picture is averaged
    width: float = 1.0
    dropout: float = 0.2
    eps: float = field(default=1e-3, compare=False)
    momentum: float = field(default=0.01, compare=False)
    same: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        check_sizes(
            self, *self.last, *(n for stage in self.stages for block in stage for n in (block[0], block[2], block[5]))
        )

    @property
    def stem(self) -> int:
        """Channels of the first convolution, which the narrowest variants leave as it is."""
        return rounded(16 * self.width) if self.width >= 0.75 else 16

    @property
    def plan(self) -> list[list[Inverted]]:
        """The sizes of all blocks, stage by stage."""
        plan: list[list[Inverted]] = []
        channels = self.stem
        for stage in self.stages:
            plan.append([])
            for kernel, expansion, out, squeeze, _, stride in stage:
                hidden, out = rounded(channels * expansion) if expansion > 1 else channels, rounded(out * self.width)
                plan[-1].append(
                    Inverted(channels, hidden, out, kernel, stride, rounded(hidden / 4) if squeeze else 0)
                )  # fmt: skip
                channels = out
        return plan


#                               config                                                               parameters
MOBILENETS_V1 = {
    "mobilenet_v1_x0_25":       (MobileNetV1Config(0.25),                                               470_072),
    "mobilenet_v1_x0_5":        (MobileNetV1Config(0.5),                                              1_331_592),
    "mobilenet_v1_x0_75":       (MobileNetV1Config(0.75),                                             2_585_560),
    "mobilenet_v1":             (MobileNetV1Config(),                                                 4_231_976),
    "mobilenet_v1_x1_25":       (MobileNetV1Config(1.25),                                             6_270_840),
}  # fmt: skip
MOBILENETS_V2 = {
    "mobilenet_v2_x0_35":       (MobileNetV2Config(0.35),                                             1_677_128),
    "mobilenet_v2_x0_5":        (MobileNetV2Config(0.5),                                              1_968_680),
    "mobilenet_v2_x0_75":       (MobileNetV2Config(0.75),                                             2_636_424),
    "mobilenet_v2":             (MobileNetV2Config(),                                                 3_504_872),
    "mobilenet_v2_x1_4":        (MobileNetV2Config(1.4),                                              6_108_776),
}  # fmt: skip
MOBILENETS_V3 = {
    "mobilenet_v3_small_x0_5":  (MobileNetV3Config(V3_SMALL, last=(576, 1024), width=0.5),            1_593_224),
    "mobilenet_v3_small_x0_75": (MobileNetV3Config(V3_SMALL, last=(576, 1024), width=0.75),           2_041_872),
    "mobilenet_v3_small":       (MobileNetV3Config(V3_SMALL, last=(576, 1024)),                       2_542_856),
    "mobilenet_v3_large_x0_75": (MobileNetV3Config(V3_LARGE, last=(960, 1280), width=0.75),           3_993_528),
    "mobilenet_v3_large":       (MobileNetV3Config(V3_LARGE, last=(960, 1280)),                       5_483_032),
}  # fmt: skip


class MobileNetV1(nn.Module):
    """Table 1 of the first paper.

    `block` is what stands in the place of a separable convolution: hand over a full one to see what it saves.

    >>> import torch
    >>> MobileNetV1(MobileNetV1Config(width=0.25), classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape.
    """

    first: ClassVar[str] = "stem.conv"
    last: ClassVar[str] = "head"

    def __init__(
        self,
        config: MobileNetV1Config,
        classes: int = 1000,
        channels: int = 3,
        block: Callable[[int, int, int], nn.Module] | None = None,
    ):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None
        norm = partial(nn.BatchNorm2d, eps=config.eps)
        block = block or partial(Separable, norm=norm, same=config.same)
        outs = [rounded(out * config.width) for out, _, _ in config.stages]
        self.stem = ConvNorm(channels, config.stem, 3, stride=2, activation=nn.ReLU6, norm=norm, same=config.same)
        self.stages = nn.ModuleList(
            nn.Sequential(*(
                block(before if number == 0 else out, out, stride if number == 0 else 1) for number in range(depth)
            ))
            for before, out, (_, depth, stride) in zip([config.stem, *outs], outs, config.stages, strict=False)
        )  # fmt: skip
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(outs[-1], classes)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """The end of each stage: at a half, 4th, 8th, 16th and 32nd of the picture."""
        return tuple(f"stages.{s}.{depth - 1}" for s, (_, depth, _) in enumerate(self.config.stages))

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.dropout(self.features(image).mean(dim=(2, 3))))

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps before they are averaged over the picture."""
        check_pictures(image, self.channels)
        x = self.stem(image)
        for stage in self.stages:
            x = stage(x)
        return x

    def reset_parameters(self) -> None:
        """He initialization; the last layer starts small."""
        reset_convolutions(self)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "MobileNetV1":
        """Published weights of timm or transformers, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, MOBILENETS_V1, weights.V1_FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads, if it has the variant: of width 1 or 1.25."""
        save_classifier(self, folder, MOBILENETS_V1, weights.V1_TIMM)


class MobileNetV2(nn.Module):
    """Table 2 of the second paper.

    >>> import torch
    >>> MobileNetV2(MobileNetV2Config(width=0.35), classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape.
    """

    first: ClassVar[str] = "stem.conv"
    last: ClassVar[str] = "head"

    def __init__(self, config: MobileNetV2Config, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None
        norm = partial(nn.BatchNorm2d, eps=config.eps)
        plan = config.plan
        wide = rounded(1280 * max(1.0, config.width))
        self.stem = ConvNorm(
            channels, plan[0][0].channels, 3, stride=2, activation=nn.ReLU6, norm=norm, same=config.same
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(InvertedResidual(sizes, nn.ReLU6, norm=norm, same=config.same) for sizes in stage))
            for stage in plan
        )
        self.widen = ConvNorm(plan[-1][-1].out, wide, 1, activation=nn.ReLU6, norm=norm)
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
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "MobileNetV2":
        """Published weights of torchvision, timm or transformers, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, MOBILENETS_V2, weights.V2_FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads."""
        save_classifier(self, folder, MOBILENETS_V2, weights.V2_TIMM)


class MobileNetV3(nn.Module):
    """Tables 1 and 2 of the third paper; the last layers work on the averaged picture, where they are cheap (figure 5).

    >>> import torch
    >>> MobileNetV3(MOBILENETS_V3["mobilenet_v3_small"][0], classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: fewer than one class or channel; when called: pictures of another shape.
    """

    first: ClassVar[str] = "stem.conv"
    last: ClassVar[str] = "head"

    def __init__(self, config: MobileNetV3Config, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None
        norm = partial(nn.BatchNorm2d, eps=config.eps, momentum=config.momentum)
        wide, wider = rounded(config.last[0] * config.width), config.last[1]
        self.stem = ConvNorm(channels, config.stem, 3, stride=2, activation=nn.Hardswish, norm=norm, same=config.same)
        self.stages = nn.ModuleList(
            nn.Sequential(*(
                InvertedResidual(
                    sizes,
                    nn.Hardswish if hard else nn.ReLU,
                    SqueezeExcitation(sizes.hidden, sizes.squeezed, gate=nn.Hardsigmoid) if sizes.squeezed else None,
                    norm=norm,
                    same=config.same,
                )
                for sizes, (_, _, _, _, hard, _) in zip(plan, stage, strict=True)
            ))
            for plan, stage in zip(config.plan, config.stages, strict=True)
        )  # fmt: skip
        self.widen = ConvNorm(config.plan[-1][-1].out, wide, 1, activation=nn.Hardswish, norm=norm)
        self.widen_more = nn.Linear(wide, wider)
        self.activation = nn.Hardswish(inplace=True)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(wider, classes)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """The last block of each scale: a half (in the large one), 4th, 8th, 16th and 32nd of the picture."""
        return ends_of_scales(self.config.plan)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        x = self.features(image).mean(dim=(2, 3))
        return self.head(self.dropout(self.activation(self.widen_more(x))))

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps before they are averaged over the picture."""
        check_pictures(image, self.channels)
        x = self.stem(image)
        for stage in self.stages:
            x = stage(x)
        return self.widen(x)

    def reset_parameters(self) -> None:
        """He initialization; the last layers start small."""
        reset_convolutions(self)
        for layer in (self.widen_more, self.head):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "MobileNetV3":
        """Published weights of torchvision or timm, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, MOBILENETS_V3, weights.V3_FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads."""
        save_classifier(self, folder, MOBILENETS_V3, weights.V3_TIMM)
