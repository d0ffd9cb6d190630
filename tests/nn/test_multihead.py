import pytest
import torch
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.nn.attention import SelfAttention
from learnable.nn.multihead import MultiHeadAttention, attend_heads, attend_heads_fast
from learnable.ops.rotary import rotary_turns


def questions(heads=6, key_heads=6, queries=5, keys=7, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=dtype, requires_grad=True)

    return draw(2, heads, queries, 8), draw(2, key_heads, keys, 8), draw(2, key_heads, keys, 4)


@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("key_heads", [6, 2, 1])
def test_the_fast_way_is_the_obvious_way(key_heads, causal, masked, biased, scale):
    query, key, value = questions(key_heads=key_heads)
    allowed = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(1)) < 0.6 if masked else None
    if allowed is not None:
        allowed[0, :, 2] = False  # may look at nothing
    bias = torch.randn(1, 6, 5, 7, dtype=torch.float64, requires_grad=True) if biased else None
    inputs = [query, key, value] + ([bias] if biased else [])
    fast, slow = (f(query, key, value, allowed, bias, causal, scale) for f in (attend_heads_fast, attend_heads))
    assert_close(fast, slow)
    weight = torch.randn_like(slow)
    gradients = [torch.autograd.grad((answers * weight).sum(), inputs) for answers in (fast, slow)]
    assert_close(*gradients)


def test_who_may_look_at_nothing_answers_zero():
    query, key, value = questions()
    nothing = torch.zeros(1, 1, 1, 7, dtype=torch.bool)
    for attend in (attend_heads, attend_heads_fast):
        assert not attend(query, key, value, nothing).any()


@pytest.mark.parametrize("key_heads", [1, 2])
def test_shared_keys_are_copied_keys(key_heads):
    """Head i asks key head i // (heads / key_heads): neighbors share."""
    query, key, value = questions(key_heads=key_heads)
    shared = attend_heads_fast(query, key, value)
    for head in range(6):
        own = head // (6 // key_heads)
        alone = attend_heads(query[:, head : head + 1], key[:, own : own + 1], value[:, own : own + 1])
        assert_close(shared[:, head : head + 1], alone)


def test_to_itself_it_is_self_attention():
    torch.manual_seed(0)
    own, general = SelfAttention(12, 3, causal=True), MultiHeadAttention(12, 3, causal=True)
    for part, weight, bias in zip(
        (general.to_query, general.to_key, general.to_value),
        own.to_qkv.weight.chunk(3),
        own.to_qkv.bias.chunk(3),
        strict=True,
    ):
        part.load_state_dict({"weight": weight, "bias": bias})
    general.to_out.load_state_dict(own.to_out.state_dict())
    x = torch.randn(2, 5, 12)
    assert_close(general(x), own(x))
    allowed = torch.rand(2, 1, 5, 5) < 0.5
    assert_close(general(x, allowed=allowed), own(x, allowed))


def test_a_memory_may_be_read_once_and_asked_often():
    attention = MultiHeadAttention(12, 6, key_heads=2, memory_width=8, value_width=10)
    memory, values = torch.randn(2, 7, 8), torch.randn(2, 7, 10)
    key, value = attention.remember(memory, values)
    for x in torch.randn(3, 2, 4, 12):
        answers = attention.finish(attend_heads_fast(attention.ask(x), key, value))
        assert_close(answers, attention(x, memory, values))
    assert key.shape == value.shape == (2, 2, 7, 2)


def test_cross_attention_asks_the_memory():
    attention = MultiHeadAttention(12, 3, memory_width=8, value_width=10)
    x, memory, values = torch.randn(2, 5, 12), torch.randn(2, 7, 8), torch.randn(2, 7, 10)
    answers = attention(x, memory, values)
    assert answers.shape == x.shape
    order = torch.randperm(7)
    assert_close(attention(x, memory[:, order], values[:, order]), answers)  # it is a set
    assert not torch.allclose(attention(x, memory[:, order], values), answers)


def test_rotary_turns_make_only_distances_count():
    torch.manual_seed(0)
    attention = MultiHeadAttention(16, 2).double()
    x = torch.randn(1, 6, 16, dtype=torch.float64)

    def at(first):
        cos, sin = rotary_turns(torch.arange(first, first + 6), 8, dtype=torch.float64)
        return attention(x, turns=(cos[None, None], sin[None, None]))

    assert_close(at(0), at(100))
    assert not torch.allclose(at(0), attention(x))


def test_turns_leave_the_type_as_it_is():
    attention = MultiHeadAttention(16, 2).bfloat16()
    cos, sin = rotary_turns(torch.arange(3), 8)
    query, key, _ = attention.project(torch.randn(1, 3, 16).bfloat16(), turns=(cos[None, None], sin[None, None]))
    assert query.dtype == key.dtype == torch.bfloat16


def test_fewer_key_heads_are_fewer_parameters():
    def size(**settings):
        return sum(parameter.numel() for parameter in MultiHeadAttention(64, 8, **settings).parameters())

    assert size() == 4 * (64 * 64 + 64)
    assert size(key_heads=1) == 2 * (64 * 64 + 64) + 2 * (64 * 8 + 8)
    assert size(biases=False) == 4 * 64 * 64
    assert size(biases=True, out_biases=False) == 4 * 64 * 64 + 3 * 64
    assert size(head_width=16) == 2 * size() - 64  # all but the last layer's biases


@pytest.mark.parametrize("settings, says", [
    ({"width": 10, "heads": 3}, "width 10 and 3 heads"),
    ({"width": 12, "heads": 4, "key_heads": 3}, "4 and 3 key heads"),
    ({"width": 12, "heads": 4, "key_heads": 0}, "0 key heads"),
    ({"width": 12, "heads": 0}, "0"),
])  # fmt: skip
def test_sizes_that_do_not_fit_are_refused(settings, says):
    with pytest.raises(CallError, match=says):
        MultiHeadAttention(**settings)
