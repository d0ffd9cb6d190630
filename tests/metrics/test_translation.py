import math
import sys

import pytest
import torch

from learnable.data.examples import Info
from learnable.data.translation import END, SPECIAL, START, TextPairs
from learnable.errors import WorldError
from learnable.metrics.translation import bleu, exact_match, sources, token_loss, translation_metrics

INFO = Info("toy", alphabet=(*SPECIAL, "a", "b"), context=8)


def pairs(*texts):
    numbers = {"a": 4, "b": 5}
    source = [torch.tensor([*map(numbers.get, one), END]) for one, _ in texts]
    target = [torch.tensor([START, *map(numbers.get, two), END]) for _, two in texts]
    return TextPairs(source, target, list(texts))


class Undecided(torch.nn.Module):
    def forward(self, source, target):
        return torch.zeros(*target.shape, 6)


def test_exact_match():
    assert exact_match(["a", "b", "ab"], ["a", "a", "ab"]) == pytest.approx(2 / 3)


def test_loss_counts_words_and_ends_but_no_padding():
    """By batches of one and of three the same: a mean over words, not over batches."""

    class Ends(torch.nn.Module):  # sure of the end, by half, everywhere
        def forward(self, source, target):
            logits = torch.full((*target.shape, 6), math.log(0.1))
            logits[..., END] = math.log(0.5)
            return logits

    examples = pairs(("a", "a"), ("a", "abab"), ("b", "b"))
    expected = -(3 * math.log(0.5) + 6 * math.log(0.1)) / 9
    for rows in (1, 3, 100):
        assert token_loss(Ends(), examples, INFO, rows=rows) == pytest.approx(expected)
    assert token_loss(Undecided(), examples, INFO) == pytest.approx(math.log(6))


def test_metrics_of_letters_and_of_pieces():
    examples = pairs(("a", "ab"), ("b", "ba"), ("ab", "aa"))
    found = translation_metrics(Undecided(), examples, INFO, translate=lambda model, texts, info: ["ab", "ba", "bb"])
    assert found.keys() == {"exact_match", "loss"} and found["exact_match"] == pytest.approx(2 / 3)
    words = Info("toy", alphabet=INFO.alphabet, context=8, more={"merges": [["a", "b"]]})
    found = translation_metrics(Undecided(), examples, words, translate=lambda *_: ["ab", "ba"], limit=2)
    assert found["exact_match"] == 1.0 and "bleu" in found


def test_sources_are_without_padding():
    assert [s.tolist() for s in sources(pairs(("a", "b"), ("abb", "b")), 2)] == [[4, END], [4, 5, 5, END]]


def test_bleu_is_sacrebleus():
    pytest.importorskip("sacrebleu")
    wanted = ["a man is riding a bike down the street .", "two dogs run through the snow ."]
    assert bleu(wanted, wanted) == pytest.approx(100)
    assert bleu(["x", "y"], wanted) < 1
    assert 20 < bleu(["a man rides a bike down the street .", "two dogs run in the snow ."], wanted) < 80


def test_bleu_by_hand():
    """Four of five words, three of four pairs, two of three triples, one of two quadruples; as long as the reference."""
    pytest.importorskip("sacrebleu")
    expected = 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert bleu(["one two three four six"], ["one two three four five"]) == pytest.approx(expected)


def test_without_sacrebleu_the_message_says_how(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(WorldError, match=r'pip install "learnable\[translation\]"'):
        bleu(["a"], ["a"])
