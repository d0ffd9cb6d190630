"""A row of the contract: how to build a model at toy size, what to feed it, and what it may be asked.

The rows themselves are in `rows/`, one file for a family of models: a dict CASES from the class's name to its case.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Generator, Tensor, nn

from learnable.objectives.classification import classify

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """How to build a model at toy size, what to feed it, and what it may be asked."""

    build: Callable[[], nn.Module]
    batch: Callable[[Generator, int], Batch]  # (generator, examples); the first axis of every tensor is the example
    answer: Callable[[nn.Module, Batch], Tensor]  # one row for each example, and all of the model has a part in it
    objective: Callable[[nn.Module, Batch], dict[str, Tensor]]
    guessing: float  # the loss of someone who knows nothing
    causal: str = ""  # the field along whose second axis nobody may look ahead
    learning_rate: float = 3e-3
    variants: Iterable[tuple[Callable[[], nn.Module], int]] = field(default=())  # how to build, published parameters


def pictures(generator: Generator, examples: int, size: int = 28, classes: int = 10) -> Batch:
    return {
        "image": torch.rand(examples, 1, size, size, generator=generator),
        "label": torch.randint(classes, (examples,), generator=generator),
    }


def see(model: nn.Module, batch: Batch) -> Tensor:
    return model(batch["image"])


def read(model: nn.Module, batch: Batch) -> Tensor:
    return model(batch["tokens"])


CLASSIFIER = partial(Case, batch=pictures, answer=see, objective=classify, guessing=math.log(10))
