r"""A convolution in two steps: look around in each channel by itself, then mix the channels at each place.

    full         k * k * in * out   multiplications a place
    separable    k * k * in  +  in * out

With 3x3 kernels and many channels that is nearly a ninth. `InvertedResidual` is what became of it: widen by a 1x1
convolution, look around in the many channels, where it is cheap, and narrow again; the sum joins the narrow ends.

Paper    Howard et al. 2017, "MobileNets", section 3.1 - https://arxiv.org/abs/1704.04861 (`Separable`)
         Sandler et al. 2018, "MobileNetV2", section 3 and figure 4 - https://arxiv.org/abs/1801.04381 (`InvertedResidual`)
Letters  their D_K is our `kernel`, M and N our `channels` and `out`, their expansion t our `hidden / channels`
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from learnable.nn.stochastic_depth import StochasticDepth

Activation = Callable[..., nn.Module]  # called with inplace=True
Norm = Callable[[int], nn.Module]


class ConvNorm(nn.Module):
    """Convolution, norm, activation: the picture keeps its size, or is halved by a stride of 2.

    `same` pads as TensorFlow does: where a stride of 2 leaves a choice, right and below get the larger share.

    >>> ConvNorm(3, 8, kernel=3, stride=2, activation=nn.ReLU)(torch.rand(1, 3, 7, 7)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: Activation | None = None,
        norm: Norm = nn.BatchNorm2d,
        same: bool = False,
    ):
        super().__init__()
        same = same and stride > 1  # without a stride the two ways are one
        self.pad = SamePadding(kernel, stride) if same else nn.Identity()
        padding = 0 if same else kernel // 2
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=False)
        self.norm = norm(out)
        self.activation = activation(inplace=True) if activation else nn.Identity()

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h2 w2"]:
        return self.activation(self.norm(self.conv(self.pad(x))))


class SamePadding(nn.Module):
    """As many zeros as make the output ceil(size / stride) large, the odd one at the right and below.

    >>> SamePadding(kernel=3, stride=2)(torch.ones(1, 1, 4, 5)).shape
    torch.Size([1, 1, 5, 7])
    """

    def __init__(self, kernel: int, stride: int):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps h2 w2"]:
        top, left = (max(self.kernel - (size % self.stride or self.stride), 0) for size in x.shape[2:])
        return F.pad(x, (left // 2, left - left // 2, top // 2, top - top // 2))


class Separable(nn.Module):
    """MobileNet's block (figure 3, right): 3x3 in each channel, then 1x1 across them, a norm behind each."""

    def __init__(
        self,
        channels: int,
        out: int,
        stride: int = 1,
        activation: Activation = nn.ReLU6,
        norm: Norm = nn.BatchNorm2d,
        same: bool = False,
    ):
        super().__init__()
        self.depthwise = ConvNorm(channels, channels, 3, stride, channels, activation, norm, same)
        self.pointwise = ConvNorm(channels, out, 1, activation=activation, norm=norm)

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h2 w2"]:
        return self.pointwise(self.depthwise(x))


class Inverted(NamedTuple):
    """The sizes of one `InvertedResidual`."""

    channels: int
    hidden: int
    out: int
    kernel: int
    stride: int
    squeezed: int = 0  # channels between squeeze and excitation, 0 where there is none

    @property
    def expands(self) -> bool:
        """Whether there is anything to widen."""
        return self.hidden != self.channels


class InvertedResidual(nn.Module):
    """Narrow, wide, narrow (figure 4d); no activation at the narrow end, where it would lose too much.

    `squeeze` is what is done to the wide maps in between: nothing in MobileNetV2, squeeze and excitation later.
    """

    def __init__(
        self,
        sizes: Inverted,
        activation: Activation,
        squeeze: nn.Module | None = None,
        drop_probability: float = 0.0,
        norm: Norm = nn.BatchNorm2d,
        same: bool = False,
    ):
        super().__init__()
        channels, hidden, out, kernel, stride, _ = sizes
        self.expand = (
            ConvNorm(channels, hidden, 1, activation=activation, norm=norm) if sizes.expands else nn.Identity()
        )
        self.depthwise = ConvNorm(hidden, hidden, kernel, stride, hidden, activation, norm, same)
        self.squeeze = squeeze or nn.Identity()
        self.project = ConvNorm(hidden, out, 1, norm=norm)
        self.residual = stride == 1 and channels == out
        self.drop = StochasticDepth(drop_probability) if self.residual else nn.Identity()

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps2 h2 w2"]:
        y = self.project(self.squeeze(self.depthwise(self.expand(x))))
        return self.drop(y).add_(x) if self.residual else y


def rounded(channels: float) -> int:
    """The nearest multiple of 8, which processors like; never less than nine tenths of what was asked for.

    >>> rounded(35.2), rounded(11.2), rounded(3)
    (32, 16, 8)
    """
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def ends_of_scales(stages: Sequence[Sequence[Inverted]]) -> tuple[str, ...]:
    """The blocks after which the picture is halved, and the last one: where the maps of a pyramid are taken."""
    blocks = [(f"stages.{s}.{b}", block) for s, stage in enumerate(stages) for b, block in enumerate(stage)]
    following = [block.stride for _, block in blocks[1:]] + [2]
    return tuple(name for (name, _), stride in zip(blocks, following, strict=True) if stride == 2)


@torch.no_grad()
def reset_convolutions(model: nn.Module) -> None:
    """He initialization by fan-out, counting only the outputs that a weight really reaches: a depthwise one has a single map."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            reached = module.weight.shape[0] // module.groups * module.weight[0, 0].numel()
            nn.init.normal_(module.weight, std=(2 / reached) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
