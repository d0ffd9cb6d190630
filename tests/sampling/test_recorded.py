"""A recorded step: the same numbers as the step itself, and none where the next step might be another."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.models.language.gpt import GPT, GPTConfig
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.models.language.modern_gpt import ModernGPT, ModernGPTConfig
from learnable.sampling import packed
from learnable.sampling.cache import Cache, generate_cached, step_of, stream_cached
from learnable.sampling.recorded import Recorded, Tape
from learnable.sampling.text import greedy


def a_gpt(**settings) -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(vocab=50, context=64, depth=2, heads=2, width=32, **settings)).eval()


def a_llama(**settings) -> Llama:
    torch.manual_seed(0)
    return Llama(LlamaConfig(2, 32, 4, 2, hidden=88, vocab=50, context=64, **settings)).eval()


def a_modern_gpt() -> ModernGPT:
    torch.manual_seed(0)
    model = ModernGPT(ModernGPTConfig(vocab=50, context=64, depth=2, heads=2, width=32)).eval()
    with torch.no_grad():
        for weight in model.parameters():  # much of it starts at zero
            weight.normal_(0, 0.1)
    return model


def look(block, *asked):
    return torch.cat(asked)


def once(module):
    """A module, or a function, recorded by itself: it looks nothing up."""
    return Recorded(lambda given, _: module(*given), module if isinstance(module, nn.Module) else nn.Identity())


MODELS = {
    "gpt": a_gpt,
    "llama": a_llama,
    "window": lambda: a_llama(window=6),
    "biases": lambda: a_llama(biases=True),
    "modern gpt": a_modern_gpt,
}


@pytest.mark.parametrize("packs", [False, True])
@pytest.mark.parametrize("lengths", [(5,), (5, 5), (2, 7, 4)])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_every_step_gives_the_scores_of_the_whole_text(monkeypatch, make, lengths, packs):
    monkeypatch.setattr(packed, "WORTH", 0 if packs else 1 << 40)
    model = make()
    texts = [torch.randint(50, (length,)) for length in lengths]
    prompts = nn.utils.rnn.pad_sequence(texts, batch_first=True)
    ends = torch.tensor(lengths)
    step = step_of(model, 30, packed.fastest(model, 30))
    assert isinstance(step, Recorded)
    cache = Cache.for_model(model, len(texts), 40)
    cache.read(model, prompts, None if len(set(lengths)) == 1 else ends)
    for _ in range(12):
        fresh = torch.randint(50, (len(texts), 1))
        texts = [torch.cat([text, token]) for text, token in zip(texts, fresh, strict=True)]
        scores = cache.read_one(model, fresh, step)
        with torch.no_grad():
            expected = torch.stack([model(text[None])[0, -1] for text in texts])
        assert_close(scores, expected, atol=2e-5, rtol=1e-4)
    (play,) = step.lists.values()
    assert play is not None, "every step went through the model's own Python"


def test_short_texts_are_not_recorded():
    assert not isinstance(step_of(a_gpt(), packed.MANY - 1, packed.fastest(a_gpt(), 1)), Recorded)


def test_the_model_s_python_runs_for_the_first_token_alone(monkeypatch):
    model, calls = a_gpt(), []
    plain = model.to_logits
    monkeypatch.setattr(model, "to_logits", lambda x: (calls.append(x.shape[1]), plain(x))[1])
    generate_cached(model, torch.randint(50, (1, 5)), 20, greedy)
    assert len(calls) == 2  # the prompt, and the first new token


def everywhere(hook):
    return nn.modules.module.register_module_forward_hook(hook)


@pytest.mark.parametrize(
    "watch",
    [
        lambda mlp, hook: mlp.register_forward_hook(hook),
        lambda mlp, hook: mlp.register_forward_pre_hook(hook),
        lambda mlp, hook: everywhere(lambda module, *_: hook() if module is mlp else None),
    ],
)
def test_hooks_see_every_token_and_recording_goes_on_without_them(watch):
    model, seen = a_gpt(), []
    stream = stream_cached(model, torch.randint(50, (1, 5)), 20, greedy)
    next(stream), next(stream), next(stream)  # the last of them was played
    hook = watch(model.blocks[1].mlp, lambda *_: seen.append(1))
    try:
        next(stream), next(stream)
        assert len(seen) == 2
    finally:
        hook.remove()
    next(stream)
    assert len(seen) == 2


def test_weights_that_change_between_two_tokens_count(monkeypatch):
    monkeypatch.setattr(packed, "WORTH", 1 << 40)
    model, prompt = a_gpt(), torch.randint(50, (1, 5))
    stream = stream_cached(model, prompt, 20, greedy)
    text = torch.cat([prompt, *(next(stream) for _ in range(4))], dim=1)
    with torch.no_grad():
        model.norm.weight.neg_()
    assert_close(next(stream), model(text)[:, -1:].argmax(dim=-1))


def test_a_module_of_somebody_else_runs_each_time():
    calls = []

    class Theirs(nn.Module):
        def forward(self, x):
            calls.append(1)
            return x + len(calls)

    recording = once(Theirs())
    with torch.inference_mode():
        assert [float(recording([torch.zeros(1)], look)) for _ in range(3)] == [1, 2, 3]


def turning(x):
    return x if x.sum() > 0 else -2 * x


@pytest.mark.parametrize(
    "decides",
    [
        turning,
        lambda x: x if bool((x > 0).any()) else -2 * x,
        lambda x: x * (1 if x[0].item() > 0 else -2),
        lambda x: x[x > 0].sum()[None] if len(x[x > 0]) else -2 * x,
        lambda x: x * (1 if x.tolist()[0] > 0 else -2),
        lambda x: x * (1 if x.numpy()[0] > 0 else -2),
        lambda x: x * (1 if np.asarray(x)[0] > 0 else -2),
        lambda x: torch.tensor([max(x.tolist()), 0.0])[:1] + x,
        lambda x: x.clamp(max=0) if torch.equal(x, x.abs()) else x * 3,
    ],
)
def test_what_a_number_decides_is_decided_each_time(decides):
    recording = once(decides)
    with torch.inference_mode():
        for x in (torch.ones(1), -torch.ones(1), torch.full((1,), 5.0)):
            assert_close(recording([x], look), decides(x))


KERNELS = [
    lambda x: x.mul_(2).add_(x),
    lambda x: (x.clone().fill_(3.0) + x).relu_(),
    lambda x: torch.stack(x.split(1)).masked_fill(x > 0, -math.inf).softmax(dim=0).flatten(),
    lambda x: torch.full_like(x, math.inf).minimum(x) + torch.zeros(1, dtype=x.dtype, device=x.device),
    lambda x: torch.cat([x, x.to(torch.float64).float()]).topk(2).values.sum() + x,
    lambda x: sum(x.split(6)),
    lambda x: torch.where(x > 0, x, torch.tensor(0.5)).to(x.dtype),
    lambda x: torch.addcmul(x, x, x, value=0.5).std(unbiased=False) * x,
]


@pytest.mark.parametrize("bends", KERNELS)
def test_kernels_of_many_kinds_are_played_as_they_ran(bends):
    recording = once(bends)
    with torch.inference_mode():
        for x in torch.randn(4, 6):
            assert_close(recording([x.clone()], look), bends(x.clone()), atol=0, rtol=0, equal_nan=True)
    (play,) = recording.lists.values()
    assert play is not None


def test_what_is_handed_in_may_be_nested_but_is_tensors():
    recording = Recorded(lambda given, _: given[0] * given[1]["by"][0], nn.Identity())
    with torch.inference_mode():
        for number in (2.0, 3.0, 4.0):
            assert recording((torch.ones(1), {"by": (torch.tensor(number),)}), look) == number
            assert recording((torch.ones(1), {"by": (number,)}), look) == number
    assert len(recording.lists) == 1


def test_chance_is_drawn_anew():
    recording = once(nn.Dropout(0.5).train())
    with torch.inference_mode():
        rows = [recording([torch.ones(64)], look) for _ in range(3)]
    assert not torch.equal(rows[1], rows[2])
    torch.manual_seed(3)
    expected = nn.functional.dropout(torch.ones(64), 0.5)
    torch.manual_seed(3)
    with torch.inference_mode():
        assert_close(recording([torch.ones(64)], look), expected)


def test_other_shapes_types_and_autocast_have_lists_of_their_own():
    model = nn.Linear(8, 8)
    recording = once(model)
    with torch.inference_mode():
        for x in (torch.randn(1, 8), torch.randn(3, 8), torch.randn(1, 8)):
            assert_close(recording([x], look), model(x))
        with torch.autocast("cpu", torch.bfloat16):
            assert recording([x], look).dtype == torch.bfloat16
        assert recording([x], look).dtype == torch.float32
    assert len(recording.lists) == 3


def test_an_error_in_the_first_step_leaves_nothing_behind():
    def fails(inputs, look):
        return look(0, *inputs) + torch.ones(7)

    recording = Recorded(fails, nn.Identity())
    with torch.inference_mode():
        for _ in range(2):
            with pytest.raises(RuntimeError):
                recording([torch.ones(3)], look)
    assert not recording.lists


def test_bytes_and_beams_are_played_too(monkeypatch):
    from learnable.sampling.beam import generate_beam

    model, prompt = a_llama(), torch.randint(50, (2, 5))
    lists = []
    kept = Tape.to_function
    monkeypatch.setattr(Tape, "to_function", lambda tape, result: lists.append(1) or kept(tape, result))
    with_bytes = generate_cached(model, prompt, 20, greedy, int8=True)
    monkeypatch.setattr("learnable.sampling.cache.MANY", 1 << 40)
    assert all(map(torch.equal, with_bytes, generate_cached(model, prompt, 20, greedy, int8=True)))
    beams = generate_beam(model, prompt, 20, size=3)
    assert len(lists) == 1
    monkeypatch.setattr("learnable.sampling.cache.MANY", 16)
    assert all(map(torch.equal, beams, generate_beam(model, prompt, 20, size=3)))
    assert len(lists) == 3  # one for each prompt's beam


def test_the_model_is_let_go():
    import gc
    import weakref

    model = a_gpt()
    generate_cached(model, torch.randint(50, (1, 5)), 20, greedy)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
