r"""The block that transformers are stacked from, with the norms inside the residual steps ("pre-norm").

    x = x + attention(norm1(x))
    x = x + mlp(norm2(x))

The sum runs from the first block to the last untouched, so gradients reach the bottom of a deep stack at full strength; the
original put the norm on the sum itself, which is hard to train beyond a dozen blocks.

Paper    Radford et al. 2019, section 2.3 (the norm moves to the front); Xiong et al. 2020 (why) - https://arxiv.org/abs/2002.04745
Differs  no dropout
"""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from learnable.nn.attention import SelfAttention
from learnable.nn.mlp import MLP


class Block(nn.Module):
    """Two residual steps: first the tokens talk, then each thinks for itself.

    >>> import torch
    >>> Block(width=8, heads=2, causal=True)(torch.zeros(1, 5, 8)).shape
    torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        width: int,
        heads: int,
        causal: bool = False,
        activation: Callable[[Tensor], Tensor] = F.gelu,
        eps: float = 1e-5,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attention = SelfAttention(width, heads, causal)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, 4 * width, activation)

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        allowed: Bool[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        """`allowed` says which token (row) may look at which (column); None: all, or all before it if causal."""
        x = x + self.attention(self.norm1(x), allowed)
        x = x + self.mlp(self.norm2(x))
        return x
