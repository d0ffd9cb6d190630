"""Optimizers as recipes name them: functions of a module and a learning rate, called once its parameters are where they will stay."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from learnable.errors import CallError
from learnable.optim.muon import Muon


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


def muon(
    module: nn.Module,
    learning_rate: float,
    *,
    momentum: float = 0.95,
    adam_share: float = 0.15,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.0,
    dtype: torch.dtype | None = None,
) -> Optimizer:
    """Muon for the matrices within a model's blocks, AdamW for embeddings, head, norms and biases. Jordan et al. 2024.

    Blocks are what lies in an `nn.ModuleList`: there a matrix maps hidden vectors to hidden vectors. An embedding does not
    (each row is one token's alone, and has its own size), nor does the head.

    Args:
        adam_share: of the learning rate, for those that AdamW moves.
        dtype: of the products that orthogonalize; None: the weights' own, which is right where there is no fast bfloat16.

    >>> model = nn.Sequential(nn.Embedding(5, 4), nn.ModuleList([nn.Linear(4, 4)]))
    >>> [(len(group["params"]), round(group["lr"], 3)) for group in muon(model, 0.02).param_groups]
    [(1, 0.02), (2, 0.003)]

    Raises:
        CallError: the module has no such matrices.
    """
    inside = {
        id(layer.weight)
        for blocks in module.modules()
        if isinstance(blocks, nn.ModuleList)
        for layer in blocks.modules()
        if isinstance(layer, nn.Linear)
    }
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if id(parameter) in inside]
    if not matrices:
        raise CallError("expected linear layers within an nn.ModuleList, which is what Muon is for, and found none in "
                        f"{type(module).__name__}; use adamw")  # fmt: skip
    others = [parameter for parameter in parameters if id(parameter) not in inside]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "orthogonal": True},
        {"params": others, "lr": learning_rate * adam_share, "weight_decay": 0.0},
    ]
    return Muon(
        [group for group in groups if group["params"]],
        learning_rate, momentum=momentum, betas=betas, weight_decay=weight_decay, dtype=dtype,
    )  # fmt: skip


def adamw_in_depth(
    module: nn.Module,
    learning_rate: float,
    *,
    parts: Sequence[str],
    factor: float = 2.6,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Optimizer:
    """AdamW by which each part learns `factor` times as slowly as the one behind it: the first layers have seen it all.

    Howard & Ruder 2018, "Universal language model fine-tuning", section 3.2 - https://arxiv.org/abs/1801.06146 (there the
    factor is 2.6). One group for each part that has anything to learn, in their order.

    Args:
        parts: the beginnings of parameters' names, from the input to the output.

    Raises:
        ValueError: a parameter that is in none of the parts.

    >>> layers = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    >>> [group["lr"] for group in adamw_in_depth(layers, 0.5, parts=("0.", "1."), factor=5).param_groups]
    [0.1, 0.5]
    """
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    alone = [name for name, _ in named if not name.startswith(tuple(parts))]
    if alone:
        raise ValueError(
            f"expected every parameter to be in one of the parts {', '.join(parts)}, and {alone[0]} is in none"
        )
    groups = [
        {
            "params": [parameter for name, parameter in named if name.startswith(part)],
            "lr": learning_rate / factor ** (len(parts) - 1 - depth),
        }
        for depth, part in enumerate(parts)
    ]
    groups = [group for group in groups if group["params"]]
    fused = _can_fuse([parameter for _, parameter in named])
    return AdamW(groups, lr=learning_rate, weight_decay=weight_decay, betas=betas, fused=fused)


def sgd(module: nn.Module, learning_rate: float, *, momentum: float = 0.0, weight_decay: float = 0.0) -> Optimizer:
    """Gradient descent, with momentum if asked for. Momentum m answers a lasting slope 1 / (1 - m) times as strongly."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return SGD(parameters, lr=learning_rate, momentum=momentum, weight_decay=weight_decay, fused=_can_fuse(parameters))


def _can_fuse(parameters: list[nn.Parameter]) -> bool:
    """One kernel for the whole step; it exists for floating-point numbers on these devices."""
    return all(
        parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda", "mps") for parameter in parameters
    )
