import math

import pytest
import torch
from torch import nn

from learnable.data.examples import Info, TextWindows
from learnable.data.tokenizers import formats
from learnable.data.tokenizers.learning import learn_bpe
from learnable.data.tokens import to_text, to_tokens
from learnable.errors import CallError
from learnable.metrics.language import characters_in, language_metrics, ngram_loss, stretched_metrics
from learnable.models.language.gpt import GPT, GPTConfig

INFO = Info(data="toy")


def model(dtype=torch.float64):
    torch.manual_seed(0)
    net = GPT(GPTConfig(depth=1, width=16, heads=2, vocab=7, context=8)).to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


@pytest.mark.parametrize("length", [9, 17, 18, 24, 25, 26, 100])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_every_token_but_the_first_counts_once(length, batch_size):
    """The obvious way: one window after the other, one token after the other."""
    net, tokens = model(), torch.randint(7, (length,), generator=torch.Generator().manual_seed(1))
    nats = []
    with torch.no_grad():
        for target in range(1, length):
            start = (target - 1) // 8 * 8
            nats.append(-net(tokens[None, start:target])[0, -1].log_softmax(-1)[tokens[target]].item())
    assert len(nats) == length - 1
    loss = sum(nats) / len(nats)
    got = language_metrics(net, TextWindows(tokens.to(torch.uint8), 8), INFO, batch_size)
    assert got["loss"] == pytest.approx(loss, rel=1e-6)  # logits are read as float32
    assert got["perplexity"] == pytest.approx(math.exp(loss), rel=1e-5)
    assert got["bits_per_character"] == pytest.approx(loss / math.log(2), rel=1e-6)


def test_an_undecided_model_has_as_many_choices_as_tokens():
    got = language_metrics(
        nn.Embedding.from_pretrained(torch.zeros(4, 4)), TextWindows(torch.tensor([0, 1, 2, 3, 2]), 2), INFO
    )
    assert got == {
        "loss": pytest.approx(math.log(4)),
        "perplexity": pytest.approx(4),
        "bits_per_character": pytest.approx(2),
    }


def test_bits_are_counted_by_character_however_the_text_is_cut():
    """A model that knows nothing of 300 tokens pays log2(300) for each, and there are fewer of them than characters."""
    text = "Köche kochen, 日本 auch. " * 40
    info = Info("toy", tokenizer=formats.to_json(learn_bpe(text, 300)))
    tokens = to_tokens(text, info)
    said = len(to_text(tokens[1:], info))
    got = language_metrics(nn.Embedding.from_pretrained(torch.zeros(300, 300)), TextWindows(tokens, 7), info)
    assert said == len(text) - len(to_text(tokens[:1], info)) > 900
    assert got["bits_per_character"] == pytest.approx(math.log2(300) * (len(tokens) - 1) / said)
    assert got["loss"] == pytest.approx(math.log(300)) and got["characters_per_token"] == pytest.approx(
        said / (len(tokens) - 1)
    )
    assert characters_in(tokens, info) == len(text) and characters_in(tokens, INFO) == len(tokens)


def test_a_diverged_model_has_numbers_all_the_same():
    got = language_metrics(
        nn.Embedding.from_pretrained(torch.eye(4) * 1e6), TextWindows(torch.tensor([0, 1, 2, 3, 2]), 2), INFO
    )
    assert math.isfinite(got["perplexity"])


def obvious_ngram(train, test, order, vocab, strength):
    """The recursion as it is written in the docstring, one token after the other."""

    def probability(token, history):
        counts = [0] * vocab
        size = len(history)
        for place in range(size, len(train)):
            if train[place - size : place] == history:
                counts[train[place]] += 1
        shorter = probability(token, history[1:]) if history else 1 / vocab
        return (counts[token] + strength * shorter) / (sum(counts) + strength)

    nats = [-math.log(probability(test[i], test[max(0, i - order + 1) : i])) for i in range(1, len(test))]
    return sum(nats) / len(nats)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_counting_equals_counting_the_obvious_way(order, strength):
    generator = torch.Generator().manual_seed(0)
    train, test = torch.randint(5, (60,), generator=generator), torch.randint(5, (25,), generator=generator)
    got = ngram_loss(train, test, order, vocab=5, strength=strength)
    assert got == pytest.approx(obvious_ngram(train.tolist(), test.tolist(), order, 5, strength))


def test_a_token_that_was_never_seen_is_possible_still():
    assert math.isfinite(ngram_loss(torch.tensor([0, 0, 0, 0]), torch.tensor([1, 2, 1]), order=3, vocab=3))


def test_a_longer_memory_helps_where_there_is_something_to_remember():
    text = torch.tensor([0, 0, 1, 1] * 50)  # one token before does not say what follows; two do
    assert ngram_loss(text, text, order=2, vocab=2) > 0.6
    assert ngram_loss(text, text, order=3, vocab=2) < 0.1


def test_an_order_out_of_range():
    with pytest.raises(CallError, match="order of at least 1"):
        ngram_loss(torch.arange(3), torch.arange(3), order=0, vocab=3)
    with pytest.raises(CallError, match="take a lower one"):
        ngram_loss(torch.arange(3), torch.arange(3), order=40, vocab=96)


def test_longer_windows_are_measured_as_such():
    """A model that knows the token eight places before needs windows that reach so far."""

    class Echo(torch.nn.Module):
        def forward(self, tokens):
            logits = torch.zeros(*tokens.shape, 16)
            logits[:, 7:].scatter_(2, tokens[:, : max(0, tokens.shape[1] - 7), None], 50.0)
            return logits

    text = torch.randint(16, (8,), generator=torch.Generator().manual_seed(0)).repeat(64)
    found = stretched_metrics(Echo(), TextWindows(text, 8), None, times=(2, 4))
    assert found["bits_per_character"] == pytest.approx(
        language_metrics(Echo(), TextWindows(text, 8), None)["bits_per_character"]
    )
    assert found["bits_per_character"] > found["bits_at_2x"] > found["bits_at_4x"] > 0
