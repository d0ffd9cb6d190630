"""A network without a framework: the NumPy engine computes its own gradients and learns to read digits.

Run it       learnable train autodiff                         the embedded digits
             learnable train autodiff --hidden 32             a smaller network
             learnable train autodiff --data ./photos         one sub-folder per class
             learnable train autodiff --data iris             or a CSV file of yours, its last column the class
Takes        some two seconds on two CPU cores

The run's weights are those of a PyTorch network with the same names, so all that can be done with a run can be done
with this one: evaluate, predict, export.
"""

import math

import numpy as np
import torch
from torch import Tensor as TorchTensor
from torch import nn

from learnable.data.examples import Data, Examples, Info
from learnable.data.images import digit_scans
from learnable.data.tables import table
from learnable.engine import MLP, SGD, Tensor, no_grad
from learnable.errors import CallError
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.mlp import MLP as Twin
from learnable.optim.schedules import warmup_cosine
from learnable.sampling.classify import classify
from learnable.train.batches import BatchNumbers
from learnable.train.recipe import Expected, Metrics, Program
from learnable.train.workbench import Workbench

TABLES = {"iris": "150 flowers, 4 measures each", "adult": "48,842 people: more than 50,000 dollars a year?"}


@np.errstate(over="ignore", invalid="ignore")  # a loss that is no longer a number is seen by the bench, which says so
def learn(
    bench: Workbench, *, steps: int, batch_size: int, learning_rate: float, momentum: float, hidden: int
) -> Metrics:
    """Train, save now and then, and measure on the test part; a resumed run goes on from its last checkpoint."""
    if not (steps > 0 and learning_rate > 0 and 0 <= momentum < 1):
        raise CallError(f"expected steps and learning rate above 0, momentum from 0 to under 1, "
                        f"came {steps}, {learning_rate} and {momentum}")  # fmt: skip
    images, labels = arrays(bench.data.train)
    network = MLP(size(bench.data.info), [hidden], len(bench.data.info.classes), np.random.default_rng(bench.seed))
    optimizer = SGD(network.parameters(), learning_rate, momentum)
    first = 0
    if bench.start is not None:
        first, state = bench.start
        optimizer.load(state)

    numbers = BatchNumbers(len(labels), batch_size, bench.seed)  # of the seed and the step alone: nothing else to save
    for step in range(first, steps):
        batch = numbers.at(step).numpy()
        optimizer.zero_grad()
        loss = network(Tensor(images[batch])).cross_entropy(labels[batch])
        loss.backward()
        optimizer.learning_rate = learning_rate * warmup_cosine(step, steps)
        optimizer.step()
        bench.report(step + 1, steps, {"loss": loss.item()})
        if (step + 1) % 100 == 0 or step + 1 == steps or bench.stopping:
            bench.save(step + 1, optimizer.state())
        if bench.stopping:
            break
    return measured(network, bench.data.test)


def pictures_or_table(source: str | None = None, *, target: str = "") -> Data:
    """Pictures, or the rows of a CSV file whose column `target` (the last one if nothing is said) is the class."""
    if source in TABLES or (source is not None and source.lower().endswith(".csv")):
        return table(source, target=target or None)
    if target:
        raise CallError(
            f"--target names a column of a table, and {source or 'the embedded digits'} are pictures; leave it out"
        )
    return digit_scans(source)


def measured(network: MLP, examples: Examples) -> Metrics:
    """Share of right answers and mean cross-entropy, in nats."""
    images, labels = arrays(examples)
    with no_grad():
        logits = network(Tensor(images))
        right = logits.data.argmax(axis=1) == labels
        return {"accuracy": float(right.mean()), "loss": logits.cross_entropy(labels).item()}


def arrays(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """All pictures or rows, in float32, the first axis counting examples, and all labels."""
    batch = examples.batch(torch.arange(len(examples)), {})
    inputs = "image" if "image" in batch else "features"
    return batch[inputs].float().numpy(), batch["label"].numpy()


def size(info: Info) -> int:
    """Numbers in a picture, or in a row."""
    return info.width if info.image is None else math.prod(info.image)


def evaluate(model: nn.Module, examples: Examples, info: Info) -> Metrics:
    return classification_metrics(model, examples, info, inputs="features" if info.image is None else "image")


def twin(info: Info, hidden: int = 64) -> Twin:
    if hidden < 1:
        raise CallError(f"expected at least one hidden neuron, came {hidden}")
    return Twin(size(info), [hidden], len(info.classes))


def example(info: Info) -> tuple[TorchTensor]:
    """Two examples, for export: with one, an exporter takes their number for a constant."""
    return (torch.zeros(2, *(info.image or (info.width,))),)


RECIPE = Program(
    run=learn,
    data=pictures_or_table,
    data_settings={"target": ""},
    model=twin,
    model_settings={"hidden": 64},
    run_settings={"steps": 1500, "batch_size": 64, "learning_rate": 0.1, "momentum": 0.9},
    quick={"steps": 20},
    sources={
        "digits": "1,797 digits of 8x8 pixels, embedded (default)",
        "mnist": "70,000 digits of 28x28 pixels",
        **TABLES,
    },
    evaluate=evaluate,
    predict=classify,
    takes="a picture, or a CSV file with the columns that it was trained on",
    example=example,
    expected=Expected("accuracy", at_least=0.96, minutes=0.1),
)
