import math

import pytest
import torch
from torch import nn

from learnable.objectives.translation import translate


class Table(nn.Module):
    """Logits of the next word that depend on the last one alone."""

    def __init__(self, probabilities):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(probabilities).log())

    def forward(self, source, target):
        return self.logits[target]


MODEL = Table([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
BATCH = {"source": torch.tensor([[2], [2]]), "target": torch.tensor([[1, 2, 1, 0], [1, 1, 0, 0]])}


def test_loss_by_hand_without_padding():
    """Three words: 2 and 1 after 1 and 2, and 1 after 1."""
    parts = translate(MODEL, BATCH, smoothing=0.0)
    expected = -(math.log(0.25) + math.log(0.2) + math.log(0.25)) / 3
    assert parts["total"].item() == pytest.approx(expected) == parts["surprise"].item()


def test_smoothing_asks_for_a_little_of_everything():
    parts = translate(MODEL, BATCH, smoothing=0.3)
    even = -sum(
        sum(math.log(p) for p in row) / 3
        for row in ([0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.5, 0.25, 0.25])
    ) / 3  # fmt: skip
    plain = translate(MODEL, BATCH, smoothing=0.0)["total"].item()
    assert parts["total"].item() == pytest.approx(0.7 * plain + 0.3 * even)
    assert parts["surprise"].item() == pytest.approx(plain) and not parts["surprise"].requires_grad


def test_what_padding_would_say_has_no_gradient():
    model = Table([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    translate(model, BATCH)["total"].backward()
    assert not model.logits.grad[0].any() and model.logits.grad[1].any()
