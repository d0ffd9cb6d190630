import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from learnable.data.examples import TensorExamples
from learnable.data.recall import answers, pairs
from learnable.metrics.recall import accuracy_by_pairs, most_frequent, recall_metrics


class Knows(nn.Module):
    """Right about every line whose question is below `below`, else even."""

    def __init__(self, below):
        super().__init__()
        self.below = nn.Parameter(torch.tensor(float(below)))

    def forward(self, tokens):
        sure = (tokens[:, -1, :1] < self.below).float()
        return 100 * sure * F.one_hot(answers(tokens), 10)


def test_all_right_and_all_even():
    data = pairs()
    assert recall_metrics(Knows(26), data.test, data.info) == {"accuracy": 1.0, "loss": pytest.approx(0, abs=1e-6)}
    metrics = recall_metrics(Knows(0), data.test, data.info)
    assert metrics["loss"] == pytest.approx(math.log(10), abs=1e-5)


@pytest.mark.parametrize("count", [1, 999, 1001, 2000])
def test_every_example_counts_once(count):
    data = pairs(pairs=4)
    batch = data.test.batch(torch.arange(count), {})
    metrics = recall_metrics(Knows(13), TensorExamples(batch), data.info)
    known = (batch["tokens"][:, -1, 0] < 13).float()
    right = torch.where(known == 1, 1.0, (batch["label"] == 0).float())  # even logits: argmax takes the first
    assert metrics["accuracy"] == pytest.approx(right.mean().item())
    assert metrics["loss"] == pytest.approx((1 - known.mean().item()) * math.log(10), abs=1e-5)


def test_most_frequent_digit():
    tokens = torch.tensor([[[0, 7], [1, 7], [2, 3], [0, 10]], [[0, 7], [1, 7], [2, 3], [2, 10]]])
    data = pairs(pairs=3)
    assert most_frequent(TensorExamples({"tokens": tokens, "label": answers(tokens)}), data.info) == 0.5
    assert most_frequent(pairs(pairs=2).test, data.info) == pytest.approx(0.55, abs=0.04)  # 1/2 · 9/10 + 1 · 1/10


def test_accuracy_by_pairs():
    found = accuracy_by_pairs(lambda number: (Knows(26), pairs(pairs=number, values=10)), numbers=(2, 5))
    assert list(found) == [2, 5]
    assert all(row["accuracy"] == 1 and row["chance"] == 0.1 for row in found.values())
    assert found[2]["most_frequent"] > found[5]["most_frequent"] > 0.1
