r"""Muon: momentum, and then the same size in every direction.

    memory  = β memory + (1 - β) gradient
    ahead   = β memory + (1 - β) gradient          Nesterov: where the memory is going
    update  = U Vᵀ, where ahead = U S Vᵀ           all singular values become 1
    weight  = (1 - rate · decay) weight - rate · √max(1, rows / columns) · update

The gradient of a weight matrix is nearly of low rank: a few directions have most of its length, and a step along it teaches
these few over and over. With all singular values equal the seldom directions learn as fast as the frequent ones. A singular
value decomposition in every step would be too slow; a polynomial of odd powers, which acts on the singular values alone and
needs only matrix products, brings them near to 1 in five rounds, even in bfloat16.

It is made for matrices that map hidden vectors to hidden vectors. Embeddings, the head, gains and biases are moved by AdamW,
which is in here too, so that a player has one optimizer.

Paper    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks" - https://kellerjordan.github.io/posts/muon/
Letters  their G is our `gradient`, B our `memory`, O our `update`, μ our `momentum`, η our learning rate
Differs  matrices of one shape are orthogonalized together; decay of the weights as in Liu et al. 2025 (arXiv 2502.16982), the post has none
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

from learnable.errors import CallError

# x -> a x + b x³ + c x⁵. The slope at 0 is large, so that small singular values grow fast; the price is that they do not
# come to rest at 1, but somewhere between 0.7 and 1.2, which does as well (the post, "Coefficients").
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


def orthogonalize(
    matrix: Float[Tensor, "*batch rows columns"], rounds: int = ROUNDS, dtype: torch.dtype | None = torch.bfloat16
) -> Float[Tensor, "*batch rows columns"]:
    r"""Nearly U Vᵀ, where U S Vᵀ is the matrix: the same directions, all singular values near 1 (Newton–Schulz).

    With X = U S Vᵀ, a X + b (X Xᵀ) X + c (X Xᵀ)² X = U (a S + b S³ + c S⁵) Vᵀ. The matrix is first divided by its Frobenius
    norm, which is at least its largest singular value, because the polynomial tames numbers from 0 to 1 only.

    Args:
        dtype: of the products; None is the matrix's own. The result has the matrix's type again.

    >>> orthogonalize(torch.diag(torch.tensor([5.0, 0.1])), dtype=None).diagonal().round(decimals=1)
    tensor([0.7000, 0.7000])
    """
    a, b, c = QUINTIC
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix  # X Xᵀ is then the smaller of the two squares
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    x = x.to(dtype or matrix.dtype)
    for _ in range(rounds):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrix.dtype)


class Muon(Optimizer):
    """Groups with `"orthogonal": True` are matrices and moved by Muon; the others by AdamW.

    >>> from torch import nn
    >>> layer = nn.Linear(3, 2, bias=False)
    >>> optimizer = Muon([{"params": [layer.weight], "orthogonal": True}], lr=0.1, dtype=None)
    >>> layer(torch.ones(1, 3)).sum().backward()
    >>> optimizer.step()

    Args:
        lr: of both; a group may have its own.
        momentum: share of the memory that a step keeps, in matrices.
        betas: the same for AdamW's two memories.
        weight_decay: share of a weight that a step at rate 1 takes away.
        dtype: of the products in `orthogonalize`; None is the matrices' own.

    Raises:
        CallError: something that is no matrix in an orthogonal group; a rate, a share or a decay out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.02,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        dtype: torch.dtype | None = torch.bfloat16,
    ):
        if lr < 0 or weight_decay < 0 or not all(0 <= share < 1 for share in (momentum, *betas)):
            raise CallError("expected a rate and a decay of at least 0 and a momentum and betas from 0 to below 1, "
                            f"came lr={lr}, weight_decay={weight_decay}, momentum={momentum}, betas={betas}")  # fmt: skip
        defaults = {
            "lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": weight_decay, "orthogonal": False,
        }  # fmt: skip
        super().__init__(params, defaults)
        self.dtype = dtype
        for group in self.param_groups:
            for parameter in group["params"]:
                if group["orthogonal"] and parameter.ndim != 2:
                    raise CallError("expected matrices in a group that Muon orthogonalizes, came a tensor of shape "
                                    f"{tuple(parameter.shape)}; put it into a group without orthogonal=True")  # fmt: skip

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moving = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["orthogonal"]:
                self._move_matrices(moving, group)
            else:
                self._move_others(moving, group)
        return loss

    def _move_matrices(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        same_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        for weight in matrices:
            gradient = weight.grad
            assert gradient is not None
            state = self.state[weight]
            if not state:
                state["memory"] = torch.zeros_like(gradient)
            state["memory"].lerp_(gradient, 1 - momentum)
            ahead = _whole(gradient.lerp(state["memory"], momentum))
            short, long = sorted(weight.shape)
            same_shape.setdefault((short, long), []).append((weight, ahead))
        for pairs in same_shape.values():
            wide = torch.stack([ahead if ahead.shape[0] <= ahead.shape[1] else ahead.mT for _, ahead in pairs])
            for (weight, ahead), update in zip(pairs, orthogonalize(wide, dtype=self.dtype), strict=True):
                rows, columns = ahead.shape
                update = update if rows <= columns else update.mT
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(_divided(update, weight), alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)

    def _move_others(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """AdamW, Loshchilov & Hutter 2019, algorithm 2."""
        first, second = group["betas"]
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            state = self.state[parameter]
            if not state:
                state["step"] = torch.tensor(0.0)
                state["mean"] = torch.zeros_like(gradient)
                state["square"] = torch.zeros_like(gradient)
            state["step"] += 1
            steps = int(state["step"])
            state["mean"].lerp_(gradient, 1 - first)
            state["square"].lerp_(gradient * gradient, 1 - second)
            size = (state["square"] / (1 - second**steps)).sqrt_().add_(group["eps"])
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.addcdiv_(state["mean"], size, value=-group["lr"] / (1 - first**steps))


def _whole(tensor: Tensor) -> Tensor:
    """A matrix that FSDP2 has divided by rows, put together: no part of it knows the singular values of the whole."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def _divided(update: Tensor, like: Tensor) -> Tensor:
    """This process's rows of an update that every process has computed."""
    if not hasattr(like, "device_mesh"):
        return update
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(update, like.device_mesh, like.placements, src_data_rank=None)  # type: ignore[attr-defined]
