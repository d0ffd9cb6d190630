"""The engine against PyTorch: one training step of an MLP 784-256-10, batch 64, float32, on one thread.

Run it   python benchmarks/engine.py

Both do the same: forward, cross-entropy, backward, a step of SGD with momentum. They take turns in one process, so that
whatever else the machine does falls on both; medians over rounds, each round a number of steps.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

BOUNDS = {"engine step / torch step": 1.2}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
INPUTS, HIDDEN, CLASSES, BATCH = 784, 256, 10, 64
ROUNDS, STEPS = 40, 25


def engine_step() -> Callable[[], None]:
    import numpy as np

    from learnable.engine import MLP, SGD, Tensor

    random = np.random.default_rng(0)
    images = random.uniform(size=(BATCH, INPUTS)).astype(np.float32)
    labels = random.integers(CLASSES, size=BATCH)
    network = MLP(INPUTS, [HIDDEN], CLASSES, random)
    optimizer = SGD(network.parameters(), learning_rate=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        network(Tensor(images)).cross_entropy(labels).backward()
        optimizer.step()

    return step


def torch_step() -> Callable[[], None]:
    import torch
    from torch import nn

    torch.manual_seed(0)
    images, labels = torch.rand(BATCH, INPUTS), torch.randint(CLASSES, (BATCH,))
    network = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None]) -> float:
    """For one step, over a round of them."""
    start = perf_counter()
    for _ in range(STEPS):
        step()
    return (perf_counter() - start) / STEPS


def compare() -> dict[str, float]:
    """Measure here and now; the process must have been started with `ONE_THREAD`."""
    ours, theirs = engine_step(), torch_step()
    seconds(ours), seconds(theirs)  # both warm
    times = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    mine, reference = (median(column) for column in zip(*times, strict=True))
    return {
        "engine step / torch step": mine / reference,
        "engine step, milliseconds": 1000 * mine,
        "torch step, milliseconds": 1000 * reference,
    }


def measure() -> dict[str, float]:
    """Measure in a process of its own: how many threads a BLAS uses is settled when it is loaded."""
    if all(os.environ.get(name) == "1" for name in ONE_THREAD):
        return compare()
    command = [sys.executable, str(Path(__file__).resolve()), "--numbers"]
    lines = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {name: float(number) for name, number in (line.split(": ") for line in lines.splitlines())}


def main() -> None:
    if sys.argv[1:] == ["--numbers"]:
        print("\n".join(f"{name}: {number!r}" for name, number in compare().items()))
        return
    for name, number in measure().items():
        print(f"{name}: {number:.2f}" + (f" (bound {BOUNDS[name]:.2f})" if name in BOUNDS else ""))


if __name__ == "__main__":
    main()
