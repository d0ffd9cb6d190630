"""A network without a framework: the NumPy engine computes its own gradients and learns to read digits.

Run it       learnable train autodiff                         the embedded digits
             learnable train autodiff --hidden 32             a smaller network
             learnable train autodiff --data ./photos         one sub-folder per class
Takes        some two seconds on two CPU cores

The run's weights are those of a PyTorch network with the same names, so all that can be done with a run can be done
with this one: evaluate, predict, export.
"""

import math

import numpy as np
import torch
from torch import Tensor as TorchTensor

from learnable.data.examples import Examples, Info, TensorExamples
from learnable.data.images import digit_scans
from learnable.engine import MLP, SGD, Tensor, no_grad
from learnable.errors import CallError
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.mlp import MLP as Twin
from learnable.optim.schedules import warmup_cosine
from learnable.sampling.classify import classify_image
from learnable.train.batches import BatchNumbers
from learnable.train.recipe import Expected, Metrics, Program
from learnable.train.workbench import Workbench


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


def measured(network: MLP, examples: Examples) -> Metrics:
    """Share of right answers and mean cross-entropy, in nats."""
    images, labels = arrays(examples)
    with no_grad():
        logits = network(Tensor(images))
        right = logits.data.argmax(axis=1) == labels
        return {"accuracy": float(right.mean()), "loss": logits.cross_entropy(labels).item()}


def arrays(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """All pictures, (examples, channels, height, width) in float32, and all labels."""
    assert isinstance(examples, TensorExamples), "digits fit into memory"
    return examples.columns["image"].float().numpy(), examples.columns["label"].numpy()


def size(info: Info) -> int:
    """Numbers in a picture."""
    assert info.image is not None, "digit_scans says how large its pictures are"
    return math.prod(info.image)


def twin(info: Info, hidden: int = 64) -> Twin:
    if hidden < 1:
        raise CallError(f"expected at least one hidden neuron, came {hidden}")
    return Twin(size(info), [hidden], len(info.classes))


def example(info: Info) -> tuple[TorchTensor]:
    """Two pictures, for export: with one, an exporter takes the number of pictures for a constant."""
    assert info.image is not None, "digit_scans says how large its pictures are"
    return (torch.zeros(2, *info.image),)


RECIPE = Program(
    run=learn,
    data=digit_scans,
    model=twin,
    model_settings={"hidden": 64},
    run_settings={"steps": 1500, "batch_size": 64, "learning_rate": 0.1, "momentum": 0.9},
    quick={"steps": 20},
    sources={"digits": "1,797 digits of 8x8 pixels, embedded (default)"},
    evaluate=classification_metrics,
    predict=classify_image,
    example=example,
    expected=Expected("accuracy", at_least=0.96, minutes=0.1),
)
