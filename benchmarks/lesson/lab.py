"""Two labs to measure with: one answers at once, one trains as fast as it can."""

from collections.abc import Iterator
from typing import Any

from learnable.course.lab import Knobs, Lab, Slider, Views
from learnable.course.views import Axis, Bars, Field, Heatmap, Lines, Series

TOKENS, WIDTH = 16, 32


def show_attention(state: Any, temperature: float, query: int) -> Views:
    """Who looks at whom among sixteen random tokens."""
    import torch

    tokens = torch.randn(TOKENS, WIDTH, generator=torch.Generator().manual_seed(0))
    weights = (tokens @ tokens.T / (WIDTH**0.5 * temperature)).softmax(dim=-1)
    return [
        Heatmap(title="Attention", values=weights, summary="Each token looks mostly at itself."),
        Bars(title="One row", labels=[str(token) for token in range(TOKENS)], values=weights[query]),
    ]


def play_training(state: Any, knobs: Knobs) -> Iterator[Views]:
    """A small network learns the exclusive or, with its field of answers."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(0)
    points = torch.rand(256, 2, generator=generator) * 2 - 1
    labels = (points.prod(dim=1) > 0).float()
    net = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(net.parameters())
    axis = torch.linspace(-1, 1, 32)
    grid = torch.cartesian_prod(axis, axis).flip(1)
    losses: list[float] = []
    while True:
        optimizer.param_groups[0]["lr"] = knobs.rate  # type: ignore[attr-defined]
        loss = F.binary_cross_entropy_with_logits(net(points).squeeze(1), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        with torch.no_grad():
            values = net(grid).reshape(32, 32)
        yield [
            Field(title="Answers", values=values, x=Axis(low=-1, high=1), y=Axis(low=-1, high=1)),
            Lines(title="Loss", series=[Series(name="loss", x=list(range(len(losses[-200:]))), y=losses[-200:])]),
        ]


LABS = {
    "light": Lab(
        title="Who looks at whom?",
        controls=(
            Slider("temperature", "Temperature", low=0.1, high=10, default=1, log=True),
            Slider("query", "Token", low=0, high=TOKENS - 1, default=0, step=1),
        ),
        show=show_attention,
    ),
    "train": Lab(
        title="How does the field change?",
        controls=(Slider("rate", "Rate", low=1e-4, high=1, default=1e-2, log=True),),
        play=play_training,
    ),
}
