"""Attention against recurrence: forward and backward of one layer of equal width, over the length of the sequence.

An LSTM has to take the tokens one after the other, a Transformer's layer takes all at once; its work grows with the square of
the length where the LSTM's grows with the length, and it has half as many parameters again. So which one is sooner depends on
whether something idles while the LSTM waits for its last step: with one sequence much does, with a batch that fills the cores
nothing does, and a GPU is hard to fill with single steps.
Both sides alternate in one run and have the same batch, width and threads; torch's own LSTM, in its fused form.
"""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn

from learnable.models.language.transformer import EncoderLayer

LENGTHS = (16, 64, 256, 1024)
# To know, not to promise: nothing of ours could make them worse but a slow layer.
BOUNDS: dict[str, float] = {}
BATCHES = {"one sequence": 1, "2,048 tokens in a batch": 2048}


def measure(rounds: int = 5, width: int = 128, heads: int = 4) -> dict[str, float]:
    """A Transformer layer's time over an LSTM layer's, by length, and the milliseconds of both; below 1 is faster."""
    torch.manual_seed(0)
    layer, lstm = EncoderLayer(width, heads, 4 * width), nn.LSTM(width, width, batch_first=True)
    sizes = [sum(p.numel() for p in module.parameters()) for module in (layer, lstm)]
    values: dict[str, float] = {"parameters, Transformer layer / LSTM layer": sizes[0] / sizes[1]}
    for name, tokens in BATCHES.items():
        for length in LENGTHS:
            x = torch.randn(max(1, tokens // length), length, width, requires_grad=True)
            attention, recurrence = alternating(lambda x=x: layer(x), lambda x=x: lstm(x)[0], rounds)
            values[f"attention, {name}, {length} long, milliseconds"] = 1000 * attention
            values[f"recurrence, {name}, {length} long, milliseconds"] = 1000 * recurrence
            values[f"attention / recurrence, {name}, {length} long"] = attention / recurrence
    return values


def alternating(one: Callable[[], torch.Tensor], other: Callable[[], torch.Tensor], rounds: int) -> tuple[float, float]:
    """Seconds of a forward and a backward pass, the median of each side; the first round sets up memory and kernels."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for attempt in range(rounds + 1):
        for times, run in zip(seconds, (one, other), strict=True):
            start = time.perf_counter()
            run().sum().backward()
            if attempt:
                times.append(time.perf_counter() - start)
    return median(seconds[0]), median(seconds[1])
