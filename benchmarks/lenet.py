"""One training step of our LeNet (forward, backward, AdamW) against the same layers in a row, as plain torch has them."""

from statistics import median
from time import perf_counter

import torch
from torch import nn
from torch.nn import functional as F

from learnable.models.vision.lenet import LeNet
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw

BOUNDS = {"LeNet training step / plain torch": 1.03}
ROUNDS, STEPS, BATCH = 60, 10, 128


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip


class Ours:
    """The parts that the recipe names: our model, objective and optimizer."""

    def __init__(self) -> None:
        self.model = LeNet()
        self.optimizer = adamw(self.model, 1e-3, weight_decay=0.01, betas=(0.9, 0.999))

    def step(self, image: torch.Tensor, label: torch.Tensor) -> None:
        classify(self.model, {"image": image, "label": label})["total"].backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


class Theirs:
    """What one writes without us, the number of right answers included."""

    def __init__(self) -> None:
        self.model = plain()
        weights = [parameter for parameter in self.model.parameters() if parameter.ndim >= 2]
        biases = [parameter for parameter in self.model.parameters() if parameter.ndim < 2]
        groups = [{"params": weights, "weight_decay": 0.01}, {"params": biases, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)

    def step(self, image: torch.Tensor, label: torch.Tensor) -> None:
        logits = self.model(image)
        F.cross_entropy(logits, label).backward()
        (logits.detach().argmax(1) == label).float().mean()
        self.optimizer.step()
        self.optimizer.zero_grad()


def seconds(side: Ours | Theirs, image: torch.Tensor, label: torch.Tensor) -> float:
    start = perf_counter()
    for _ in range(STEPS):
        side.step(image, label)
    return (perf_counter() - start) / STEPS


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds per step, medians over rounds in which both take turns and change who begins."""
    image, label = torch.rand(BATCH, 1, 28, 28), torch.randint(10, (BATCH,))
    ours, theirs = Ours(), Theirs()
    seconds(ours, image, label), seconds(theirs, image, label)
    mine: list[float] = []
    reference: list[float] = []
    for number in range(rounds):
        if number % 2:
            mine.append(seconds(ours, image, label))
            reference.append(seconds(theirs, image, label))
        else:
            reference.append(seconds(theirs, image, label))
            mine.append(seconds(ours, image, label))
    return {
        "LeNet training step / plain torch": median(mine) / median(reference),
        "LeNet training step, milliseconds": 1000 * median(mine),
        "plain torch training step, milliseconds": 1000 * median(reference),
    }


def main() -> None:
    for name, value in measure().items():
        print(f"{name}: {value:.3f}" + (f" (bound {BOUNDS[name]:.2f})" if name in BOUNDS else ""))


if __name__ == "__main__":
    main()
