"""Beams over texts that are continued; those over translations are in `test_translation.py`."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from learnable.errors import CallError, WorldError
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.sampling.beam import beam_search, generate_beam, gnmt, power
from learnable.sampling.text import generate, greedy

CONFIG = GPTConfig(depth=2, width=16, heads=2, vocab=5, context=8)


def lively(seed=0, model=None):
    torch.manual_seed(seed)
    model = (model or GPT(CONFIG)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
        model.token.weight.copy_(2 * F.normalize(torch.randn_like(model.token.weight)))
    return model


@torch.inference_mode()
def score(model, prompt, new):
    text = torch.tensor([[*prompt, *new]])
    logs = model(text).log_softmax(-1)[0]
    return sum(float(logs[len(prompt) + place - 1, token]) for place, token in enumerate(new))


class Rereading:
    """The obvious reader."""

    def __init__(self, model):
        self.model = model

    def next(self, target):
        return self.model(target[:, -self.model.config.context :])[:, -1]

    def keep(self, rows):
        pass


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("stop", [None, 3])
def test_a_beam_of_everything_finds_the_best_there_is(alpha, stop):
    for seed in range(2):
        model, prompt = lively(seed), torch.tensor([1, 2])
        texts = [new for length in (1, 2, 3) for new in itertools.product(range(5), repeat=length)]
        whole = [new for new in texts if (len(new) == 3 or new[-1] == stop) and stop not in new[:-1]]
        best = max(whole, key=lambda new: score(model, [1, 2], new) / power(alpha)(len(new)))
        found = generate_beam(model, [prompt], 3, size=125, penalty=power(alpha), stop=stop)[0]
        assert found.tolist() == [1, 2, *best]


@pytest.mark.parametrize("count", [4, 12], ids=["within the context", "past the context"])
def test_with_memory_as_without(count):
    tied = Llama(LlamaConfig(2, 16, 4, 2, hidden=24, vocab=5, context=8, tied=True))
    for model in (lively(1), lively(2, tied)):
        for prompt in (torch.tensor([4]), torch.tensor([1, 2, 3])):
            slow = beam_search(Rereading(model), prompt[None], count, 3, power(), end=0, unfinished=True)[0]
            fast = generate_beam(model, [prompt], count, size=3, stop=0)[0]
            assert fast[len(prompt) :].tolist() == slow.tolist()


def test_one_beam_is_greedy():
    model, prompts = lively(3), torch.tensor([[1, 2], [4, 0]])
    found = generate_beam(model, prompts, 12, size=1)
    assert torch.equal(torch.stack(found), generate(model, prompts, 12, greedy))


def test_a_beam_looks_around_a_corner():
    """0 is the likelier beginning, and nothing likely follows it."""
    table = torch.tensor(
        [[0.25, 0.25, 0.25, 0.25], [0.01, 0.01, 0.01, 0.97], [0.6, 0.4, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    )

    class Corner(torch.nn.Module):
        config = SimpleNamespace(context=9)

        def forward(self, tokens):
            return table.clamp(min=1e-9).log()[tokens]

    start = torch.tensor([[2]])
    assert generate(Corner(), start, 2, greedy)[0, 1].item() == 0
    assert beam_search(Rereading(Corner()), start, 2, 2, power(0.0), end=None, unfinished=True)[0].tolist() == [1, 3]


def plainly(table, count, size, penalty, end, unfinished):
    """The same search over lists, one beginning after the other, behind a text that ends in 1."""
    going, found, done = [(0.0, [1])], [], False
    while count and not done and len(going[0][1]) <= count:
        more = [(logs + log, [*text, t]) for logs, text in going for t, log in enumerate(table[text[-1]].tolist())]
        more = sorted(more, reverse=True)[: 2 * size]
        found += [(logs / penalty(len(text) - 1), text) for logs, text in more[:size] if text[-1] == end]
        going = [(logs, text) for logs, text in more if text[-1] != end][:size]
        done = len(found) >= size and max(found)[0] >= going[0][0] / penalty(count)
    if not found or (unfinished and not done):
        found.append((going[0][0] / penalty(max(count, 1)), going[0][1]))
    return max(found)[1][1:]


@pytest.mark.parametrize("unfinished", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_as_written_out_plainly(alpha, unfinished):
    """What ends is put aside, what is worse than the beam does not end, and nothing that can still win is given up."""
    for seed in range(40):
        table = 2 * torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        reading = SimpleNamespace(next=lambda target, table=table: table[target[:, -1]], keep=lambda rows: None)
        asked = {"count": seed % 8, "size": 1 + seed % 3, "penalty": power(alpha), "end": 0, "unfinished": unfinished}
        found = beam_search(reading, torch.tensor([[4, 1]]), **asked)[0]
        assert found.tolist() == plainly(table.log_softmax(dim=-1), **asked)


def test_prompts_of_different_lengths_and_no_tokens():
    model = lively(4)
    prompts = [torch.tensor([1]), torch.tensor([2, 3, 4])]
    found = generate_beam(model, prompts, 4, size=2)
    assert [len(text) for text in found] == [5, 7]
    assert torch.equal(found[1], generate_beam(model, prompts[1:], 4, size=2)[0])
    assert torch.equal(generate_beam(model, prompts, 0)[1], prompts[1])


def test_penalties():
    assert power(0.0)(9) == 1 and power(1.0)(9) == 9 and power(0.5)(9) == 3
    assert gnmt(0.6)(13) == pytest.approx(3**0.6)


@pytest.mark.parametrize(
    "wrong, message", [({"size": 0}, "beam of at least 1"), ({"count": -1}, "count of at least 0")]
)
def test_calls_that_cannot_be(wrong, message):
    with pytest.raises(CallError, match=message):
        generate_beam(lively(), [torch.tensor([1])], **{"count": 3, "size": 2} | wrong)
    with pytest.raises(CallError, match="at least one token"):
        generate_beam(lively(), [torch.tensor([], dtype=torch.int64)], 3)
    assert math.isfinite(power()(1))


def test_a_model_that_answers_with_no_number():
    model = lively()
    with torch.no_grad():
        model.norm.weight[0] = math.nan
    with pytest.raises(WorldError, match="no number"):
        generate_beam(model, torch.tensor([[1, 2]]), 3, size=2)
