"""Learning rates over time: plain functions from (step, steps) to a share of the peak rate, between 0 and 1."""

import math
from collections.abc import Callable


def constant(step: int, steps: int) -> float:
    """The same rate throughout."""
    return 1.0


def warmup_cosine(step: int, steps: int, *, warmup: float = 0.05, floor: float = 0.0) -> float:
    """Rise in a straight line, then fall along half a cosine to `floor`.

    `warmup` and `floor` are shares: of the steps and of the peak. Loshchilov & Hutter 2017 (the cosine),
    Goyal et al. 2017 (the warm-up).

    >>> [round(warmup_cosine(step, 10, warmup=0.2), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    progress = (step - rising) / max(1, steps - rising)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def one_cycle(step: int, steps: int, *, warmup: float = 0.3, start: float = 0.04, end: float = 1e-4) -> float:
    """Rise and fall along cosines: a short training at a rate that would be too high to begin with. Smith & Topin 2018.

    >>> [round(one_cycle(step, 10), 2) for step in range(10)]
    [0.04, 0.28, 0.76, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05]
    """

    def ease(low: float, high: float, share: float) -> float:
        return low + (high - low) * 0.5 * (1 - math.cos(math.pi * share))

    peak = max(1, round(warmup * steps))
    if step < peak:
        return ease(start, 1.0, step / peak)
    return ease(1.0, end, (step - peak) / max(1, steps - peak))


def noam(step: int, steps: int, *, warmup: float = 0.04) -> float:
    r"""Rise in a straight line, then fall as 1 / √step: the Transformer's schedule. Vaswani et al. 2017, section 5.3.

    `warmup` is a share of the steps: theirs were 4,000 of 100,000. Their rate, width^-0.5 · min(n^-0.5, n · W^-1.5) at
    step n of which W warm up, has its peak at n = W; `noam_peak` says how high it is, and this function is the rest.

    >>> [round(noam(step, 10, warmup=0.2), 2) for step in range(10)]
    [0.5, 1.0, 0.82, 0.71, 0.63, 0.58, 0.53, 0.5, 0.47, 0.45]
    """
    rising = max(1, round(warmup * steps))
    return min((step + 1) / rising, math.sqrt(rising / (step + 1)))


def noam_peak(width: int, warmup_steps: int) -> float:
    """The highest rate of the Transformer's schedule: the wider the model and the longer the warm-up, the lower.

    >>> round(noam_peak(width=512, warmup_steps=4000), 6)
    0.000699
    """
    return float((width * warmup_steps) ** -0.5)


def hold_then_fall(step: int, steps: int, *, fall: float = 0.6) -> float:
    """The whole rate, and for the last `fall` of the steps a straight line down to zero. Hägele et al. 2024 (the cooldown).

    >>> [round(hold_then_fall(step, 10), 2) for step in range(10)]
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.83, 0.67, 0.5, 0.33, 0.17]
    """
    return min(1.0, (1 - step / steps) / fall)


def thawing(
    step: int,
    steps: int,
    *,
    parts: int,
    every: float = 0.1,
    schedule: Callable[[int, int], float] = warmup_cosine,
) -> tuple[float, ...]:
    """Gradual unfreezing: the last part learns from the beginning, each one before it a share `every` of the steps later.

    The new head begins at random, and what it asks for at first would spoil what lies below. One share for each of an
    optimizer's groups, from the input to the output. Howard & Ruder 2018, section 3.3.

    >>> thawing(0, 100, parts=3, schedule=constant), thawing(10, 100, parts=3, schedule=constant)
    ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0))
    """
    share = schedule(step, steps)
    return tuple(share if step >= round(behind * every * steps) else 0.0 for behind in reversed(range(parts)))
