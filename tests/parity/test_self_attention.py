"""Self-attention against torch's own: same weights in, same outputs and same gradients out."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from learnable.nn.attention import SelfAttention, attend, attend_fast, attention_weights, causal_mask, padding_mask

DTYPES = [torch.float32, torch.float64]
SHAPES = [  # batch, heads, tokens, width
    (1, 1, 1, 4),
    (2, 4, 1, 16),
    (2, 1, 7, 8),
    (3, 2, 9, 12),
    (2, 4, 33, 32),
]


def mask_for(kind: str, batch: int, tokens: int):
    """Our mask (True = may look), torch's additional ones (True = may not): over queries and keys, over keys."""
    lengths = torch.arange(batch) % tokens + 1
    padding = padding_mask(lengths, tokens)
    return {
        "all": (None, None, None),
        "causal": (None, ~causal_mask(tokens), None),
        "padding": (padding, None, ~padding[:, 0, 0]),
        "both": (padding, ~causal_mask(tokens), ~padding[:, 0, 0]),
    }[kind]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("batch, heads, tokens, width", SHAPES)
@pytest.mark.parametrize("kind", ["all", "causal", "padding", "both"])
def test_multi_head_attention(kind, batch, heads, tokens, width, dtype):
    torch.manual_seed(0)
    causal = kind in ("causal", "both")
    ours = SelfAttention(width, heads, causal).to(dtype)
    theirs = nn.MultiheadAttention(width, heads, batch_first=True, dtype=dtype)
    names = {
        "in_proj_weight": "to_qkv.weight",
        "in_proj_bias": "to_qkv.bias",
        "out_proj.weight": "to_out.weight",
        "out_proj.bias": "to_out.bias",
    }
    nn.init.normal_(theirs.in_proj_bias)  # zero at birth, which would hide a bias in the wrong place
    nn.init.normal_(theirs.out_proj.bias)
    ours.load_state_dict({names[name]: tensor for name, tensor in theirs.state_dict().items()})

    allowed, attn_mask, key_padding_mask = mask_for(kind, batch, tokens)
    x = torch.randn(batch, tokens, width, dtype=dtype, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    mine = ours(x, allowed)
    reference, shares = theirs(y, y, y, key_padding_mask, attn_mask=attn_mask, average_attn_weights=False)
    assert_close(mine, reference)

    query, key, _ = ours.to_qkv(x).unflatten(-1, (3, heads, width // heads)).permute(2, 0, 3, 1, 4)
    past = causal_mask(tokens) if causal else torch.ones(tokens, tokens, dtype=torch.bool)
    assert_close(attention_weights(query, key, past if allowed is None else past & allowed), shares)

    weight = torch.randn_like(mine)
    (mine * weight).sum().backward()
    (reference * weight).sum().backward()
    assert_close(x.grad, y.grad)
    for name, parameter in theirs.named_parameters():
        assert_close(
            ours.get_parameter(names[name]).grad, parameter.grad, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("queries, keys", [(1, 1), (1, 6), (6, 1), (5, 9), (9, 5), (40, 40)])
@pytest.mark.parametrize("kind", ["all", "causal", "mask", "additive"])
@pytest.mark.parametrize("attention", [attend, attend_fast])
def test_scaled_dot_product_attention(attention, kind, queries, keys, dtype):
    torch.manual_seed(0)
    mine = [torch.randn(2, 3, length, 8, dtype=dtype, requires_grad=True) for length in (queries, keys, keys)]
    other = [tensor.detach().clone().requires_grad_() for tensor in mine]
    mask = torch.rand(2, 1, queries, keys) < 0.6
    mask[..., 0] = True
    past = torch.ones(queries, keys, dtype=torch.bool).tril()
    minus_infinity = torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, -torch.inf)
    allowed, theirs = {
        "all": (None, {}),
        "causal": (past, {"is_causal": True}),
        "mask": (mask, {"attn_mask": mask}),
        "additive": (mask, {"attn_mask": minus_infinity}),
    }[kind]
    output, reference = attention(*mine, allowed), F.scaled_dot_product_attention(*other, **theirs)
    assert_close(output, reference)
    weight = torch.randn_like(output)
    (output * weight).sum().backward()
    (reference * weight).sum().backward()
    for ours, twin in zip(mine, other, strict=True):
        assert_close(ours.grad, twin.grad)
