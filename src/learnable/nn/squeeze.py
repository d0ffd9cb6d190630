r"""Squeeze and excitation: the whole picture decides how loud each channel is.

    s = mean of x over the places        squeeze: one number a channel
    g = gate(up(bend(down(s))))          excitation: a factor for each channel, from 0 to 1
    y = g * x

A convolution looks at a few pixels; this looks at all of them, and costs next to nothing, since it works on one place.

Paper    Hu, Shen & Sun 2018, "Squeeze-and-excitation networks", section 3 - https://arxiv.org/abs/1709.01507
Letters  their F_sq is `mean`, their W_1 and W_2 our `reduce` and `expand`
Differs  activation and gate are handed over: theirs are ReLU and sigmoid, EfficientNet bends with SiLU, MobileNetV3 gates
         with the hard sigmoid
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """
    >>> import torch
    >>> SqueezeExcitation(16, squeezed=4)(torch.rand(2, 16, 5, 5)).shape
    torch.Size([2, 16, 5, 5])
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        activation: Callable[..., nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
    ):
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, kernel_size=1)
        self.activation = activation(inplace=True)
        self.expand = nn.Conv2d(squeezed, channels, kernel_size=1)
        self.gate = gate()

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps h w"]:
        s = x.mean(dim=(2, 3), keepdim=True)
        g = self.gate(self.expand(self.activation(self.reduce(s))))
        return g * x
