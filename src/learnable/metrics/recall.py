"""How much of what a line says is found again."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from learnable.data.examples import Data, Examples, Info

CHUNK = 1000  # examples at a time: memory, not the result, depends on it


@torch.no_grad()
def recall_metrics(model: nn.Module, examples: Examples, info: Info) -> dict[str, float]:
    """`accuracy`, the share of questions answered rightly, and `loss`, the mean cross-entropy in nats.

    Guessing gives an accuracy of 1 / values; see `most_frequent` for what one can get without knowing who stood where.
    """
    right = loss = 0.0
    device = next(model.parameters()).device
    for numbers in torch.arange(len(examples)).split(CHUNK):
        batch = examples.batch(numbers, {})
        logits, label = model(batch["tokens"].to(device)), batch["label"].to(device)
        right += (logits.argmax(dim=-1) == label).sum().item()
        loss += F.cross_entropy(logits, label, reduction="sum").item()
    return {"accuracy": right / len(examples), "loss": loss / len(examples)}


def most_frequent(examples: Examples, info: Info) -> float:
    """The accuracy of answering with the commonest digit of the line: the best that one can do on digits alone."""
    batch = examples.batch(torch.arange(len(examples)), {})
    counts = F.one_hot(batch["tokens"][:, :-1, 1], len(info.classes) + 1)[..., :-1].sum(dim=1)  # (examples, values)
    return (counts.argmax(dim=1) == batch["label"]).float().mean().item()


def accuracy_by_pairs(
    train: Callable[[int], tuple[nn.Module, Data]], numbers: tuple[int, ...] = (2, 4, 8, 16)
) -> dict[int, dict[str, float]]:
    """How the number of pairs matters: `train(pairs)` gives a model trained on that many, and its data.

    Returns for each number the test `accuracy` and, to compare, `chance` and `most_frequent`.
    """
    found = {}
    for number in numbers:
        model, data = train(number)
        found[number] = {
            "accuracy": recall_metrics(model, data.test, data.info)["accuracy"],
            "chance": 1 / len(data.info.classes),
            "most_frequent": most_frequent(data.test, data.info),
        }
    return found
