"""Convolution: a network on the NumPy engine that reads digits, and what sharing weights is worth when digits move.

Run it       learnable train convolution              LeNet without a framework: our own gradients, the embedded digits
             learnable train convolution-shared       LeNet in torch, trained on digits in the middle, tried on shifted ones
             learnable train convolution-dense        the same for a dense network with as many weights (61,706 and 61,225)
             learnable train convolution-shared --data mnist
Takes        under a minute each on two CPU cores
Compare      convolution-shared with convolution-dense: `shifted` is the accuracy on test pictures that are moved by two and
             three pixels up, down, left and right (a digit is 28 pixels high), which neither has seen in training

The first one's weights are those of a PyTorch network with the same names, so its run can be evaluated, used and exported.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor as TorchTensor
from torch import nn

from learnable.data.examples import Examples, Info, TensorExamples
from learnable.data.images import labeled_images
from learnable.engine import SGD, LeNet, Tensor, no_grad
from learnable.errors import CallError
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.lenet import LeNet as Twin
from learnable.models.vision.mlp import MLP
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle, warmup_cosine
from learnable.sampling.classify import classify_image
from learnable.train.batches import BatchNumbers
from learnable.train.recipe import Expected, Metrics, Player, Program, Recipe
from learnable.train.workbench import Workbench

SHIFTS = tuple((step * down, step * right) for step in (2, 3) for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)))


@np.errstate(over="ignore", invalid="ignore")  # a loss that is no longer a number is seen by the bench, which says so
def learn(bench: Workbench, *, steps: int, batch_size: int, learning_rate: float, momentum: float) -> Metrics:
    """Train, save now and then, and measure on the test part; a resumed run goes on from its last checkpoint."""
    if not (steps > 0 and learning_rate > 0 and 0 <= momentum < 1):
        raise CallError(f"expected steps and learning rate above 0, momentum from 0 to under 1, "
                        f"came {steps}, {learning_rate} and {momentum}")  # fmt: skip
    images, labels = arrays(bench.data.train)
    network = LeNet(len(bench.data.info.classes), images.shape[1], np.random.default_rng(bench.seed))
    optimizer = SGD(network.parameters(), learning_rate, momentum)
    first = 0
    if bench.start is not None:
        first, state = bench.start
        optimizer.load(state)

    numbers = BatchNumbers(len(labels), batch_size, bench.seed)
    for step in range(first, steps):
        batch = numbers.at(step).numpy()
        optimizer.zero_grad()
        loss = network(Tensor(images[batch])).cross_entropy(labels[batch])
        loss.backward()
        optimizer.learning_rate = learning_rate * warmup_cosine(step, steps)
        optimizer.step()
        bench.report(step + 1, steps, {"loss": loss.item()})
        if (step + 1) % 50 == 0 or step + 1 == steps or bench.stopping:
            bench.save(step + 1, optimizer.state())
        if bench.stopping:
            break
    return measured(network, bench.data.test)


def measured(network: LeNet, examples: Examples) -> Metrics:
    """Share of right answers and mean cross-entropy, in nats."""
    images, labels = arrays(examples)
    with no_grad():
        parts = np.array_split(np.arange(len(labels)), max(1, len(labels) // 256))
        logits = np.concatenate([network(Tensor(images[part])).data for part in parts])
    return {"accuracy": float((logits.argmax(1) == labels).mean()), "loss": Tensor(logits).cross_entropy(labels).item()}


def arrays(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """All pictures, in float32, the first axis counting examples, and all labels."""
    batch = examples.batch(torch.arange(len(examples)), {})
    return batch["image"].float().numpy(), batch["label"].numpy()


def shared(info: Info) -> nn.Module:
    channels, size, _ = pictures(info)
    return Twin(len(info.classes), channels, size)


def dense(info: Info) -> nn.Module:
    channels, size, _ = pictures(info)
    return MLP(channels * size**2, [77], len(info.classes))


def pictures(info: Info) -> tuple[int, int, int]:
    assert info.image is not None, "labeled_images says how large its pictures are"
    return info.image


def example(info: Info) -> tuple[TorchTensor, ...]:
    """Two pictures: with one alone, an exporter takes the number of pictures for a constant."""
    return (torch.zeros(2, *pictures(info)),)


def moved(model: nn.Module, examples: Examples, info: Info) -> Metrics:
    """The usual numbers, and the accuracy on the same pictures after each of `SHIFTS`; what leaves at a side is lost."""
    batch = examples.batch(torch.arange(len(examples)), {})
    image, label = batch["image"], batch["label"]
    right = []
    for down, across in SHIFTS:
        there = nn.functional.pad(image, (3, 3, 3, 3))
        there = there[:, :, 3 - down : 3 - down + image.shape[2], 3 - across : 3 - across + image.shape[3]]
        right.append(classification_metrics(model, TensorExamples({"image": there, "label": label}), info)["accuracy"])
    return {**classification_metrics(model, examples, info), "shifted": sum(right) / len(right)}


SOURCES = {"digits": "1,797 digits of 8x8 pixels, embedded, enlarged (default)", "mnist": "70,000 handwritten digits"}

RECIPE = Program(
    run=learn,
    data=labeled_images,
    data_settings={"channels": 1},
    model=shared,
    run_settings={"steps": 300, "batch_size": 64, "learning_rate": 0.1, "momentum": 0.9},
    quick={"steps": 3},
    sources=SOURCES,
    evaluate=classification_metrics,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.95, minutes=0.7),
)

SHARED = Recipe(
    model=shared,
    data=labeled_images,
    data_settings={"size": 28, "channels": 1},
    sources=SOURCES,
    players=(
        Player(classify, partial(adamw, weight_decay=0.01, betas=(0.9, 0.999)), learning_rate=5e-3, schedule=one_cycle),
    ),
    steps=600,
    batch_size=128,
    every=200,
    evaluate=moved,
    predict=classify_image,
    example=example,
    expected=Expected("shifted", at_least=0.7, minutes=0.3),
)

DENSE = replace(SHARED, model=dense, expected=Expected("shifted", at_least=0.3, minutes=0.2))
