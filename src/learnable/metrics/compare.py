r"""Is the difference real? The statistics behind `learnable runs A B`.

Two trainings differ by what was changed *and* by chance: the seed decides the first weights and the order of the data.
Three questions, three answers:

    two recipes, several seeds            `paired`      t interval of the differences, seed by seed
    two classifiers, one test part        `mcnemar`     only the examples that they disagree on count
    one number, the examples behind it    `bootstrap`   draw the examples again and look how far the number moves

Papers   Student 1908 (the t distribution); McNemar 1947; Efron 1979 (the bootstrap); Bouthillier et al. 2021,
         "Accounting for variance in machine learning benchmarks" (why several seeds)
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from learnable.errors import CallError

ROUNDING = 5e-7  # of the values: differences that are closer than this differ by float32's rounding alone


@dataclass(frozen=True)
class Comparison:
    """What `paired` found. A number that the seeds do not suffice for is None."""

    seeds: tuple[int, ...]  # that both have
    differences: tuple[float, ...]  # second minus first, one per seed
    mean: float | None  # of the differences
    interval: tuple[float, float] | None  # 95 % interval of that mean
    p_value: float | None  # how often chance alone would do this, were there no difference
    verdict: str


def paired(
    a: Mapping[int, float | None], b: Mapping[int, float | None], names: tuple[str, str] = ("A", "B")
) -> Comparison:
    """Compare two recipes seed by seed: the value of `b` minus that of `a`, with Student's interval.

    Pairing takes out what the seed does to both alike (the same first weights, the same order of the data), so that a
    small difference shows with few seeds. Differences that are all the same have no spread, and nothing is claimed of
    them. Values that are missing, NaN or infinite cannot be averaged: their seeds are
    left out, and the verdict says so.

    >>> paired({0: 0.90, 1: 0.92, 2: 0.91}, {0: 0.93, 1: 0.94, 2: 0.94}).verdict
    'B is higher than A by 0.02667: 95 % interval 0.01232 to 0.04101, 3 seeds, p = 0.015'
    """
    first, second = names
    finite = {seed: value for seed, value in a.items() if value is not None and math.isfinite(value)}
    finite_b = {seed: value for seed, value in b.items() if value is not None and math.isfinite(value)}
    seeds = tuple(sorted(finite.keys() & finite_b.keys()))
    differences = tuple(finite_b[seed] - finite[seed] for seed in seeds)
    lost = sorted((a.keys() & b.keys()) - set(seeds))
    note = f" (without seed {', '.join(map(str, lost))}: no finite value there, which is a result too)" if lost else ""

    if not seeds:
        verdict = (
            f"{first} and {second} share no seed, so nothing can be paired: {first} has {_listed(a)}, "
            f"{second} has {_listed(b)}. Train both with the same seeds: --seed 0, --seed 1, --seed 2{note}"
        )
        return Comparison(seeds, differences, None, None, None, verdict)
    mean = sum(differences) / len(differences)
    if len(seeds) == 1:
        verdict = (
            f"{second} minus {first} is {mean:+.4g} with seed {seeds[0]}; one seed cannot tell a difference from "
            f"chance. Train both with two more: --seed {seeds[0] + 1}, --seed {seeds[0] + 2}{note}"
        )
        return Comparison(seeds, differences, mean, None, None, verdict)

    largest = max(max(abs(finite[seed]), abs(finite_b[seed])) for seed in seeds)
    if any(differences) and max(differences) - min(differences) <= ROUNDING * largest:
        # Accuracies move in steps of one example: two seeds agree by chance, and Student's t would call it certainty.
        verdict = (
            f"{second} minus {first} is {mean:+.4g} with each of {len(seeds)} seeds; equal differences from so few seeds "
            f"show no spread to judge by. Train both with more seeds: --seed {max(seeds) + 1}, --seed {max(seeds) + 2}"
        )
        return Comparison(seeds, differences, mean, None, None, verdict + note)

    freedom = len(seeds) - 1
    spread = math.sqrt(sum((d - mean) ** 2 for d in differences) / freedom)
    error = spread / math.sqrt(len(seeds))  # standard error of the mean
    margin = error * _t_quantile(0.95, freedom)
    interval = (mean - margin, mean + margin)
    if not any(differences):
        verdict = (
            f"{first} and {second} are equal to the last digit with all {len(seeds)} seeds: "
            "was one run compared with itself?"
        )
        return Comparison(seeds, differences, 0.0, interval, 1.0, verdict + note)
    p_value = 1 - _t_within(abs(mean) / error, freedom)

    measured = f"95 % interval {interval[0]:.4g} to {interval[1]:.4g}, {len(seeds)} seeds, {_p_text(p_value)}"
    if p_value < 0.05:
        verdict = f"{second} is {'higher' if mean > 0 else 'lower'} than {first} by {abs(mean):.4g}: {measured}"
    else:
        verdict = f"no difference shown between {first} and {second}: {second} minus {first} is {mean:+.4g}, {measured}"
    return Comparison(seeds, differences, mean, interval, p_value, verdict + note)


@dataclass(frozen=True)
class Disagreement:
    """What `mcnemar` found: how many examples only the one, or only the other, got right."""

    only_a: int
    only_b: int
    p_value: float
    verdict: str


def mcnemar(
    correct_a: Bool[Tensor, " examples"], correct_b: Bool[Tensor, " same_examples"], names: tuple[str, str] = ("A", "B")
) -> Disagreement:
    """Compare two classifiers on the same test examples. McNemar 1947, with the exact binomial.

    Examples that both get right, or both wrong, say nothing about which is better. Were the two equally good, each of
    the others would fall to either side like a coin.

    >>> mcnemar(torch.tensor([True] * 9 + [False]), torch.tensor([False] * 9 + [True])).verdict
    'A is right on 9 examples where B is wrong, B on 1 where A is wrong: A is better, p = 0.021'
    """
    if len(correct_a) != len(correct_b):
        raise CallError(f"expected two answers to the same examples, came {len(correct_a)} and {len(correct_b)}")
    only_a = int((correct_a & ~correct_b).sum())
    only_b = int((correct_b & ~correct_a).sum())
    tosses = only_a + only_b

    ways, at_most = 1, 0  # of C(n, k), exactly: whole numbers in Python have no limit
    for k in range(min(only_a, only_b) + 1):
        at_most += ways
        ways = ways * (tosses - k) // (k + 1)
    p_value = min(1.0, 2 * at_most / 2**tosses)

    first, second = names
    better = first if only_a > only_b else second
    result = f"{better} is better" if p_value < 0.05 else "no difference shown"
    verdict = (
        f"{first} is right on {only_a} examples where {second} is wrong, "
        f"{second} on {only_b} where {first} is wrong: {result}, {_p_text(p_value)}"
    )
    return Disagreement(only_a, only_b, p_value, verdict)


def average(values: Float[Tensor, " examples"]) -> float:
    """What `bootstrap` looks at unless it is told otherwise."""
    return float(values.mean())


def bootstrap(
    values: Float[Tensor, " examples"],
    statistic: Callable[[Tensor], float] = average,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """An interval for one number measured over examples (an accuracy: ones and zeros). Efron 1979, percentiles.

    It answers "what if the test part had been another one?" and not "what if I had trained again?": that is `paired`.
    With fewer than some twenty examples it is too narrow, since the examples that were not drawn are unknown to it.

    >>> low, high = bootstrap(torch.tensor([1.0] * 90 + [0.0] * 10))
    >>> 0.82 <= low < 0.90 < high <= 0.97
    True
    """
    if len(values) < 2:
        raise CallError(f"expected at least 2 examples to draw from, came {len(values)}")
    if not 0 < level < 1:
        raise CallError(f"expected a level between 0 and 1, came {level}")
    generator = torch.Generator().manual_seed(seed)
    again = [
        statistic(values[torch.randint(len(values), (len(values),), generator=generator)]) for _ in range(resamples)
    ]
    tail = (1 - level) / 2
    low, high = torch.tensor(again, dtype=torch.float64).quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64))
    return float(low), float(high)


def _t_within(t: float, freedom: int) -> float:
    r"""Probability that Student's t with this many degrees of freedom lies between −t and t.

    For a whole number of degrees the integral is a finite sum in $\theta = \arctan(t / \sqrt{\text{freedom}})$:
    Abramowitz & Stegun 1964, 26.7.3 (odd) and 26.7.4 (even).
    """
    angle = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle)
    if freedom % 2:
        term, total = cosine, 0.0
        for k in range(3, freedom + 1, 2):
            total += term
            term *= cosine * cosine * (k - 1) / k
        return 2 / math.pi * (angle + math.sin(angle) * total)
    term, total = 1.0, 0.0
    for k in range(2, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (k - 1) / k
    return min(1.0, math.sin(angle) * total)


def _t_quantile(probability: float, freedom: int) -> float:
    """The t between whose negative and itself this much of the probability lies, by halving an interval."""
    low, high = 0.0, 1.0
    while _t_within(high, freedom) < probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, freedom) < probability else (low, middle)
    return high


def _p_text(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def _listed(values: Mapping[int, float | None]) -> str:
    return "seeds " + ", ".join(map(str, sorted(values))) if values else "none"
