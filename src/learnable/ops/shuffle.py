"""Channel shuffle: the channels are dealt out anew, so that what one group computed reaches the others.

    a1 a2 a3 | b1 b2 b3   ->   a1 b1 a2 b2 a3 b3

Paper  Zhang et al. 2018, "ShuffleNet", section 3.1 and figure 1 - https://arxiv.org/abs/1707.01083
"""

import torch
from einops import rearrange
from jaxtyping import Shaped
from torch import Tensor


def channel_shuffle(x: Shaped[Tensor, "batch maps h w"], groups: int) -> Shaped[Tensor, "batch maps h w"]:
    """The first of each group, then the second of each, and so on.

    >>> channel_shuffle(torch.arange(6).reshape(1, 6, 1, 1), groups=2).flatten()
    tensor([0, 3, 1, 4, 2, 5])
    """
    return rearrange(x, "b (group place) h w -> b (place group) h w", group=groups)


def interleave(a: Shaped[Tensor, "batch half h w"], b: Shaped[Tensor, "batch half h w"]) -> Tensor:
    """Two halves joined and shuffled in one copy instead of two: `channel_shuffle(torch.cat([a, b], 1), 2)`.

    >>> interleave(torch.tensor([[[[1]], [[2]]]]), torch.tensor([[[[5]], [[6]]]])).flatten()
    tensor([1, 5, 2, 6])
    """
    return torch.stack((a, b), dim=2).flatten(1, 2)
