"""MNIST to 99.0 % of the test part: from the plain way to the fast one, one difference after the other.

Each row trains until its model, looked at after every epoch, has 99.0 % of the test pictures right; where the schedule
must know its end in advance (one cycle), it is looked at once, at that end. Looking takes no time of the row's. Rows take turns,
seed after seed. The test part decides when to stop, for all rows alike: this measures speed, it reports no accuracy.

    LEARNABLE_DATA_MIRROR=... python -m benchmarks mnist            three seeds
    LEARNABLE_DATA_MIRROR=... python -m benchmarks.mnist 1          one seed
"""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from time import perf_counter

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from learnable.data.examples import Data, TensorExamples
from learnable.data.images import labeled_images
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.fastnet import FastNet
from learnable.recipes.vision.lenet import FAST, RECIPE
from learnable.train.batches import Batches, BatchNumbers
from learnable.train.loop import Team, train
from learnable.train.machine import Machine
from learnable.train.recipe import Recipe

TARGET = 0.99
PATIENCE = 20  # epochs after which a row has failed
BOUNDS = {"fastnet / plain LeNet-5, time to 99.0 %": 1 / 6}

Attempt = Callable[[Data, int], Iterator[nn.Module]]


def plain() -> nn.Sequential:
    """LeNet-5 without anything of ours."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip


def baseline(data: Data, seed: int) -> Iterator[nn.Module]:
    """As tutorials have it: a DataLoader of 64, stochastic gradient descent at 0.01 with momentum."""
    columns = columns_of(data)
    torch.manual_seed(seed)
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=MOMENTUM)
    loader = DataLoader(TensorDataset(columns["image"], columns["label"]), batch_size=64, shuffle=True)
    for _ in range(PATIENCE):
        for image, label in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(image), label).backward()
            optimizer.step()
        yield model


def indexed(data: Data, seed: int) -> Iterator[nn.Module]:
    """The same, but a batch is one indexing of a tensor instead of 64 examples fetched and stacked."""
    columns = columns_of(data)
    torch.manual_seed(seed)
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=MOMENTUM)
    numbers = BatchNumbers(len(data.train), 64, seed)
    for epoch in range(PATIENCE):
        for step in range(epoch * numbers.steps_per_epoch, (epoch + 1) * numbers.steps_per_epoch):
            chosen = numbers.at(step)
            optimizer.zero_grad()
            F.cross_entropy(model(columns["image"][chosen]), columns["label"][chosen]).backward()
            optimizer.step()
        yield model


def by_recipe(recipe: Recipe) -> Attempt:
    """The rest is what our own loop makes of a recipe."""

    def attempt(data: Data, seed: int) -> Iterator[nn.Module]:
        torch.manual_seed(seed)
        model = recipe.model(data.info)
        team = Team(model, recipe.players, Machine("cpu"))
        batches = Batches(data.train, recipe.batch_size, seed)
        for _ in train(team, batches, steps=recipe.steps_for(len(data.train)), clip=recipe.clip):
            pass
        yield model

    return attempt


def columns_of(data: Data) -> dict[str, torch.Tensor]:
    assert isinstance(data.train, TensorExamples)
    return data.train.columns


MOMENTUM = 0.9
LADDER: dict[str, Attempt] = {
    "plain LeNet-5: SGD, batch 64, DataLoader": baseline,
    "+ tensor indexing": indexed,
    "+ AdamW, one cycle, batch 128 (the recipe `lenet`)": by_recipe(RECIPE),
    "+ batch norm and more maps (FastNet)": by_recipe(replace(FAST, model=lambda info: FastNet())),
    "+ channels_last (the recipe `fastnet`)": by_recipe(FAST),
}  # fmt: skip


def seconds_to_target(attempts: Iterator[nn.Module], data: Data) -> float:
    """Seconds of training until a model is good enough; infinite if none is."""
    spent, start = 0.0, perf_counter()
    for model in attempts:
        spent += perf_counter() - start
        if classification_metrics(model, data.test, data.info)["accuracy"] >= TARGET:
            return spent
        start = perf_counter()
    return math.inf


def measure(seeds: int = 3) -> dict[str, float]:
    """Median seconds of each row, and the last one's share of the first one's."""
    data = labeled_images("mnist")
    Machine("cpu")  # its imports are nobody's training
    times: dict[str, list[float]] = {name: [] for name in LADDER}
    for seed in range(seeds):
        for name, attempt in LADDER.items():
            times[name].append(seconds_to_target(attempt(data, seed), data))
    rows = {name: median(values) for name, values in times.items()}
    first, *_, last = rows.values()
    return {"fastnet / plain LeNet-5, time to 99.0 %": last / first} | {
        f"{name}, s": value for name, value in rows.items()
    }


def main() -> None:
    for name, value in measure(int(sys.argv[1]) if sys.argv[1:] else 3).items():
        print(f"{name:56} {value:8.3f}" + (f"  (bound {BOUNDS[name]:.3f})" if name in BOUNDS else ""))


if __name__ == "__main__":
    main()
