"""What every network of pictures asks of its input, said before a convolution says it in its own words."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.fx import Proxy

from learnable.errors import CallError


class Normalize(nn.Module):
    """(image - mean) / std, channel by channel, as the first layer: whoever uses the model hands over pixels from 0 to 1.

    >>> Normalize((0.5,), (0.25,))(torch.ones(1, 1, 1, 1)).item()
    2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(
        self, image: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        return (image - self.mean) / self.std


def check_pictures(image: Tensor, channels: int, smallest: int = 1) -> None:
    """Raises:
    CallError: not (batch, channels, height, width), other channels, or pictures of which the layers would leave nothing.
    """
    if isinstance(cast(object, image), Proxy):  # torch.fx asks what is computed, of no pictures yet
        return
    if image.dim() != 4 or image.shape[1] != channels or min(image.shape[2:]) < smallest:
        least = f" of at least {smallest}x{smallest} pixels" if smallest > 1 else ""
        raise CallError(f"expected pictures of shape (batch, {channels}, height, width){least}, came {tuple(image.shape)}; "
                        "a single picture is image[None], a gray one fits a network built with channels=1")  # fmt: skip


def check_sizes(owner: Any, *numbers: int) -> None:
    """A layer of nothing can be built, and then fails far from here.

    Raises:
        CallError: one of the numbers is below 1, or there is none.
    """
    if not numbers or min(numbers) < 1:
        raise CallError(
            f"expected numbers of at least 1 for a {type(owner).__name__}, came {', '.join(map(str, numbers))}"
        )
