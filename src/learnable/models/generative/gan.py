r"""GAN: a forger and a detective make each other better.

    generator       noise becomes a point; wants its points to be taken for real ones
    discriminator   a point becomes a logit: how sure it is that the point is real; wants to be right

Paper    Goodfellow et al. 2014, section 3 and figure 1 - https://arxiv.org/abs/1406.2661
Letters  their G is our `generator`, their D(x) is sigmoid(`discriminator(x)`), their z is our `noise`
Differs  the discriminator gives logits, since log D and log(1 - D) are exact only from them (`objectives.adversarial`);
         leaky ReLU in both players instead of maxout and dropout
"""

from itertools import pairwise

from einops import rearrange
from einops.layers.torch import Rearrange
from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError


class GAN(nn.Module):
    """Two players in one module, so that one file holds both; they meet only in the objectives.

    >>> import torch
    >>> gan = mlp_gan(noise=8, width=32)
    >>> points = gan(torch.randn(5, 8))
    >>> points.shape, gan.discriminator(points).shape
    (torch.Size([5, 2]), torch.Size([5]))
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator

    def forward(self, noise: Float[Tensor, "batch noise"]) -> Float[Tensor, "batch width"]:
        """What a trained GAN is for: the discriminator has done its work by then."""
        return self.generator(noise)


class Packed(nn.Module):
    """A discriminator that judges several points at once, all real or all made.

    One point cannot show that the generator always makes the same one; a pack of them can. So a collapse is seen, and
    punished. `judge` takes (packs, size * width); consecutive points form a pack.

    Paper    Lin et al. 2018, "PacGAN", section 2 - https://arxiv.org/abs/1712.04086
    Letters  their m is our `size`

    Raises:
        CallError: a batch that is no multiple of `size`.
    """

    def __init__(self, judge: nn.Module, size: int):
        super().__init__()
        self.judge = judge
        self.size = size

    def forward(self, points: Float[Tensor, "batch width"]) -> Float[Tensor, "packs"]:
        if len(points) % self.size:
            raise CallError(
                f"packs of {self.size} need a batch that is a multiple of {self.size}, came {len(points)} points."
            )
        return self.judge(rearrange(points, "(packs size) width -> packs (size width)", size=self.size))


def mlp(inputs: int, outputs: int, width: int, depth: int) -> nn.Sequential:
    """`depth` hidden layers of `width` units.

    The leak keeps a gradient alive on both sides of zero: the generator learns only through the discriminator's input,
    and where all of its units are off there is nothing to learn.
    """
    widths = [inputs] + [width] * depth
    hidden = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, nn.Linear(widths[-1], outputs))


def mlp_gan(noise: int, points: int = 2, width: int = 128, depth: int = 3, pack: int = 1) -> GAN:
    """Both players as plain multi-layer perceptrons; `pack` points at a time are judged.

    Raises:
        CallError: a size below 1.
    """
    sizes = {"noise": noise, "points": points, "width": width, "depth": depth, "pack": pack}
    if min(sizes.values()) < 1:
        raise CallError(f"expected every size of a GAN to be at least 1, came {sizes}")
    judge = nn.Sequential(mlp(pack * points, 1, width, depth), Rearrange("batch 1 -> batch"))
    return GAN(mlp(noise, points, width, depth), judge if pack == 1 else Packed(judge, pack))
