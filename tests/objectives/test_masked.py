import math

import torch
from torch import nn
from torch.testing import assert_close

from learnable.objectives.masked import masked_tokens, masked_tokens_and_order


class Told(nn.Module):
    """Says what it was told for every place, and remembers what it was asked."""

    def __init__(self, logits, order=None):
        super().__init__()
        self.logits, self.order = logits, order

    def forward(self, tokens, segments=None, real=None, chosen=None):
        self.asked = segments
        answer = self.logits[chosen]
        return answer if self.order is None else (answer, self.order)


TOKENS = torch.tensor([[2, 1, 1, 3], [2, 1, 3, 0]])
TARGET = torch.tensor([[-100, 2, -100, -100], [-100, 0, -100, -100]])


def test_only_the_places_that_are_asked_for_count():
    logits = torch.full((2, 4, 3), 50.0)  # nonsense everywhere ...
    logits[0, 1], logits[1, 1] = torch.tensor([0.0, 0.0, math.log(2)]), torch.zeros(3)  # ... but here: 1/2 and 1/3
    losses = masked_tokens(Told(logits), {"tokens": TOKENS, "target": TARGET})
    assert_close(losses["total"], torch.tensor((math.log(2) + math.log(3)) / 2))
    assert losses["accuracy"] == 1  # a tie goes to the first, which is the right one


def test_segments_are_handed_over_where_there_are_any():
    model = Told(torch.zeros(2, 4, 3))
    masked_tokens(model, {"tokens": TOKENS, "target": TARGET, "segments": TARGET})
    assert model.asked is TARGET


def test_the_order_of_sentences_is_added():
    order = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])
    batch = {"tokens": TOKENS, "target": TARGET, "label": torch.tensor([0, 1])}
    losses = masked_tokens_and_order(Told(torch.zeros(2, 4, 3), order), batch)
    assert_close(losses["order"], torch.tensor((math.log(4 / 3) + math.log(4)) / 2))
    assert_close(losses["total"], losses["masked"] + losses["order"])
    assert_close(losses["masked"], torch.tensor(math.log(3)))
