"""The cached way of writing is held to the naive one, token for token."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.ops.rotary import DynamicScaling, YarnScaling
from learnable.sampling.cache import Cache, generate_cached, look_up, stream_cached
from learnable.sampling.text import generate, greedy, sample, stream

CONFIG = GPTConfig(depth=3, width=32, heads=4, vocab=40, context=24)


def lively(dtype=torch.float64, seed=0):
    """A model whose choices depend on what stands where: at the start of a training it would say one thing for ever."""
    torch.manual_seed(seed)
    model = GPT(CONFIG).to(dtype)
    with torch.no_grad():
        for parameter in model.blocks.parameters():
            parameter.add_((0.3 if parameter.ndim == 2 else 0.1) * torch.randn_like(parameter))
        for embedding in (model.token.weight, model.position.weight):  # none is louder than the others
            embedding.copy_(2 * F.normalize(torch.randn_like(embedding)))
    return model


def prompts(*lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(CONFIG.vocab, (length,), generator=generator) for length in lengths]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("count", [0, 1, 15, 40], ids=["nothing", "one", "within the context", "past the context"])
@pytest.mark.parametrize("batch, tokens", [(1, 1), (3, 5), (2, 24), (2, 30)])
def test_greedy_text_is_the_naive_one(batch, tokens, count, dtype):
    model, text = lively(dtype), torch.stack(prompts(*[tokens] * batch))
    expected = generate(model, text, count, greedy)
    assert torch.equal(torch.stack(generate_cached(model, text, count, greedy)), expected)
    if count > 10:
        assert len(expected[0, tokens:].unique()) > 3  # else the test would see nothing


@pytest.mark.parametrize("count", [12, 40])
def test_drawn_text_is_the_naive_one_with_the_same_random_numbers(count):
    model, text = lively(), torch.stack(prompts(4, 4, 4))
    naive = generate(model, text, count, sample(0.9, top_k=20, generator=torch.Generator().manual_seed(7)))
    cached = generate_cached(model, text, count, sample(0.9, top_k=20, generator=torch.Generator().manual_seed(7)))
    assert torch.equal(torch.stack(cached), naive)


@pytest.mark.parametrize("count", [10, 45], ids=["within the context", "past the context"])
@pytest.mark.parametrize("lengths", [(3, 9, 1), (24, 1), (30, 2, 11)])
def test_prompts_of_different_lengths_are_written_as_if_alone(lengths, count):
    model, texts = lively(), prompts(*lengths)
    together = generate_cached(model, texts, count, greedy)
    for prompt, text in zip(texts, together, strict=True):
        assert torch.equal(text, generate(model, prompt[None], count, greedy)[0])


def test_different_lengths_with_random_numbers_of_their_own():
    """Row i draws from its own list of numbers, alone and in company."""
    model, texts = lively(), prompts(3, 9, 1)
    numbers = torch.rand(30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def drawing(rows):
        step = iter(range(30))

        def choose(logits):
            ends = logits.double().softmax(-1).cumsum(-1)
            return torch.searchsorted(ends, numbers[next(step)][rows, None].clamp(max=0.999999))

        return choose

    together = generate_cached(model, texts, 30, drawing([0, 1, 2]))
    for row, prompt in enumerate(texts):
        assert torch.equal(together[row], generate(model, prompt[None], 30, drawing([row]))[0])


def test_a_text_ends_with_its_stop():
    model, texts = lively(), prompts(5, 2, 7)
    alone = [generate(model, prompt[None], 20, greedy)[0] for prompt in texts]
    stop = int(alone[0][5 + 6])  # what the first text says as its seventh token, or earlier
    together = generate_cached(model, texts, 20, greedy, stop=stop)
    for prompt, text, free in zip(texts, together, alone, strict=True):
        new = free[len(prompt) :].tolist()
        end = new.index(stop) + 1 if stop in new else 20
        assert text.tolist() == prompt.tolist() + new[:end]
    assert len(together[0]) < 25


def test_the_stream_ends_when_all_have_stopped():
    model, text = lively(), torch.stack(prompts(5))
    stop = int(generate(model, text, 4, greedy)[0, -1])
    naive, cached = (list(way(model, text, 20, greedy, stop=stop)) for way in (stream, stream_cached))
    assert [int(token) for token in naive] == [int(token) for token in cached]
    assert len(cached) <= 4


def test_a_text_that_has_stopped_gets_nothing_else_while_the_others_go_on():
    model, text = lively(), torch.stack(prompts(5, 5, 5))
    free = generate(model, text, 20, greedy)[:, 5:]
    stop = next(
        int(token) for token in free[0] if not all((row == token).any() for row in free)
    )  # not said by everyone
    naive, cached = (torch.cat(list(way(model, text, 20, greedy, stop=stop)), dim=1) for way in (stream, stream_cached))
    assert torch.equal(naive, cached)
    end = free[0].tolist().index(stop)
    assert end < 19 and (cached[0, end:] == stop).all() and cached.shape == (3, 20)


def test_tokens_come_one_by_one():
    tokens = stream_cached(lively(), prompts(3), 10_000, greedy)
    assert next(tokens).shape == (1, 1)


def test_logits_are_those_of_the_whole_text():
    model = lively()
    text = torch.stack(prompts(20, 20))
    cache = Cache.for_model(model, batch=2, room=20)
    with torch.no_grad():
        expected = model(text)
        assert_close(cache.read(model, text[:, :7]), expected[:, 6])
        for place in range(7, 12):
            assert_close(cache.read(model, text[:, place : place + 1]), expected[:, place])
        assert_close(cache.read(model, text[:, 12:]), expected[:, -1])  # several new tokens at once
    assert not cache.has_room


def test_the_model_is_as_it_was():
    model = lively()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    generate_cached(model, prompts(3), 5, greedy)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model(prompts(3)[0][None]).sum().backward()  # and can still learn


@pytest.mark.parametrize("wrong", [[], [torch.tensor([], dtype=torch.long)]], ids=["no prompts", "an empty one"])
def test_a_prompt_is_needed(wrong):
    with pytest.raises(CallError, match="prompts of at least one token"):
        list(stream_cached(lively(), wrong, 3, greedy))


@pytest.mark.parametrize("lengths", [(5, 5), (3, 9)])
def test_it_writes_under_autocast(lengths):
    model, texts = lively(torch.float32), prompts(*lengths)
    with torch.autocast("cpu", torch.bfloat16):
        together = generate_cached(model, texts, 30, greedy)  # past the context too
        assert [len(text) for text in together] == [length + 30 for length in lengths]
        cache = Cache.for_model(model, batch=2, room=9)
        assert cache.keys.dtype == cache.values.dtype == torch.bfloat16
        text = torch.stack(prompts(9, 9))
        with torch.no_grad():
            expected = model(text)
        cache.read(model, text[:, :8])
        assert_close(cache.read(model, text[:, 8:]), expected[:, -1], atol=0.2, rtol=0.05)  # bfloat16 has 8 bits


def test_int32_prompts_are_written_as_the_naive_way_does():
    model, text = lively(), torch.stack(prompts(4, 4)).int()
    for count in (0, 6):
        expected, cached = generate(model, text, count, greedy), generate_cached(model, text, count, greedy)
        assert torch.equal(torch.stack(cached), expected) and cached[0].dtype == expected.dtype
    mixed = generate_cached(model, [text[0], text[1].long()], 6, greedy)
    assert torch.equal(torch.stack(mixed), expected)


@pytest.mark.parametrize(
    "wrong, count, message",
    [
        ([], 3, "prompts of at least one token"),
        ([torch.tensor([], dtype=torch.long)], 3, "prompts of at least one token"),
        ([torch.tensor([1])], -1, "count of at least 0 tokens, came -1"),
        ([torch.tensor([1.5])], 3, "row of whole numbers, came torch.float32"),
        ([torch.tensor([[1, 2]])], 3, r"row of whole numbers, came torch.int64 of shape \(1, 2\)"),
    ],
    ids=["no prompts", "an empty one", "a negative count", "floats", "a table in a list"],
)
def test_what_is_wrong_is_said(wrong, count, message):
    for write in (generate_cached, lambda *call: list(stream_cached(*call))):
        with pytest.raises(CallError, match=message):
            write(lively(), wrong, count, greedy)


LLAMAS = {
    "grouped": LlamaConfig(2, 32, 4, 2, hidden=44, vocab=40, context=24, tied=True),
    "one key head": LlamaConfig(2, 32, 4, 1, hidden=44, vocab=40, context=24, biases=True),
    "a window": LlamaConfig(2, 32, 4, 2, hidden=44, vocab=40, context=24, window=5),
    "yarn": LlamaConfig(2, 32, 4, 4, hidden=44, vocab=40, context=24, scaling=YarnScaling(4.0, context=6)),
    "dynamic": LlamaConfig(2, 32, 4, 2, hidden=44, vocab=40, context=24, scaling=DynamicScaling(2.0, context=8)),
}


def lively_llama(config, dtype=torch.float64):
    torch.manual_seed(0)
    model = Llama(config).to(dtype)
    with torch.no_grad():
        for parameter in model.blocks.parameters():
            parameter.add_((0.3 if parameter.ndim == 2 else 0.1) * torch.randn_like(parameter))
        for matrix in [model.token.weight] + ([] if model.unembed is None else [model.unembed.weight]):
            matrix.copy_(2 * F.normalize(torch.randn_like(matrix)))
    return model


@pytest.mark.parametrize("count", [15, 30], ids=["within the context", "past the context"])
@pytest.mark.parametrize("lengths", [(5,), (7, 7), (3, 9, 1), (24, 2), (30, 11)], ids=str)
@pytest.mark.parametrize("config", LLAMAS.values(), ids=LLAMAS)
def test_llama_writes_as_the_naive_way_does(config, lengths, count):
    """Shared keys, turned keys, windows, and keys that do not last; alone and in company."""
    model, texts = lively_llama(config), prompts(*lengths)
    together = generate_cached(model, texts, count, greedy)
    for prompt, text in zip(texts, together, strict=True):
        assert torch.equal(text, generate(model, prompt[None], count, greedy)[0])
    assert len(torch.cat(together).unique()) > 5


@pytest.mark.parametrize("config", LLAMAS.values(), ids=LLAMAS)
def test_llama_s_logits_are_those_of_the_whole_text(config):
    model = lively_llama(config)
    text = torch.stack(prompts(20, 20))
    cache = Cache.for_model(model, batch=2, room=20)
    assert cache.keys.shape == (2, 2, config.key_heads, 20, 8)
    with torch.no_grad():
        expected = model(text)
        first = 19 if isinstance(config.scaling, DynamicScaling) else 7
        assert_close(cache.read(model, text[:, :first]), model(text[:, :first])[:, -1])
        for place in range(first, 20):
            if isinstance(config.scaling, DynamicScaling):
                break  # its older keys are worth nothing now, which is what `config.steady` says
            assert_close(cache.read(model, text[:, place : place + 1]), expected[:, place])


def test_llama_writes_under_autocast():
    model, texts = lively_llama(LLAMAS["grouped"], torch.float32), prompts(3, 9)
    with torch.autocast("cpu", torch.bfloat16):
        assert [len(text) for text in generate_cached(model, texts, 30, greedy)] == [33, 39]


@pytest.mark.parametrize("key_heads", [1, 2, 6])
@pytest.mark.parametrize("new", [1, 3])
def test_one_row_is_looked_up_as_many_are(key_heads, new):
    query, keys = torch.randn(2, 6, new, 8), torch.randn(2, key_heads, 9, 8)
    allowed = torch.rand(2, 1, new, 9) < 0.7
    copied = keys.repeat_interleave(6 // key_heads, dim=1)
    for mask in (None, allowed):
        assert_close(look_up(query, keys, keys, mask), F.scaled_dot_product_attention(query, copied, copied, mask))


def test_one_row_of_tokens_is_no_list_of_prompts():
    with pytest.raises(CallError, match=r"came one row of 5; a single text is \[tokens\]"):
        generate_cached(lively(), prompts(5)[0], 3, greedy)
