import math

import pytest
import torch
from torch import nn

from learnable.data.examples import Info
from learnable.data.masked import Masked
from learnable.data.tokenizers.learning import learn_wordpiece
from learnable.data.words import Rows, Words
from learnable.metrics.masked import masked_metrics

WORDS = Words(learn_wordpiece("a b", 7))


class Always(nn.Module):
    """Says the same for every place."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, tokens, segments=None, real=None, chosen=None):
        return self.logits.expand(*tokens.shape, -1)[chosen]


def test_each_place_counts_once():
    text = torch.tensor([[2, 5, 5, 5, 5, 5, 5, 3]] * 3 + [[2, 6, 3, 0, 0, 0, 0, 0]] * 2)  # 1 place each
    examples = Masked(Rows(text, 0), WORDS, 8)
    undecided = Always([-1e9] * 5 + [0.0, 0.0])
    for size in (1, 2, 128):
        metrics = masked_metrics(undecided, examples, Info("toy"), batch_size=size)
        assert metrics == {"accuracy": pytest.approx(0.6), "loss": pytest.approx(math.log(2))}


def test_it_is_the_same_every_time_and_says_what_counting_gives():
    text = torch.randint(5, 7, (20, 8), generator=torch.Generator().manual_seed(0))
    examples, info = Masked(Rows(text, 0), WORDS, 8), Info("toy", more={"unigram": {"loss": 0.5, "accuracy": 0.6}})
    model = Always([-1e9] * 5 + [0.0, 1.0]).train()
    first = masked_metrics(model, examples, info)
    assert first == masked_metrics(model, examples, info) and model.training
    assert first["unigram_loss"] == 0.5 and first["unigram_accuracy"] == 0.6
