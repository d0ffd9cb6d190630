import math
from types import SimpleNamespace

import pytest
import torch

from learnable.errors import CallError
from learnable.metrics.generation import bits_of, distinct, repeated
from learnable.models.language.gpt import GPT, GPTConfig


def test_repetition_by_hand():
    assert repeated("aaaa", 2) == pytest.approx(2 / 3)  # three pairs, one of them new
    assert repeated("abcd", 4) == 0
    assert repeated([1, 2, 1, 2, 1], 2) == 0.5


def test_distinct_by_hand():
    assert distinct(["ab", "ab"], 1) == 0.5 and distinct(["ab", "cd"], 2) == 1.0


@pytest.mark.parametrize("n", [0, 4])
def test_a_text_shorter_than_the_stretch(n):
    with pytest.raises(CallError, match="stretches"):
        repeated("abc", n)


class Coins:
    """Every token is one of four, whatever came before; remembers how much it was shown at once."""

    config = SimpleNamespace(context=6)
    longest = 0

    def __call__(self, tokens):
        self.longest = max(self.longest, tokens.shape[1])
        return torch.zeros(*tokens.shape, 4)


@pytest.mark.parametrize("given", [1, 3, 6, 11])
@pytest.mark.parametrize("length", [12, 20])
def test_a_token_of_four_is_two_bits_in_windows_of_any_kind(given, length):
    coins = Coins()
    assert bits_of(coins, torch.randint(4, (3, length)), given) == pytest.approx(2)
    assert coins.longest <= 6


def test_bits_are_the_model_s_own_within_its_context():
    torch.manual_seed(0)
    model = GPT(GPTConfig(depth=1, width=8, heads=2, vocab=5, context=16))
    text = torch.randint(5, (2, 16))
    logs = model(text).detach().log_softmax(-1)[:, 3:-1].gather(2, text[:, 4:, None])
    assert bits_of(model, text, 4) == pytest.approx(-float(logs.mean()) / math.log(2), abs=1e-6)


def test_nothing_to_measure():
    with pytest.raises(CallError, match="came 5 of 5"):
        bits_of(Coins(), torch.zeros(1, 5, dtype=torch.int64), 5)
