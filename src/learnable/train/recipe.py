"""A recipe says how something is trained and what comes out: plain data, frozen, varied with `dataclasses.replace`."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from learnable.data.examples import Batch, Data, Examples, Info
from learnable.optim.schedules import constant

Metrics = dict[str, float]
Setting = int | float | str | bool


@dataclass(frozen=True)
class Player:
    """A part of the model that moves: what it wants, how it moves, how fast. Nearly every recipe has one; a GAN has two."""

    objective: Callable[[nn.Module, Batch], dict[str, Tensor]]  # {"total": loss, ...named parts}
    optimizer: Callable[[nn.Module, float], Optimizer]  # a factory: parameters may be sharded before it is called
    learning_rate: float  # at the schedule's peak
    # (step, steps) -> share of the learning rate; or one share for each of the optimizer's groups, 0 for one that waits
    schedule: Callable[[int, int], float | Sequence[float]] = constant
    part: str = ""  # the attribute of the model that it trains; "" is all of it


@dataclass(frozen=True)
class Expected:
    """What a recipe promises, checked by `learnable verify`."""

    metric: str
    minutes: float  # on `machine`; for people, never asserted
    at_least: float | None = None
    at_most: float | None = None
    machine: str = "2 CPU cores"

    @property
    def higher_is_better(self) -> bool:
        return self.at_least is not None

    def kept(self, value: float) -> bool:
        """Whether `value` keeps the promise; NaN never does."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        return f"{self.metric} {'≥' if self.at_least is not None else '≤'} {self.at_least if self.at_least is not None else self.at_most:g}"


@dataclass(frozen=True)
class Recipe:
    """A model, data, players and the loop, named together.

    `model` and `data` are called as `model(info, **model_settings)` and `data(source, **data_settings)`; the settings
    are the recipe's own flags on the command line. `source` is None for the embedded data, else what `--data` said.
    """

    model: Callable[..., nn.Module]
    data: Callable[..., Data]
    players: tuple[Player, ...]
    batch_size: int  # global: over all processes and micro-batches
    evaluate: Callable[[nn.Module, Examples, Info], Metrics]
    expected: Expected
    steps: int = 0  # either these ...
    epochs: float = 0  # ... or so many times through the training part
    model_settings: Mapping[str, Setting] = field(default_factory=dict)
    data_settings: Mapping[str, Setting] = field(default_factory=dict)
    # What is decided once, when a run begins, and then written down: (source, settings, say) -> settings that change.
    settle: Callable[[str | None, Mapping[str, Setting], Callable[[str], None]], Mapping[str, Setting]] | None = None
    # What the model begins with, where that is not chance: (model, info, machine, seed, say, **start_settings).
    start: Callable[..., None] | None = None
    start_settings: Mapping[str, Setting] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)  # what --data takes beside a path: name -> what it is
    promises: Mapping[str, Expected] = field(default_factory=dict)  # what it promises on other sources
    # What it does otherwise on other sources, unless somebody says so: source -> flags by name, steps and settings.
    elsewhere: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    clip: float | None = None  # largest norm of a player's gradient
    average: float | None = None  # decay of the weights' running average, which is then what is evaluated and used
    every: int = 100  # steps between evaluations and checkpoints
    patience: int | None = None  # evaluations without a better `expected.metric` on the validation part, then stop
    predict: Callable[[nn.Module, Info, Path], dict[str, Any]] | None = None  # -> {"prediction", "probabilities"}
    generate: Callable[..., dict[str, Any]] | None = (
        None  # (model, info, prompt, count, seed, temperature) -> {"text"} ...
    )
    stream: Callable[..., Iterator[str]] | None = None  # as `generate`: the text without its prompt, piece by piece
    takes: str = "a picture"  # what `predict` wants, for people
    example: Callable[[Info], tuple[Tensor, ...]] | None = None  # inputs of the model's `forward`, for export
    inputs: tuple[str, ...] = ("image",)  # what they are called outside
    outputs: tuple[str, ...] = ("logits",)
    free: tuple[str, ...] = ("batch",)  # their leading axes that may have any length

    @property
    def settings(self) -> dict[str, Setting]:
        """The recipe's own knobs, by name."""
        return {**self.data_settings, **self.model_settings, **self.start_settings}

    def steps_for(self, examples: int) -> int:
        """How many steps the recipe takes on a training part of this size."""
        return self.steps or max(1, math.ceil(self.epochs * (examples // self.batch_size)))


@dataclass(frozen=True)
class Program:
    """A recipe that is not a training by the loop (NumPy's own, a measurement): a function with the same promise.

    `run(bench, **model_settings, **run_settings)` is given a `learnable.train.workbench.Workbench` and returns the metrics.
    `model(info, **model_settings)` is the result's torch twin: the arrays that `run` saves under the names of its
    state are its weights, and by it the run is evaluated, used and exported like any other.
    """

    run: Callable[..., Metrics]
    data: Callable[..., Data]
    model: Callable[..., nn.Module]
    evaluate: Callable[[nn.Module, Examples, Info], Metrics]
    expected: Expected
    model_settings: Mapping[str, Setting] = field(default_factory=dict)
    run_settings: Mapping[str, Setting] = field(default_factory=dict)  # steps, batch_size, learning_rate ...
    data_settings: Mapping[str, Setting] = field(default_factory=dict)
    quick: Mapping[str, Setting] = field(default_factory=dict)  # the run settings that make it a matter of seconds
    sources: Mapping[str, str] = field(default_factory=dict)
    promises: Mapping[str, Expected] = field(default_factory=dict)
    predict: Callable[[nn.Module, Info, Path], dict[str, Any]] | None = None
    takes: str = "a picture"
    example: Callable[[Info], tuple[Tensor, ...]] | None = None
    inputs: tuple[str, ...] = ("image",)
    outputs: tuple[str, ...] = ("logits",)
    free: tuple[str, ...] = ("batch",)
    generate: Callable[..., dict[str, Any]] | None = None
    stream: Callable[..., Iterator[str]] | None = None

    @property
    def settings(self) -> dict[str, Setting]:
        """The recipe's own knobs, by name."""
        return {**self.data_settings, **self.model_settings, **self.run_settings}


AnyRecipe = Recipe | Program


def smoke(recipe: AnyRecipe, steps: int = 4) -> AnyRecipe:
    """The same run, a few steps long: proves that the parts fit, nothing more."""
    if isinstance(recipe, Program):
        return replace(recipe, run_settings={**recipe.run_settings, **recipe.quick})
    return replace(recipe, steps=steps, epochs=0, every=2, batch_size=min(16, recipe.batch_size))
