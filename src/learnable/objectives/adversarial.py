r"""The adversarial game: what each of the two players of a GAN wants.

    V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))]        the discriminator raises it, the generator lowers it

    from a logit l:   -log D = softplus(-l)      -log(1 - D) = softplus(l)      with D = sigmoid(l)

Written with softplus nothing overflows and nothing becomes log 0, however sure the discriminator is.

If the discriminator is at its best, D* = p / (p + q), p the density of the data and q that of the generator; then
V = -log 4 + 2 JSD(p, q), which is lowest, -log 4, exactly where p = q.

Papers   Goodfellow et al. 2014, equation 1, proposition 1, theorem 1 - https://arxiv.org/abs/1406.2661
         Mescheder et al. 2018, section 4.1, equation 9 (R1) - https://arxiv.org/abs/1801.04406
Letters  their x is batch["point"], their z is batch["noise"]; their gamma is our `weight`
Differs  `discriminate` is -V: something to lower, like every other loss

Random numbers come from batch["noise"] only, one row per example, so that any number of processes sees the same ones.
Each player's module is called once per move and as a whole: the loop may have wrapped it for several processes.
"""

import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from learnable.data.examples import Batch
from learnable.errors import CallError


def discriminate(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """The discriminator's loss: two questions, "is this real?" of real points and of made ones.

    `total` is log 4 = 1.386 while it can only guess, and 0 when it is always right.
    """
    real_logits, fake_logits = _judge(model, batch["point"], _forge(model, batch))
    return _verdict(real_logits, fake_logits)


def discriminate_smoothly(model: nn.Module, batch: Batch, weight: float = 1.0) -> dict[str, Tensor]:
    """The same with R1: the discriminator pays for slopes at real points.

    Near the equilibrium there is nothing left to tell apart, and a discriminator that still slopes there pushes the
    generator away from it, around and around. And a gentle slope reaches far: the logit goes on pointing to a mode that
    the generator has left or has not found.

    Raises:
        CallError: the discriminator's weights are divided (FSDP2), which gives them back after one backward pass.
    """
    if hasattr(model.get_submodule("discriminator"), "reshard"):
        raise CallError("R1 differentiates twice, which divided weights do not allow; choose --parallel ddp.")
    point = batch["point"].detach().requires_grad_()
    real_logits, fake_logits = _judge(model, point, _forge(model, batch))
    losses = _verdict(real_logits, fake_logits)
    slope = steepness(real_logits, point)
    return losses | {"total": losses["total"] + 0.5 * weight * slope, "slope": slope}


def minimax(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """The generator's loss by the book: E[log(1 - D(G(z)))].

    Its slope in the logit is -D: when the discriminator is sure that a point is made, which is how every training
    begins, the generator learns nothing from it.
    """
    fake_logits = _ask(model, _make(model, batch))
    return {"total": -F.softplus(fake_logits).mean()}


def non_saturating(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """The generator's loss in practice: -E[log D(G(z))].

    The same fixed point, but its slope in the logit is -(1 - D): it is largest where the discriminator is sure. Section
    3 of Goodfellow et al. recommends it for that alone.
    """
    fake_logits = _ask(model, _make(model, batch))
    return {"total": F.softplus(-fake_logits).mean()}


def steepness(logits: Float[Tensor, "judgments"], point: Float[Tensor, "batch width"]) -> Float[Tensor, ""]:
    """Mean squared length of the logit's gradient at each point: equation 9 without its factor.

    It is itself differentiated by the step that follows, hence `create_graph`.
    """
    (slopes,) = torch.autograd.grad(logits.sum(), point, create_graph=True)
    return reduce(slopes.square(), "batch width -> batch", "sum").mean()


def _make(model: nn.Module, batch: Batch) -> Float[Tensor, "batch width"]:
    return model.get_submodule("generator")(batch["noise"])


def _ask(model: nn.Module, points: Float[Tensor, "batch width"]) -> Float[Tensor, "judgments"]:
    return model.get_submodule("discriminator")(points)


def _forge(model: nn.Module, batch: Batch) -> Float[Tensor, "batch width"]:
    """Made points for the discriminator to learn from; the generator is not the one who learns."""
    with torch.no_grad():
        return _make(model, batch)


def _judge(
    model: nn.Module, real: Float[Tensor, "batch width"], fake: Float[Tensor, "batch width"]
) -> tuple[Float[Tensor, "judgments"], Float[Tensor, "judgments"]]:
    """Logits of real and of made points, by one call: a wrapper around the discriminator counts its calls.

    With batch norm inside, one call would be wrong: both halves would be normalized by the statistics of their mixture.
    """
    logits = _ask(model, torch.cat([real, fake]))
    if len(logits) % 2:  # then one pack held the last real points and the first made ones
        raise CallError(f"{len(real)} points of each kind do not make whole packs; choose another batch size.")
    real_logits, fake_logits = logits.chunk(2)
    return real_logits, fake_logits


def _verdict(real_logits: Float[Tensor, "judgments"], fake_logits: Float[Tensor, "judgments"]) -> dict[str, Tensor]:
    real = F.softplus(-real_logits).mean()
    fake = F.softplus(fake_logits).mean()
    return {"total": real + fake, "real": real, "fake": fake}
