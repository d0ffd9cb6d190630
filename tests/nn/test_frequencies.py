import math

import torch
from torch.testing import assert_close

from learnable.data.examples import Info, TextWindows
from learnable.metrics.language import language_metrics
from learnable.nn.frequencies import Frequencies


def test_it_says_how_often_each_token_occurs_and_one_more():
    model = Frequencies.counted(torch.tensor([2, 2, 0, 2]), vocab=4)
    assert_close(model(torch.tensor([[3, 1]])).softmax(-1), torch.tensor([2.0, 1.0, 4.0, 1.0]).expand(1, 2, 4) / 8)


def test_its_loss_is_the_entropy_of_the_frequencies():
    tokens = torch.tensor([0, 1, 1, 1] * 5_000)
    found = language_metrics(
        Frequencies.counted(tokens, vocab=2), TextWindows(tokens, 8), Info("toy", alphabet=("a", "b"))
    )
    expected = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert abs(found["bits_per_character"] - expected) < 1e-3
