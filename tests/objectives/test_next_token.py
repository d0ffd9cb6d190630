import math

import pytest
import torch
from torch import nn

from learnable.objectives.next_token import next_token


class Table(nn.Module):
    """Logits of the next token that depend on the last one alone."""

    def __init__(self, probabilities):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(probabilities).log())

    def forward(self, tokens):
        return self.logits[tokens]


def test_loss_by_hand():
    """The text 0 1 1: after 0 came 1 (expected with 0.75), after 1 came 1 (expected with 0.5)."""
    model = Table([[0.25, 0.75], [0.5, 0.5]])
    total = next_token(model, {"tokens": torch.tensor([[0, 1, 1]])})["total"]
    assert total.item() == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)


def test_the_last_token_is_only_ever_a_target():
    seen = []

    class Watched(Table):
        def forward(self, tokens):
            seen.append(tokens)
            return super().forward(tokens)

    next_token(Watched([[0.5, 0.5], [0.5, 0.5]]), {"tokens": torch.tensor([[0, 0, 1], [1, 0, 1]])})["total"].backward()
    assert [tokens.tolist() for tokens in seen] == [[[0, 0], [1, 0]]]
