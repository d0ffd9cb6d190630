"""How good a classifier is: over all examples, each counted once and all alike."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.data.examples import Examples, Info


def classification_metrics(
    model: nn.Module, examples: Examples, info: Info, *, inputs: str = "image", batch_size: int = 512
) -> dict[str, float]:
    """Share of right answers and mean cross-entropy (nats) over all examples.

    Sums are divided by the number of examples at the very end: a mean of the batches' means would count those in the
    last, smaller batch for more.

    Raises:
        ValueError: there are no examples.

    >>> from learnable.data.examples import TensorExamples
    >>> examples = TensorExamples({"image": torch.eye(3) * 100, "label": torch.tensor([0, 1, 1])})
    >>> classification_metrics(nn.Identity(), examples, Info("three"))["accuracy"]
    0.6666666666666666
    """
    right, loss = 0, 0.0
    for logits, label in answers(model, examples, inputs=inputs, batch_size=batch_size):
        right += int((logits.argmax(dim=-1) == label).sum())
        loss += float(F.cross_entropy(logits, label, reduction="sum"))
    return {"accuracy": right / len(examples), "loss": loss / len(examples)}


def confusion(
    model: nn.Module, examples: Examples, classes: int, *, inputs: str = "image", batch_size: int = 512
) -> Int[Tensor, "true predicted"]:
    """A table that says what is taken for what: row the true class, column the predicted one, entry how often.

    Raises:
        ValueError: there are no examples.

    >>> from learnable.data.examples import TensorExamples
    >>> examples = TensorExamples({"image": torch.eye(3) * 100, "label": torch.tensor([0, 1, 1])})
    >>> confusion(nn.Identity(), examples, classes=3)
    tensor([[1, 0, 0],
            [0, 1, 1],
            [0, 0, 0]])
    """
    table = torch.zeros(classes, classes, dtype=torch.long)
    for logits, label in answers(model, examples, inputs=inputs, batch_size=batch_size):
        cell = (label * classes + logits.argmax(dim=-1)).cpu()
        table += torch.bincount(cell, minlength=classes**2).view(classes, classes)
    return table


def answers(
    model: nn.Module, examples: Examples, *, inputs: str, batch_size: int
) -> Iterator[tuple[Float[Tensor, "batch classes"], Int[Tensor, "batch"]]]:
    """What the model says and what is true, for all examples in order, batch by batch, on the model's device.

    Examples that are made with random numbers are made with the same ones every time.

    Raises:
        ValueError: there are no examples.
    """
    if not len(examples):
        raise ValueError("expected at least one example to evaluate on, came none")
    device = next(model.parameters(), torch.empty(0)).device
    generator = torch.Generator().manual_seed(0)
    for indexes in torch.arange(len(examples)).split(batch_size):
        batch = examples.batch(indexes, examples.draw(len(indexes), generator))
        with watching(model), torch.inference_mode():
            logits = model(batch[inputs].to(device)).float()
        yield logits, batch["label"].to(device)


@contextmanager
def watching(model: nn.Module) -> Iterator[None]:
    """Evaluation mode (no dropout, frozen batch statistics), and afterwards each part's own mode again."""
    modes = {part: part.training for part in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
