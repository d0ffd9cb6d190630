"""Measuring again what recipes promise, and keeping the record that pages quote.

Each seed is trained in a process of its own, as a user would: what holds here holds on the command line.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from learnable import catalog
from learnable.errors import CallError, WorldError
from learnable.files import write_json
from learnable.runs.run import Run
from learnable.train.recipe import AnyRecipe, Expected


class NoPromise(CallError):
    """The recipe promises nothing on this data."""


@dataclass(frozen=True)
class Outcome:
    """What was measured, seed by seed."""

    recipe: str
    data: str
    metric: str
    expected: str
    values: dict[str, float | None]  # by seed; None where it came out as no number
    metrics: dict[str, dict[str, float | None]]  # all of them, by seed
    seconds: list[float]
    kept: bool
    runs: list[str]
    machine: dict[str, Any]
    versions: dict[str, str]
    date: str

    @property
    def known(self) -> list[float]:
        """The values that are numbers."""
        return [value for value in self.values.values() if value is not None]

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.known) if self.known else None

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; 0 for one seed."""
        return statistics.stdev(self.known) if len(self.known) > 1 else 0.0

    @property
    def worst(self) -> float | None:
        """Nothing is worse than a seed that came to no number."""
        if len(self.known) < len(self.values):
            return None
        return (min if "≥" in self.expected else max)(self.known)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "mean": self.mean, "spread": self.spread}


def verify(name: str, seeds: int, data: str | None = None, tell: Callable[[str], None] = lambda text: None) -> Outcome:
    """Train a recipe with seeds 0, 1, ... and hold every result against the promise.

    Raises:
        NoPromise: there is none for this data.
        WorldError: a training failed.
    """
    _, target = catalog.recipe_row(name)
    recipe: AnyRecipe = catalog.load(target)
    expected = promise(name, recipe, data)
    values, metrics, seconds, made = {}, {}, [], []
    for seed in range(seeds):
        tell(f"{name}, seed {seed} of {seeds}: about {expected.minutes:g} min on {expected.machine}")
        run = _train(name, seed, data)
        metrics[str(seed)] = run.record["metrics"]
        values[str(seed)] = run.record["metrics"][expected.metric]
        seconds.append(run.record["seconds"])
        made.append(run.name)
    record = run.record
    kept = all(value is not None and expected.kept(value) for value in values.values())
    return Outcome(name, run.info.data, expected.metric, str(expected), values, metrics, seconds, kept, made,
                   record["machine"], record["versions"], time.strftime("%Y-%m-%d"))  # fmt: skip


def promise(name: str, recipe: AnyRecipe, data: str | None) -> Expected:
    """What the recipe promises on this data; None is the embedded."""
    if data is None:
        return recipe.expected
    if data not in recipe.promises:
        there = ", ".join(recipe.promises) or "none but the embedded data"
        raise NoPromise(f"{name} promises nothing on '{data}'; it does on: {there}")
    return recipe.promises[data]


def results_folder() -> Path:
    """Where the committed records lie: in the package."""
    return Path(str(resources.files("learnable.recipes"))) / "results"


def result(name: str) -> dict[str, Any]:
    """The committed record of a recipe, by data; empty where nothing was recorded yet."""
    file = results_folder() / f"{name}.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def save(outcome: Outcome) -> Path:
    """Write an outcome into the recipe's record, beside those on other data.

    Raises:
        WorldError: this is no checkout, so the record would be lost with the next update.
    """
    folder = results_folder()
    if not (folder.parents[3] / "pyproject.toml").is_file():
        raise WorldError(
            "results are kept in a checkout of the project, and this is an installed package; clone it first"
        )
    record = result(outcome.recipe)
    entry = outcome.to_json()
    for key in ("recipe", "runs"):
        entry.pop(key)
    record[_plain(outcome.data)] = entry
    path = folder / f"{outcome.recipe}.json"
    write_json(path, record)
    return path


def _plain(data: str) -> str:
    """A data set's name without its version: the record's key. A part of one is not its whole.

    >>> _plain("stdlib of Python 3.13"), _plain("cifar10 subset (4,000 + 1,000)")
    ('stdlib', 'cifar10-subset')
    """
    name, _, rest = data.partition(" ")
    return f"{name}-subset" if rest.startswith("subset") else name


def _train(name: str, seed: int, data: str | None) -> Run:
    words = [sys.executable, "-m", "learnable", "train", name, "--seed", str(seed), "--json"]
    done = subprocess.run(words + (["--data", data] if data else []), capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise WorldError(f"the training of {name} with seed {seed} failed: {last[0].removeprefix('error: ')}")
    return Run(Path(json.loads(done.stdout.splitlines()[-1])["run"]))
