"""Packed weights: the same numbers, and a model that is as it was afterwards."""

import copy
import gc
import threading
import weakref

import pytest
import torch

from learnable.errors import CallError
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.sampling import cache, packed
from learnable.sampling.text import greedy, stream

CONFIG = GPTConfig(vocab=50, context=64, depth=2, heads=2, width=32)


def a_model(dtype: torch.dtype = torch.float32) -> GPT:
    torch.manual_seed(0)
    return GPT(CONFIG).to(dtype).eval()


@pytest.fixture
def small_ones_too(monkeypatch):
    monkeypatch.setattr(packed, "WORTH", 0)
    if not packed.can_pack(a_model()):
        pytest.skip("this machine's torch has no oneDNN")


# Those that this processor computes in; that another is left alone is asked below.
DTYPES = [torch.float32]
if torch.ops.mkldnn._is_mkldnn_bf16_supported():
    DTYPES.append(torch.bfloat16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_pass_gives_the_same_scores(small_ones_too, dtype):
    model = a_model(dtype)
    tokens = torch.randint(50, (2, 3))
    plain = model(tokens)
    with torch.inference_mode(), packed.Packed.of(model).active(model):
        torch.testing.assert_close(
            model(tokens), plain.detach(), atol=1e-5 if dtype == torch.float32 else 3e-2, rtol=1e-2
        )


def test_the_same_text_is_written(small_ones_too):
    model, prompt = a_model(), torch.randint(50, (2, 5))
    plain = torch.cat(list(stream(model, prompt, 20, greedy)), dim=1)
    assert torch.equal(torch.cat(list(cache.stream_cached(model, prompt, 20, greedy)), dim=1), plain)
    assert model in packed._kept


def a_llama(key_heads: int = 2, biases: bool = False) -> Llama:
    torch.manual_seed(0)
    return Llama(LlamaConfig(2, 32, 4, key_heads, hidden=88, vocab=50, context=64, biases=biases)).eval()


@pytest.mark.parametrize("rows", [1, packed.FEW + 1])
@pytest.mark.parametrize("biases", [False, True])
def test_layers_that_are_asked_alike_are_one_matrix(small_ones_too, biases, rows):
    model, tokens = a_llama(biases=biases), torch.randint(50, (1, rows))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_() if name.endswith("bias") else None
    plain = model(tokens).detach()
    made: list[int] = []

    def counted(weights, bias):
        made.append(len(weights))
        return packed.packed_linear(weights, bias)

    with torch.inference_mode(), packed.Packed(model, counted).active(model):
        torch.testing.assert_close(model(tokens), plain, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model(tokens.flip(1)), model(tokens.flip(1)), atol=0, rtol=0)
    assert sorted(made) == [1] * 5 + [2] * 2 + [3] * 2  # two blocks, each of (q, k, v), out, (gate, up), down; the head
    torch.testing.assert_close(model(tokens), plain, atol=0, rtol=0)


def test_one_matrix_is_asked_anew_about_each_input():
    linear = packed.together(lambda x: torch.cat([x, 2 * x, 3 * x], dim=-1), [1, 1, 1])
    x, y = torch.ones(1, 1), torch.full((1, 1), 5.0)
    assert [float(part(given)) for given in (x, y, x) for part in linear] == [1, 2, 3, 5, 10, 15, 1, 2, 3]
    assert [float(part(given)) for part, given in zip(linear, (x, y, x), strict=True)] == [1, 10, 3]


def test_layers_of_other_inputs_stay_apart():
    pair = torch.nn.ModuleDict({"gate": torch.nn.Linear(4, 6), "up": torch.nn.Linear(5, 6)})
    assert packed.alike(pair, ("gate", "up")) == []
    assert packed.alike(torch.nn.ModuleDict({"gate": torch.nn.Linear(4, 6)}), ("gate", "up")) == []


def test_between_two_tokens_the_model_is_as_it_was(small_ones_too):
    model = a_model()
    steps = cache.stream_cached(model, torch.randint(50, (1, 5)), 20, greedy)
    next(steps), next(steps)
    assert "forward" not in model.blocks[0].attention.to_qkv.__dict__ and "head" not in model.__dict__
    model(torch.randint(50, (1, 5))).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_changed_weights_are_packed_anew(small_ones_too):
    model = a_model()
    first = packed.Packed.of(model)
    assert packed.Packed.of(model) is first
    with torch.no_grad():
        model.token.weight.mul_(2)
    second = packed.Packed.of(model)
    assert second is not first
    with torch.no_grad():
        model.token.weight[0, 1] = 9.0  # none of the numbers that are looked at
    assert packed.Packed.of(model) is not second


def test_an_error_leaves_the_model_as_it_was(small_ones_too):
    model = a_model()
    with pytest.raises(RuntimeError), packed.Packed.of(model).active(model):
        raise RuntimeError
    assert "head" not in model.__dict__


def test_one_model_within_another_leaves_the_outer_as_it_was(small_ones_too):
    """As speculation might: the outer one computes with bytes, also while the inner one is packed."""
    outer, inner, tokens = a_model(), a_llama(), torch.randint(50, (1, 5))
    rounded, plain = packed.Packed.of(outer, int8=True), outer(tokens).detach()
    with torch.inference_mode(), rounded.active(outer):
        alone = outer(tokens)
        with packed.Packed.of(inner).active(inner):
            within = outer(tokens)
    assert torch.equal(alone, within) and not torch.equal(alone, plain)


def test_other_threads_compute_with_the_model_as_it_is(small_ones_too):
    model, tokens = a_llama(), torch.randint(50, (1, 5))
    plain, seen = model(tokens).detach(), []

    def look():
        with torch.inference_mode():
            seen.append(model(tokens))
            with packed.Packed.of(model, int8=True).active(model):
                seen.append(model(tokens))

    with torch.inference_mode(), packed.Packed.of(model).active(model):
        other = threading.Thread(target=look)
        other.start()
        other.join()
        mine = model(tokens)
    torch.testing.assert_close(seen[0], plain, atol=0, rtol=0)
    torch.testing.assert_close(mine, plain, atol=1e-5, rtol=1e-5)
    assert float((seen[1] - plain).abs().max()) > 1e-5
    assert all("forward" not in layer.__dict__ for layer in model.modules())


def test_a_model_is_not_kept_in_memory(small_ones_too):
    model = a_model()
    seen = weakref.ref(model)
    list(cache.stream_cached(model, torch.randint(50, (1, 5)), 20, greedy))
    del model
    gc.collect()
    assert seen() is None


def test_what_was_given_out_of_one_matrix_is_not_kept():
    linear = packed.together(lambda x: torch.cat([x, 2 * x], dim=-1), [1, 1])
    x = torch.ones(1, 1)
    seen = weakref.ref(x)
    assert [float(part(x)) for part in linear] == [1, 2]
    del x
    assert seen() is None


def test_layers_that_do_more_are_left_alone(small_ones_too):
    class Doubled(torch.nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    model, tokens = a_llama(), torch.randint(50, (1, 5))
    doubled = Doubled(32, 32, bias=False)
    doubled.load_state_dict(model.blocks[0].attention.to_query.state_dict())
    model.blocks[0].attention.to_query = doubled
    layer = model.blocks[1].mlp.up
    layer.forward = lambda x: torch.sin(torch.nn.functional.linear(x, layer.weight))
    plain, own = model(tokens).detach(), layer.forward
    with torch.inference_mode(), packed.Packed.of(model).active(model):
        torch.testing.assert_close(model(tokens), plain, atol=1e-5, rtol=1e-5)
    assert layer.forward is own


def test_weights_written_to_past_autograd_are_packed_anew(small_ones_too):
    model = a_model()
    first = packed.Packed.of(model)
    model.blocks[0].mlp.up.weight.data.mul_(2)
    assert packed.Packed.of(model) is not first


def test_a_model_made_in_inference_mode(small_ones_too):
    with torch.inference_mode():
        model = copy.deepcopy(a_model())
    assert len(list(cache.stream_cached(model, torch.randint(50, (1, 5)), 20, greedy))) == 20


def test_small_models_other_types_and_autocast_are_left_alone(monkeypatch):
    assert not packed.can_pack(a_model())
    monkeypatch.setattr(packed, "WORTH", 0)
    assert not packed.can_pack(a_model(torch.float64))
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False, raising=False)
    assert not packed.can_pack(a_model(torch.bfloat16))
    with torch.autocast("cpu", torch.bfloat16):
        assert not packed.can_pack(a_model())


@pytest.mark.parametrize("tied", [False, True])
def test_a_head_of_its_own_is_packed_as_one(small_ones_too, tied):
    torch.manual_seed(0)
    model = Llama(LlamaConfig(2, 32, 4, 2, hidden=44, vocab=50, context=64, tied=tied)).eval()
    prompt = torch.randint(50, (2, 5))
    with torch.inference_mode(), packed.Packed.of(model).active(model):
        scores = model(prompt)
    torch.testing.assert_close(scores, model(prompt), atol=1e-5, rtol=1e-5)
    plain = torch.cat(list(stream(model, prompt, 20, greedy)), dim=1)
    assert torch.equal(torch.cat(list(cache.stream_cached(model, prompt, 20, greedy)), dim=1), plain)
    assert "head" not in model.__dict__


# Those that this machine has; which of them is taken where is asked below, of every kind of machine.
WAYS = [packed.bytes_as_numbers, packed.bytes_times_bfloat16]
if torch.cpu._is_vnni_supported():
    WAYS.append(packed.bytes_times_bytes)


@pytest.mark.parametrize(
    "bfloat16, products, avx2, way",
    [
        (True, True, True, packed.bytes_times_bfloat16),
        (True, False, True, packed.bytes_times_bfloat16),
        (False, True, True, packed.bytes_times_bytes),
        (False, False, True, packed.bytes_times_bfloat16),
        (False, False, False, packed.bytes_as_numbers),
    ],
)
def test_each_machine_has_its_way(monkeypatch, bfloat16, products, avx2, way):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: products)
    monkeypatch.setattr(torch.cpu, "_is_avx2_supported", lambda: avx2)
    assert packed.byte_linear() is way


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 48), (2, 5, 48), (3, 48), (2, 17, 48)])
def test_weights_of_one_byte_are_a_little_off(way, biased, shape):
    torch.manual_seed(0)
    weight, bias = torch.randn(64, 48), torch.randn(64) if biased else None
    x = torch.randn(shape) * torch.logspace(-3, 3, shape[0]).reshape(-1, *[1] * (len(shape) - 1))  # loud and quiet rows
    exact = torch.nn.functional.linear(x, weight)
    given = way([weight[:40], weight[40:]], bias)(x)
    off = (given - (0 if bias is None else bias) - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert given.shape == exact.shape and given.dtype == x.dtype
    assert float(off.max()) < (0.03 if bias is None else 10) and float(off.median()) < 0.03


@pytest.mark.parametrize("way", WAYS)
def test_a_row_of_nothing_and_a_weight_of_nothing_give_nothing(way):
    weight, x = torch.ones(8, 32), torch.ones(2, 32)
    weight[0] = x[0] = 0.0
    given = way([weight], None)(x)
    assert given.isfinite().all() and not given[0].any() and not given[1, 0] and given[1, 1:].all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("width", [1, 7, 30, 33, 90])
@pytest.mark.parametrize("rows", [3, packed.SEVERAL + 1])
def test_bytes_of_a_row_that_is_no_whole_block(way, width, rows):
    torch.manual_seed(0)
    weight, x = torch.randn(64, width), torch.randn(rows, width)
    exact = torch.nn.functional.linear(x, weight)
    assert float((way([weight], None)(x) - exact).norm() / exact.norm()) < 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_bytes_of_a_prompt_are_multiplied_as_numbers(monkeypatch, dtype):
    monkeypatch.setattr(torch, "_weight_int8pack_mm", None)  # made for few rows
    weight, x = torch.randn(64, 48), torch.randn(packed.SEVERAL + 1, 48).to(dtype)
    given, exact = packed.bytes_times_bfloat16([weight], None)(x), packed.bytes_as_numbers([weight], None)(x.float())
    assert given.dtype == dtype
    torch.testing.assert_close(given.float(), exact, **{} if dtype == torch.float32 else {"rtol": 0.03, "atol": 0.15})


def test_bytes_are_whole_and_undo():
    weight = torch.randn(7, 9)
    whole, scale = packed.to_bytes(weight)
    assert whole.abs().amax(dim=1).tolist() == [127] * 7
    assert ((whole * scale[:, None] - weight).abs() <= 0.5001 * scale[:, None]).all()


def test_bytes_are_used_where_they_are_asked_for(monkeypatch):
    model, prompt = a_model(), torch.randint(50, (2, 5))
    monkeypatch.setattr(packed, "byte_linear", lambda: packed.bytes_as_numbers)
    rounded = a_model()
    with torch.no_grad():
        for module in rounded.modules():
            if isinstance(module, torch.nn.Linear):
                whole, scale = packed.to_bytes(module.weight)
                module.weight.copy_(whole * scale[:, None])
        whole, scale = packed.to_bytes(rounded.token.weight)
        head = whole * scale[:, None]
    rounded.head = lambda x: torch.nn.functional.linear(x, head)
    for count in (1, 20):
        given = torch.cat(list(cache.stream_cached(model, prompt, count, greedy, int8=True)), dim=1)
        assert torch.equal(given, torch.cat(list(stream(rounded, prompt, count, greedy)), dim=1))
    assert "head" not in model.__dict__


def test_bytes_need_a_cpu_and_a_common_type():
    with pytest.raises(CallError, match=r"came cpu torch\.float64"):
        list(cache.stream_cached(a_model(torch.float64), torch.randint(50, (1, 5)), 3, greedy, int8=True))
