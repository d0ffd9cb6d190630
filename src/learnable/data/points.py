"""Points in the plane: toys whose answer can be seen, and mixtures whose every mode is known.

Labeled toys, for classifiers                      Mixtures, for generators
    moons    two half circles that interlock           ring   eight Gaussians on a circle
    circles  one circle inside another                 grid   twenty-five Gaussians, five by five
    spirals  arms that wind around each other
    xor      four corners, opposite ones alike
    blobs    one Gaussian for each class

Papers   Metz et al. 2017, "Unrolled generative adversarial networks", appendix A (the ring: radius 2, deviation 0.02)
         - https://arxiv.org/abs/1611.02163; Lin et al. 2018, "PacGAN", section 4.1 (the grid: from -4 to 4 in steps of
         2, deviation 0.05) - https://arxiv.org/abs/1712.04086
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor

from learnable.data.examples import Data, Info, TensorExamples, WithNoise, split
from learnable.errors import CallError, WorldError, unknown

Points = Float[Tensor, "points 2"]
Labels = Int[Tensor, "points"]

FEWEST = 20  # points of one's own: below that a part of the split would hold one or none


def moons(count: int, *, noise: float = 0.1, seed: int = 0) -> tuple[Points, Labels]:
    """Two half circles of radius 1 that interlock: no straight line parts them.

    >>> points, labels = moons(100)
    >>> points.shape, labels.bincount().tolist()
    (torch.Size([100, 2]), [50, 50])
    """
    labels = _labels(count, classes=2)
    angle = math.pi * _along(labels)
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)
    points = torch.where(rearrange(labels == 0, "n -> n 1"), upper, lower)
    return _shaken(points, labels, noise, seed)


def circles(count: int, *, noise: float = 0.1, inner: float = 0.5, seed: int = 0) -> tuple[Points, Labels]:
    """A circle of radius 1 (class 0) around one of radius `inner` (class 1): the distance from the middle decides."""
    labels = _labels(count, classes=2)
    angle = 2 * math.pi * _along(labels, closed=True)
    radius = torch.where(labels == 0, 1.0, inner)
    return _shaken(_polar(radius, angle), labels, noise, seed)


def spirals(
    count: int, *, classes: int = 2, turns: float = 1.5, noise: float = 0.05, seed: int = 0
) -> tuple[Points, Labels]:
    """Arms that wind `turns` times around the middle: near neighbors in the plane, far apart along the arm."""
    labels = _labels(count, classes)
    along = _along(labels)
    angle = 2 * math.pi * (turns * along + labels / classes)
    return _shaken(_polar(0.1 + 0.9 * along, angle), labels, noise, seed)


def xor(count: int, *, noise: float = 0.2, seed: int = 0) -> tuple[Points, Labels]:
    """Four corners, (±1, ±1); the class says whether the signs differ. One neuron cannot learn it."""
    corner = _labels(count, classes=4)
    points = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])[corner]
    return _shaken(points, corner % 2, noise, seed)


def blobs(count: int, *, classes: int = 3, sigma: float = 0.3, seed: int = 0) -> tuple[Points, Labels]:
    """One round Gaussian for each class, their centers on a circle of radius 1."""
    labels = _labels(count, classes)
    return _shaken(ring_centers(classes, radius=1.0)[labels], labels, sigma, seed)


def ring_centers(modes: int = 8, radius: float = 2.0) -> Float[Tensor, "modes 2"]:
    """`modes` centers on a circle, the first one on the right, then against the clock."""
    return _polar(torch.full((modes,), radius), 2 * math.pi * torch.arange(modes) / modes)


def grid_centers(side: int = 5, step: float = 2.0) -> Float[Tensor, "modes 2"]:
    """`side` x `side` centers around the origin, `step` apart."""
    ticks = step * (torch.arange(side) - (side - 1) / 2)
    return torch.cartesian_prod(ticks, ticks)


def around(centers: Float[Tensor, "modes 2"], sigma: float, count: int, *, seed: int = 0) -> tuple[Points, Labels]:
    """Points of a mixture of round Gaussians, equally many around each center; the label is the center's number."""
    labels = _labels(count, classes=len(centers))
    return _shaken(centers[labels], labels, sigma, seed)


TOYS: dict[str, Callable[..., tuple[Points, Labels]]] = {
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "xor": xor,
    "blobs": blobs,
}

#         centers         sigma
MIXTURES = {
    "ring": (ring_centers, 0.02),
    "grid": (grid_centers, 0.05),
}  # fmt: skip

SOURCES = {
    "ring": "eight Gaussians on a circle",
    "grid": "twenty-five Gaussians, five by five",
    "moons": "two half circles that interlock",
    "circles": "one circle inside another",
    "spirals": "two arms that wind around each other",
    "xor": "four corners",
    "blobs": "three Gaussians",
    "FILE.csv": "a table of your own with two columns of numbers",
}


def mixture(source: str | None = None, *, noise: int = 8, count: int = 20_000) -> Data:
    """Points to be imitated, each beside `noise` random numbers for the generator to start from.

    Args:
        source: a name of `SOURCES` (None: the ring), or a CSV file with two columns of numbers.
        noise: random numbers per example.
        count: how many points are made of a named source; a fifth each is kept for deciding and for reporting.

    Batches hold `point` (batch, 2) and `noise` (batch, noise). `info.more` holds what the metrics need: for mixtures
    `centers` and `sigma`. A table's columns are brought to mean 0 and deviation 1 by those of its training part, kept
    as `shift` and `scale`, so that samples can be told in the table's own units (`in_own_units`).

    Raises:
        CallError: the name is unknown, or a number is too small.
        WorldError: the table cannot be read (see `learnable.data.tables`) or is too short.

    >>> data = mixture("grid", count=1000)
    >>> data.info.data, len(data.info.more["centers"]), len(data.train)
    ('grid', 25, 600)
    """
    if noise < 1 or count < FEWEST:
        raise CallError(f"expected noise ≥ 1 and count ≥ {FEWEST}, came noise {noise} and count {count}.")
    name = source or "ring"
    more: dict[str, object] = {}
    if name in MIXTURES:
        centers_of, sigma = MIXTURES[name]
        points, _ = around(centers_of(), sigma, count)
        more = {"centers": centers_of().tolist(), "sigma": sigma}
    elif name in TOYS:
        points, _ = TOYS[name](count)
    elif Path(name).suffix or Path(name).exists():
        points = _table(Path(name))
        name = f"table {Path(name).name}"
    else:
        raise unknown("set of points", name, SOURCES)
    parts = [points[indexes] for indexes in split(len(points), [0.6, 0.2, 0.2])]
    if name not in SOURCES:
        shift, scale = parts[0].mean(dim=0), parts[0].std(dim=0)
        scale = torch.where(scale > 0, scale, 1.0)  # a column that never changes stays as it is
        parts = [(part - shift) / scale for part in parts]
        more = {"shift": shift.tolist(), "scale": scale.tolist()}
    train, valid, test = (WithNoise(TensorExamples({"point": part.float()}), noise) for part in parts)
    return Data(Info(data=name, width=2, noise=noise, more=more), train, valid, test)


def in_own_units(points: Points, info: Info) -> Points:
    """Undo the standardization of `mixture`: points as the table of the user has them."""
    if "scale" not in info.more:
        return points
    return points * points.new_tensor(info.more["scale"]) + points.new_tensor(info.more["shift"])


def _table(path: Path) -> Points:
    from learnable.data.tables import point_table

    points = point_table(path).double()  # the shift of large numbers needs the digits
    if len(points) < FEWEST:
        raise WorldError(f"{path} holds {len(points)} points, at least {FEWEST} are needed to learn and to check.")
    return points


def _labels(count: int, classes: int) -> Labels:
    """0, 1, 2, 0, 1, 2 ...: every class as often as the next."""
    return torch.arange(count) % classes


def _along(labels: Labels, closed: bool = False) -> Float[Tensor, "points"]:
    """Evenly spread shares from 0 to 1 within each class; a closed line does not visit its beginning twice."""
    classes = int(labels.max()) + 1
    place = torch.arange(len(labels)) // classes
    per_class = labels.bincount()[labels]
    return place / (per_class if closed else (per_class - 1).clamp(min=1))


def _polar(radius: Float[Tensor, "points"], angle: Float[Tensor, "points"]) -> Points:
    return repeat(radius, "n -> n 2") * torch.stack([angle.cos(), angle.sin()], dim=1)


def _shaken(points: Points, labels: Labels, sigma: float, seed: int) -> tuple[Points, Labels]:
    """Gaussian noise on the points, and an order that tells nothing about the class."""
    generator = torch.Generator().manual_seed(seed)
    points = points + sigma * torch.randn(points.shape, generator=generator)
    order = torch.randperm(len(points), generator=generator)
    return points[order], labels[order]
