"""Freezing: a part of a model that has learned already stays as it is, batch norms included.

Without gradients alone, a batch norm in training mode would go on counting the new pictures into its statistics, and
normalize by them: the part would change all the same.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


class FrozenBatchNorm(nn.Module):
    """A batch norm that has seen enough: it normalizes by what it remembers, in training too. Its state has the same names."""

    def __init__(self, norm: nn.BatchNorm2d):
        super().__init__()
        if norm.running_mean is None or norm.weight is None:
            raise ValueError(
                "expected a batch norm that has counted and scales, came one without statistics or without weight"
            )
        self.eps = norm.eps
        for name, tensor in norm.state_dict().items():
            self.register_buffer(name, tensor.detach().clone())

    def forward(self, x: Float[Tensor, "batch maps h w"]) -> Float[Tensor, "batch maps h w"]:
        state: Any = self
        scale = state.weight * (state.running_var + self.eps).rsqrt()
        return x * scale[:, None, None] + (state.bias - state.running_mean * scale)[:, None, None]


def freeze(module: nn.Module) -> nn.Module:
    """Nothing in `module` learns any more, and it gives in training what it gives in evaluation (dropout aside).

    >>> import torch
    >>> layer = freeze(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))
    >>> before = layer.eval()(torch.ones(1, 1, 4, 4))
    >>> torch.allclose(layer.train()(torch.ones(1, 1, 4, 4)), before, atol=1e-6), any(p.requires_grad for p in layer.parameters())
    (True, False)
    """
    module.requires_grad_(False)
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.BatchNorm2d):
            module.set_submodule(name, FrozenBatchNorm(part))
    return module
