"""Optimizers as recipes name them: functions of a module and a learning rate, called once its parameters are where they will stay."""

from torch import nn
from torch.optim import SGD, AdamW, Optimizer


def adamw(
    module: nn.Module, learning_rate: float, *, weight_decay: float = 0.1, betas: tuple[float, float] = (0.9, 0.95)
) -> Optimizer:
    """AdamW that pulls matrices towards zero and leaves biases and norms alone. Loshchilov & Hutter 2019.

    A matrix can be small because another makes up for it; a bias or a norm's gain has one right size, and decay would only
    keep it from there.

    >>> [(len(group["params"]), group["weight_decay"]) for group in adamw(nn.Linear(3, 2), 1e-3).param_groups]
    [(1, 0.1), (1, 0.0)]
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim >= 2], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return AdamW(groups, lr=learning_rate, betas=betas, fused=_can_fuse(parameters))


def sgd(module: nn.Module, learning_rate: float, *, momentum: float = 0.0, weight_decay: float = 0.0) -> Optimizer:
    """Gradient descent, with momentum if asked for. Momentum m answers a lasting slope 1 / (1 - m) times as strongly."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return SGD(parameters, lr=learning_rate, momentum=momentum, weight_decay=weight_decay, fused=_can_fuse(parameters))


def _can_fuse(parameters: list[nn.Parameter]) -> bool:
    """One kernel for the whole step; it exists for floating-point numbers on these devices."""
    return all(
        parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda", "mps") for parameter in parameters
    )
