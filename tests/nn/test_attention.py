import inspect
import math

import pytest
import torch
from einops import rearrange
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.nn.attention import SelfAttention, attend, attend_fast, attention_weights, causal_mask, padding_mask


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(function, *inputs):
    """What `function` gives and the gradients of a random sum of it."""
    inputs = tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)
    output = function(*inputs)
    return output, *torch.autograd.grad((output * random(*output.shape, seed=9)).sum(), inputs)


def test_by_hand():
    """Two keys, of which the query fits one: scores 2 ln 3 / sqrt(4) = ln 3 and 0, weights 3/4 and 1/4."""
    query = torch.tensor([[2 * math.log(3), 0.0, 0.0, 0.0]])
    key = torch.eye(2, 4)
    value = torch.tensor([[8.0], [4.0]])
    assert_close(attention_weights(query, key), torch.tensor([[0.75, 0.25]]))
    assert_close(attend(query, key, value), torch.tensor([[7.0]]))
    assert_close(attend_fast(query, key, value), torch.tensor([[7.0]]))


def test_weights_sum_to_one_over_the_keys():
    weights = attention_weights(random(2, 3, 4, 8), random(2, 3, 7, 8), random(4, 7) > -0.5)
    assert_close(weights.sum(dim=-1), torch.ones(2, 3, 4, dtype=torch.float64))


@settings(max_examples=60, deadline=None)
@given(
    batch=st.lists(st.integers(1, 3), max_size=2),
    queries=st.integers(1, 6),
    keys=st.integers(1, 6),
    width=st.integers(1, 9),
    value_width=st.integers(1, 9),
    share=st.floats(0, 1),
    causal=st.booleans(),
    masked=st.booleans(),
)
def test_fast_is_slow(batch, queries, keys, width, value_width, share, causal, masked):
    """For all shapes and masks, rows without anything allowed included: outputs and gradients."""
    inputs = (
        random(*batch, queries, width),
        random(*batch, keys, width, seed=1),
        random(*batch, keys, value_width, seed=2),
    )
    mask = torch.rand(queries, keys, generator=torch.Generator().manual_seed(3)) < share if masked else None
    past = torch.ones(queries, keys, dtype=torch.bool).tril()
    both = past if mask is None else mask & past
    slow = gradients(lambda q, k, v: attend(q, k, v, both if causal else mask), *inputs)
    fast = gradients(lambda q, k, v: attend_fast(q, k, v, mask, causal), *inputs)
    for ours, twin in zip(fast, slow, strict=True):
        assert_close(ours, twin)


@pytest.mark.parametrize("attention", [attend, attend_fast])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_query_that_may_look_at_nothing_answers_zero(attention, dtype):
    allowed = causal_mask(4)
    allowed[2] = False
    inputs = [random(2, 4, 8, seed=i).to(dtype) for i in range(3)]
    output, *slopes = gradients(lambda q, k, v: attention(q, k, v, allowed), *inputs)
    assert (output[:, 2] == 0).all() and (output[:, [0, 1, 3]] != 0).all()
    assert (slopes[0][:, 2] == 0).all()
    assert all(slope.isfinite().all() for slope in slopes)
    assert (attention_weights(*inputs[:2], allowed)[:, 2] == 0).all()


def test_masks_by_hand():
    assert causal_mask(1).tolist() == [[True]]
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert padding_mask(torch.tensor([0, 2]), tokens=3).tolist() == [[[[False] * 3]], [[[True, True, False]]]]


@pytest.mark.parametrize("tokens", [1, 2, 7])
def test_row_i_looks_at_0_to_i(tokens):
    for i, row in enumerate(causal_mask(tokens)):
        assert row.nonzero().flatten().tolist() == list(range(i + 1))


@pytest.mark.parametrize("with_mask", [False, True])
def test_a_causal_layer_hears_the_past_and_itself_and_nothing_else(with_mask):
    layer = SelfAttention(width=8, heads=2, causal=True).double()
    allowed = torch.ones(5, 5, dtype=torch.bool) if with_mask else None
    x = random(1, 5, 8)
    for changed in range(5):
        other = x.clone()
        other[:, changed] += 1
        differs = (layer(other, allowed) - layer(x, allowed)).abs().amax(dim=(0, 2)) > 1e-9
        assert differs.tolist() == [i >= changed for i in range(5)]


def test_nobody_hears_the_filling_and_everybody_the_rest():
    layer = SelfAttention(width=8, heads=2).double()
    allowed = padding_mask(torch.tensor([3, 5]), tokens=5)
    x = random(2, 5, 8)
    other = x.clone()
    other[:, 4] += 1  # the filling of the first example, the last token of the second
    differs = (layer(other, allowed) - layer(x, allowed)).abs().amax(dim=2) > 1e-9
    assert differs.tolist() == [[False, False, False, False, True], [True] * 5]  # a token's own query may change it


def test_filling_up_changes_nothing():
    layer = SelfAttention(width=8, heads=2).double()
    x = random(1, 5, 8)
    assert_close(layer(x, padding_mask(torch.tensor([3]), tokens=5))[:, :3], layer(x[:, :3]))


def test_causal_and_padding_together():
    layer, causal = SelfAttention(width=8, heads=2), SelfAttention(width=8, heads=2, causal=True)
    causal.load_state_dict(layer.state_dict())
    x, padding = random(2, 5, 8).float(), padding_mask(torch.tensor([3, 5]), tokens=5)
    assert_close(causal(x, padding), layer(x, padding & causal_mask(5)))
    assert_close(causal(x), layer(x, causal_mask(5)))


@pytest.mark.parametrize("shape", [(5, 5), (1, 5), (1, 1, 5, 5), (2, 1, 1, 5), (2, 4, 5, 5)])
def test_masks_broadcast_over_examples_heads_and_queries(shape):
    layer = SelfAttention(width=8, heads=4)
    allowed = random(*shape) > 0
    x = random(2, 5, 8).float()
    assert_close(layer(x, allowed), layer(x, allowed.expand(2, 4, 5, 5)))


def test_each_head_has_a_mask_of_its_own():
    """Close one head's eyes: exactly its part of the input of `to_out` becomes zero."""
    layer = SelfAttention(width=8, heads=4)
    heard = []
    layer.to_out.register_forward_pre_hook(lambda module, inputs: heard.append(inputs[0]))
    allowed = torch.ones(1, 4, 1, 1, dtype=torch.bool)
    allowed[:, 1] = False
    layer(random(2, 5, 8).float(), allowed)
    assert (rearrange(heard[0], "b t (h d) -> b t h d", h=4).abs().sum(dim=(0, 1, 3)) == 0).tolist() == [
        False,
        True,
        False,
        False,
    ]


def test_without_a_mask_order_does_not_matter():
    layer = SelfAttention(width=8, heads=2).double()
    x, order = random(2, 6, 8), torch.tensor([3, 0, 5, 1, 4, 2])
    assert_close(layer(x[:, order]), layer(x)[:, order])


def test_a_causal_layer_knows_the_order():
    layer = SelfAttention(width=8, heads=2, causal=True).double()
    x, order = random(2, 6, 8), torch.tensor([3, 0, 5, 1, 4, 2])
    assert not torch.allclose(layer(x[:, order]), layer(x)[:, order])


def test_one_token_hears_itself():
    layer = SelfAttention(width=8, heads=2)
    x = random(2, 1, 8).float()
    assert_close(layer(x), layer.to_out(layer.to_qkv(x)[..., 16:]))


def test_the_heads_share_the_width():
    """Two heads are two attentions side by side, the first on the first half of each of query, key and value."""
    layer = SelfAttention(width=8, heads=2).double()
    x = random(2, 5, 8)
    query, key, value = layer.to_qkv(x).chunk(3, dim=-1)
    halves = [attend(query[..., part], key[..., part], value[..., part]) for part in (slice(0, 4), slice(4, 8))]
    assert_close(layer(x), layer.to_out(torch.cat(halves, dim=-1)))


@pytest.mark.parametrize("width, heads", [(8, 3), (8, 0), (8, -2), (4, 8)])
def test_heads_divide_the_width(width, heads):
    with pytest.raises(ValueError, match=f"came width {width} and {heads} heads"):
        SelfAttention(width, heads)


def test_gradients_are_slopes():
    query, key, value = (random(1, 3, 4, seed=i).requires_grad_() for i in range(3))
    assert torch.autograd.gradcheck(lambda q, k, v: attend(q, k, v, causal_mask(3)), (query, key, value))


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_a_row_without_anything_allowed_makes_no_nan_on_the_way_either():
    allowed = causal_mask(4)
    allowed[2] = False
    query, key, value = (random(2, 4, 8, seed=i) for i in range(3))
    query[:, 2] = 1e308  # what is not heard may be infinitely loud
    with torch.autograd.set_detect_anomaly(True):
        output, *slopes = gradients(lambda q, k, v: attend(q, k, v, allowed), query, 100 * key, value)
    assert all(tensor.isfinite().all() for tensor in (output, *slopes))


@pytest.mark.parametrize("attention", [attend, attend_fast])
def test_half_precision_holds_scores_whose_undivided_sum_it_does_not(attention):
    query = torch.full((1, 64), 38.0, dtype=torch.float16)  # 64 x 38^2 = 92,416 where the largest number is 65,504
    key = torch.cat([query, torch.zeros_like(query)])
    assert_close(attention(query, key, key), query)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)], ids=str)
def test_a_row_of_keys_is_a_mask_for_every_query(shape, causal):
    inputs = [random(*shape, 4, 8, seed=i) for i in range(3)]
    row = torch.tensor([True, False, True, False])
    table = row.expand(4, 4) & causal_mask(4) if causal else row.expand(4, 4)
    assert_close(attend_fast(*inputs, row, causal), attend(*inputs, table))
    assert_close(attend(*inputs, row), attend(*inputs, row.expand(4, 4)))


def test_a_layer_takes_a_row_of_keys():
    layer, row, x = SelfAttention(width=8, heads=2), torch.tensor([True, False, True]), random(2, 3, 8).float()
    assert_close(layer(x, row), layer(x, row.expand(3, 3)))


@pytest.mark.parametrize("attention", [attention_weights, attend_fast])
def test_a_mask_of_numbers_is_refused(attention):
    plain = inspect.unwrap(attention)  # without the checks of shapes that only tests have: users meet ours
    x = random(3, 8)
    inputs = [x] * (2 if attention is attention_weights else 3)
    with pytest.raises(CallError, match=r"mask of True .* came torch.float32"):
        plain(*inputs, torch.ones(3, 3))
