r"""The norm of newer language models: a vector is divided by its root mean square, and by nothing else.

    y = x / sqrt(mean(x^2) + eps) * weight

Layer normalization also subtracts the mean. That turned out not to be what it is good for: without it, models learn as
well, and there is one pass over the numbers less.

Paper    Zhang & Sennrich 2019, "Root mean square layer normalization", equation 4 - https://arxiv.org/abs/1910.07467
Letters  their g is our `weight`, n our `width`
Differs  `eps`, which their equation lacks: a vector of zeros stays one
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Each token's vector at a length of sqrt(width), then each channel at a scale of its own.

    >>> RMSNorm(2)(torch.tensor([[3.0, 4.0]]))  # their root mean square is 3.54
    tensor([[0.8485, 1.1314]], grad_fn=...)
    """

    def __init__(self, width: int, eps: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        weight = self.weight.to(x.dtype)  # under autocast they may differ, and torch has no fast way for a mixture
        return F.rms_norm(x, weight.shape, weight, self.eps)

    def extra_repr(self) -> str:
        """What `print(model)` says of it."""
        return f"{len(self.weight)}, eps={self.eps:g}"


def rms_norm(
    x: Float[Tensor, "*batch width"], weight: Float[Tensor, "width"], eps: float = 1e-6
) -> Float[Tensor, "*batch width"]:
    """The equation written out; torch's own function, which `RMSNorm` calls, is the same, made fast."""
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + eps) * weight
