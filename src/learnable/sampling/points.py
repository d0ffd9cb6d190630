"""Points from a trained generator, and a picture of points for a plain terminal."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from learnable.data.examples import Info
from learnable.data.points import in_own_units
from learnable.errors import CallError

SHADES = ".:-=+*#%@"  # from one point to many


def draw_points(
    model: nn.Module, info: Info, prompt: str | None = None, *, count: int, seed: int, temperature: float = 1.0
) -> dict[str, Any]:
    """Make `count` points, in the units of the data; equal seeds make equal points.

    Args:
        prompt: there is none to give.
        temperature: how far the noise is spread. Below 1 the points are the likelier ones and less varied; at 0 all are
            the same one.

    Raises:
        CallError: a prompt, a count below 1, or a temperature below 0.
    """
    if prompt:
        raise CallError("a GAN makes points out of noise alone and takes no prompt; leave it out and vary the seed.")
    if count < 1 or not 0 <= temperature < math.inf:
        raise CallError(f"expected count ≥ 1 and temperature ≥ 0, came count {count} and temperature {temperature}.")
    parameter = next(model.parameters())
    noise = torch.randn(count, info.noise, generator=torch.Generator().manual_seed(seed)).to(parameter)
    with torch.no_grad():
        points = model(temperature * noise).cpu()
    return {"points": in_own_units(points, info).tolist()}


def text_scatter(points: Sequence[Sequence[float]], *, columns: int = 60, rows: int = 24) -> str:
    """Draw points by characters, the darker the more points fall on one, with the ranges of both axes.

    >>> print(text_scatter([(0, 0), (0, 0), (0, 0), (1, 1), (2, 1)], columns=9, rows=3))
    +---------+
    |    .   .|
    |         |
    |@        |
    +---------+
    x from 0 to 2, y from 0 to 1; 5 points
    """
    shown = [(float(x), float(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not shown:
        return f"none of the {len(points)} points is a finite number: the training has diverged"
    (left, right), (bottom, top) = ((min(axis), max(axis)) for axis in zip(*shown, strict=True))
    cells = [[0] * columns for _ in range(rows)]
    for x, y in shown:
        cells[rows - 1 - _place(y, bottom, top, rows)][_place(x, left, right, columns)] += 1
    fullest = max(max(row) for row in cells)
    edge = "+" + "-" * columns + "+"
    picture = ["|" + "".join(_shade(number, fullest) for number in row) + "|" for row in cells]
    lost = f" ({len(points) - len(shown)} more are not finite)" if len(shown) < len(points) else ""
    legend = f"x from {left:.4g} to {right:.4g}, y from {bottom:.4g} to {top:.4g}; {len(shown)} points{lost}"
    return "\n".join([edge, *picture, edge, legend])


def _place(value: float, low: float, high: float, places: int) -> int:
    """Which of `places` evenly spaced places from `low` to `high` is nearest; the middle one if there is no range."""
    share = (value - low) / (high - low) if high > low else 0.5
    return round(share * (places - 1))


def _shade(number: int, fullest: int) -> str:
    """By the logarithm, so that a thin bridge between two modes is seen beside them."""
    if number == 0:
        return " "
    share = math.log(number) / math.log(fullest) if fullest > 1 else 1.0
    return SHADES[round(share * (len(SHADES) - 1))]
