import math

import torch
from torch import nn
from torch.testing import assert_close

from learnable.objectives.recall import recall


class Says(nn.Module):
    """A model of which we know what it answers."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, tokens):
        return self.logits[: len(tokens)]


def test_by_hand():
    """Probabilities 3/4 and 1/4, then even: the right ones are 3/4 and 1/2."""
    model = Says([[math.log(3), 0.0], [0.0, 0.0]])
    batch = {"tokens": torch.zeros(2, 3, 2, dtype=torch.long), "label": torch.tensor([0, 1])}
    losses = recall(model, batch)
    assert_close(losses["total"], torch.tensor((math.log(4 / 3) + math.log(2)) / 2))
    assert_close(losses["accuracy"], torch.tensor(0.5))
    losses["total"].backward()
    assert_close(model.logits.grad, torch.tensor([[-1 / 8, 1 / 8], [1 / 4, -1 / 4]]))
