r"""How well a generator covers the plane: modes found, quality of points, evenness, and a distance between two samples.

Papers   Lin et al. 2018, "PacGAN", section 4.1 (modes, high-quality samples, divergence over modes)
         - https://arxiv.org/abs/1712.04086
         Székely & Rizzo 2013, "Energy statistics", section 1 (the distance)
Differs  a mode counts from a tenth of its fair share of good points on, not from one point on: with thousands of
         points a stray one lands anywhere
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from learnable.data.examples import Examples, Info

SAMPLES = 2_500  # as in the paper
NEAR = 3.0  # deviations within which a point is a good one: in the plane 98.9 % of the true ones are
FAIR = 0.1  # share of its fair share from which a mode counts as covered


def mode_metrics(model: nn.Module, examples: Examples, info: Info, *, seed: int = 0) -> dict[str, float]:
    """Measure `SAMPLES` points that the model makes from a fixed noise, so equal models measure equal.

    Returns:
        `distance` to the examples (energy distance, in the unit of the points), and, where `info.more` knows the
        centers of the mixture: `modes`, `quality`, `divergence` (see `coverage`).
    """
    real = examples.batch(torch.arange(min(len(examples), SAMPLES)), {})["point"]
    parameter = next(model.parameters())
    noise = torch.randn(SAMPLES, info.noise, generator=torch.Generator().manual_seed(seed)).to(parameter)
    with torch.no_grad():
        made = model(noise).cpu()
    measured = {"distance": float(energy_distance(made, real.to(made)))}
    return coverage(made, info.more) | measured if "centers" in info.more else measured


def coverage(points: Float[Tensor, "points 2"], mixture: Mapping[str, Any]) -> dict[str, float]:
    r"""What of a mixture with known `centers` and `sigma` the points cover.

    modes       centers that have at least a tenth of their fair share of points within 3 sigma
    quality     share of the points that are within 3 sigma of a center; 0.989 is perfect
    divergence  KL(h || uniform) in nats, h being the share of points whose nearest center it is; 0 is even, log(modes)
                is all at one center

    >>> centers = {"centers": [[0.0, 0.0], [1.0, 0.0]], "sigma": 0.1}
    >>> found = coverage(torch.tensor([[0.0, 0.1], [0.1, 0.0], [0.6, 0.0]]), centers)
    >>> {name: round(value, 3) for name, value in found.items()}
    {'modes': 1.0, 'quality': 0.667, 'divergence': 0.057}
    """
    centers = points.new_tensor(mixture["centers"])
    nearest = _apart(points, centers).min(dim=1)
    good = nearest.values <= NEAR * mixture["sigma"]
    found = nearest.indices[good].bincount(minlength=len(centers))
    share = nearest.indices.bincount(minlength=len(centers)) / len(points)
    return {
        "modes": float((found >= FAIR * len(points) / len(centers)).sum()),
        "quality": float(good.float().mean()),
        "divergence": float((torch.xlogy(share, share) - torch.xlogy(share, 1 / len(centers))).sum()),
    }


def energy_distance(a: Float[Tensor, "a width"], b: Float[Tensor, "b width"]) -> Float[Tensor, ""]:
    """2 E|a - b| - E|a - a'| - E|b - b'|: how much farther strangers are apart than one's own kind.

    Never negative, and 0 only for equal distributions. Between two finite samples of one distribution it is a little
    more than 0, about E|a - a'| (1/len(a) + 1/len(b)): no generator does better than that.

    >>> energy_distance(torch.tensor([[0.0], [0.0]]), torch.tensor([[3.0]]))
    tensor(6.)
    """
    return 2 * _apart(a, b).mean() - _apart(a, a).mean() - _apart(b, b).mean()


def _apart(a: Float[Tensor, "a width"], b: Float[Tensor, "b width"]) -> Float[Tensor, "a b"]:
    """All distances; by differences, since the shortcut |a|² - 2ab + |b|² loses the digits of those that are small."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
