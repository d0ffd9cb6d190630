"""Adam as games need it: with a short memory."""

import torch
from torch import nn


def adam(module: nn.Module, learning_rate: float, *, betas: tuple[float, float] = (0.5, 0.99)) -> torch.optim.Adam:
    """Adam without weight decay, remembering fewer past gradients than is usual.

    Where two players move, the other one has changed what the gradients of long ago were about: the first `beta` is 0.5
    (Radford et al. 2016, section 4) or 0 (Mescheder et al. 2018), not 0.9.

    >>> adam(nn.Linear(2, 1), 1e-3).defaults["betas"]
    (0.5, 0.99)
    """
    return torch.optim.Adam(module.parameters(), lr=learning_rate, betas=betas)
