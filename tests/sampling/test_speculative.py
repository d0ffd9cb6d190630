"""Guessing ahead changes how long it takes, and nothing else."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.ops.rotary import DynamicScaling
from learnable.sampling import packed
from learnable.sampling.choosing import chances, filters, toss
from learnable.sampling.speculative import checked, generate_speculative, missing, stream_speculative
from learnable.sampling.text import generate, greedy

VOCAB = 40


def lively(model, seed=0):
    """Every number drawn anew, so that a seed is a model."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            if name in ("token.weight", "position.weight", "unembed.weight"):
                parameter.copy_(2 * F.normalize(noise))
            else:
                parameter.copy_(
                    (0.3 if parameter.ndim == 2 else 0.1) * noise + ("norm" in name and name.endswith("weight"))
                )
    return model


def large(context=24, seed=0):
    return lively(GPT(GPTConfig(depth=3, width=32, heads=4, vocab=VOCAB, context=context)), seed)


def small(context=24, seed=1):
    return lively(Llama(LlamaConfig(1, 8, 2, 1, hidden=12, vocab=VOCAB, context=context)), seed)


class Counted:
    """How often the model was asked."""

    def __init__(self, model):
        self.asked = 0
        model.register_forward_pre_hook(self._count)
        embed = model.embed
        model.embed = lambda *given: (self._count(), embed(*given))[1]

    def _count(self, *_):
        self.asked += 1


@pytest.mark.parametrize("ahead", [1, 4])
@pytest.mark.parametrize("count", [1, 15, 40], ids=["one", "within the context", "past the context"])
@pytest.mark.parametrize("given", [1, 7, 30])
def test_greedy_text_is_the_same_token_for_token(given, count, ahead):
    prompt = torch.randint(VOCAB, (given,), generator=torch.Generator().manual_seed(0))
    for draft in (small(), small(context=10), large(seed=0)):  # a stranger, one that forgets sooner, the model itself
        text = generate_speculative(large(), draft, prompt, count, ahead=ahead)
        expected = generate(large(), prompt[None], count, greedy)[0]
        assert torch.equal(text, expected)
    if count > 10:
        assert len(expected[given:].unique()) > 3


def test_keys_that_do_not_last():
    scaling = DynamicScaling(4.0, 8)
    model = lively(Llama(LlamaConfig(2, 16, 2, 1, hidden=20, vocab=VOCAB, context=32, scaling=scaling)))
    prompt = torch.tensor([3, 1, 2])
    expected = generate(model, prompt[None], 25, greedy)[0]
    assert torch.equal(generate_speculative(model, small(), prompt, 25), expected)


def test_a_good_draft_saves_passes():
    model, prompt = large(), torch.tensor([1, 2])
    counted = Counted(model)
    generate_speculative(model, large(), prompt, 20, ahead=4)  # the draft is the model itself
    assert counted.asked == 4  # five tokens a pass


@pytest.mark.parametrize("ahead", [1, 3])
def test_each_token_has_the_large_model_s_distribution(ahead):
    """Guesses for one place, checked 20,000 times: chi-square against the large model's chances."""
    generator = torch.Generator().manual_seed(ahead)
    believed = torch.tensor([[0.6, 0.3, 0.1, 0.0], [0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]]).double()[:ahead]
    known = torch.tensor([[0.2, 0.1, 0.3, 0.4], [0.25] * 4, [0.0, 0.5, 0.0, 0.5], [0.1, 0.2, 0.3, 0.4]]).double()
    seen = torch.zeros(ahead + 1, 4)
    runs = 1500
    for _ in range(runs):
        new = checked(toss(believed, generator)[:, 0], believed, known[: ahead + 1], generator)
        for place, token in enumerate(new.tolist()):
            seen[place, token] += 1
    for place in range(ahead + 1):  # those that come so far; whether they do does not depend on what is said there
        expected = known[place] * seen[place].sum()
        there = expected > 0
        assert seen[place][~there].sum() == 0
        assert float(((seen[place] - expected)[there] ** 2 / expected[there]).sum()) < 16.3  # 3 degrees, p = 0.001
    assert seen[0].sum() == runs


def test_the_rule_written_out():
    """q min(1, p / q) + P(refused) missing = p, for any two distributions."""
    known, believed = torch.rand(2, 9, dtype=torch.float64).softmax(-1)
    kept = torch.minimum(known, believed)
    assert_close(kept + (1 - kept.sum()) * missing(known, believed), known)
    assert_close(missing(known, known), known)


@pytest.mark.parametrize("through", [filters(), filters(0.7, 3), filters(1.5, None, 0.8, 0.1)], ids=["all", "k", "p"])
def test_whole_texts_have_the_large_model_s_distribution(through):
    """Two tokens of three: nine texts, whose probabilities can be computed."""
    config = {"vocab": 3, "context": 8}
    model = lively(GPT(GPTConfig(depth=1, width=8, heads=2, **config)), 3)
    draft = lively(GPT(GPTConfig(depth=1, width=4, heads=1, **config)), 4)
    prompt = torch.tensor([1])
    with torch.inference_mode():
        first = chances(model(prompt[None])[:, -1], through)[0]
        second = torch.stack([chances(model(torch.tensor([[1, token]]))[:, -1], through)[0] for token in range(3)])
    expected = (first[:, None] * second).flatten()
    generator, seen, runs = torch.Generator().manual_seed(0), torch.zeros(9, dtype=torch.float64), 120
    for _ in range(runs):
        one, two = generate_speculative(model, draft, prompt, 2, through, ahead=2, generator=generator)[1:].tolist()
        seen[3 * one + two] += 1
    there = expected > 0
    assert seen[~there].sum() == 0
    chi = float(((seen - runs * expected)[there] ** 2 / (runs * expected[there])).sum())
    assert chi < 26.1  # 8 degrees of freedom, p = 0.001


def test_a_text_ends_with_its_stop():
    model, prompt = large(), torch.tensor([1, 2])
    free = generate(model, prompt[None], 20, greedy)[0, 2:].tolist()
    stop = free[7]
    text = generate_speculative(model, large(), prompt, 20, stop=stop)
    assert text[2:].tolist() == free[: free.index(stop) + 1]


def test_tokens_come_one_by_one():
    tokens = stream_speculative(large(), small(), torch.tensor([1]), 1000)
    assert next(tokens).shape == (1, 1)


def test_packed_weights_say_the_same(monkeypatch):
    monkeypatch.setattr(packed, "WORTH", 0)
    model, draft, prompt = large().float(), small().float(), torch.tensor([1, 2])
    assert torch.equal(generate_speculative(model, draft, prompt, 20), generate(model, prompt[None], 20, greedy)[0])


def test_calls_that_cannot_be():
    other = GPT(GPTConfig(depth=1, width=8, heads=2, vocab=9, context=8))
    with pytest.raises(CallError, match="vocabulary of 40 tokens, came one with 9"):
        next(stream_speculative(large(), other, torch.tensor([1]), 3))
    with pytest.raises(CallError, match="at least 1 token ahead, came 0"):
        next(stream_speculative(large(), small(), torch.tensor([1]), 3, ahead=0))
    with pytest.raises(CallError, match="row of whole numbers"):
        next(stream_speculative(large(), small(), torch.tensor([1], dtype=torch.int16), 3))
