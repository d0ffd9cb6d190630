r"""The part of a transformer in which each token thinks for itself: widen, bend, narrow.

    y = down(activation(up(x)))

Paper    Vaswani et al. 2017, section 3.3 - https://arxiv.org/abs/1706.03762
Letters  their d_model is our `width`, their d_ff our `hidden`; theirs is four times as wide, and so is nearly everybody's since
Differs  the activation is handed over: theirs was ReLU, transformers since use smoother ones
"""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Module):
    """The same two layers for every token; no token sees another one here.

    >>> import torch
    >>> MLP(width=8, hidden=32)(torch.zeros(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, width: int, hidden: int, activation: Callable[[Tensor], Tensor] = F.gelu):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.activation = activation
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        return self.down(self.activation(self.up(x)))
