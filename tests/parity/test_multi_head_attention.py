"""Attention with many heads against torch.nn.MultiheadAttention, and shared keys against transformers' Llama."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.nn.multihead import MultiHeadAttention
from learnable.ops.rotary import rotary_turns
from learnable.weights.table import Row, same, translate

pytestmark = pytest.mark.reference

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}

# Theirs has one matrix for all three where their widths are equal, and three where they are not.
APART = [
    Row("q_proj_weight", "to_query.weight", same),
    Row("k_proj_weight", "to_key.weight", same),
    Row("v_proj_weight", "to_value.weight", same),
    Row("out_proj.weight", "to_out.weight", same),
    Row("out_proj.bias", "to_out.bias", same),
]
LLAMA = [
    Row("q_proj.weight", "to_query.weight", same),
    Row("k_proj.weight", "to_key.weight", same),
    Row("v_proj.weight", "to_value.weight", same),
    Row("o_proj.weight", "to_out.weight", same),
]


def theirs_under_our_names(tensors):
    """Their one matrix and their one bias of all three, cut into three, under our names."""
    tensors = dict(tensors)
    if "in_proj_weight" in tensors:
        for name, part in zip("qkv", tensors.pop("in_proj_weight").chunk(3), strict=True):
            tensors[f"{name}_proj_weight"] = part
    found = {}
    if "in_proj_bias" in tensors:
        parts = tensors.pop("in_proj_bias").chunk(3)
        found = dict(zip(("to_query.bias", "to_key.bias", "to_value.bias"), parts, strict=True))
    return translate(tensors, APART) | found


def randomized(module, dtype):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module.to(dtype)


def compare(mine, other, ours, grads, tolerance):
    assert_close(mine, other, atol=tolerance, rtol=0)
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(3), dtype=mine.dtype)
    (mine * weight).sum().backward()
    (other * weight).sum().backward()
    gradients = grads()
    assert gradients.keys() == dict(ours.named_parameters()).keys()
    for name, gradient in gradients.items():
        scale = max(float(gradient.abs().max()), 0.1)
        assert_close(ours.get_parameter(name).grad, gradient, atol=tolerance * scale * 10, rtol=0, msg=name)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("masks", ["none", "padding", "mask", "both"])
@pytest.mark.parametrize("kind", ["self", "cross", "other widths", "no biases"])
def test_it_is_torch_s(kind, masks, training, dtype):
    widths = {"kdim": 10, "vdim": 14} if kind == "other widths" else {}
    biases = kind != "no biases"
    theirs = randomized(nn.MultiheadAttention(12, 3, batch_first=True, bias=biases, **widths), dtype).train(training)
    ours = MultiHeadAttention(12, 3, memory_width=widths.get("kdim"), value_width=widths.get("vdim"), biases=biases).to(
        dtype
    )
    ours.load_state_dict(theirs_under_our_names(theirs.state_dict()))
    generator = torch.Generator().manual_seed(2)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=dtype)

    x = draw(2, 5, 12)
    memory = x if kind == "self" else draw(2, 7, widths.get("kdim", 12))
    values = draw(2, 7, 14) if widths else memory
    keys = memory.shape[1]
    forbidden = torch.rand(5, keys, generator=generator) < 0.4
    forbidden[:, 0] = False  # theirs has no answer for one who may look at nothing
    filling = torch.arange(keys) >= torch.tensor([keys, 3])[:, None]
    said, allowed = {}, torch.ones(2, 1, 5, keys, dtype=torch.bool)
    if masks in ("padding", "both"):
        said["key_padding_mask"] = filling
        allowed &= ~filling[:, None, None]
    if masks in ("mask", "both"):
        said["attn_mask"] = forbidden
        allowed &= ~forbidden
    mine = ours(
        x, None if kind == "self" else memory, values if widths else None, allowed=None if masks == "none" else allowed
    )
    other, _ = theirs(x, memory, values, need_weights=False, **said)
    compare(mine, other, ours,
            lambda: theirs_under_our_names({n: p.grad for n, p in theirs.named_parameters()}), TOLERANCE[dtype])  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("key_heads", [6, 3, 2, 1])
def test_shared_keys_are_llama_s(key_heads, dtype):
    transformers = pytest.importorskip("transformers")
    from transformers.models.llama.modeling_llama import LlamaAttention

    config = transformers.LlamaConfig(hidden_size=24, num_attention_heads=6, num_key_value_heads=key_heads,
                                      attn_implementation="eager")  # fmt: skip
    theirs = randomized(LlamaAttention(config, layer_idx=0), dtype)
    ours = MultiHeadAttention(24, 6, key_heads=key_heads, biases=False, causal=True).to(dtype)
    ours.load_state_dict(translate(theirs.state_dict(), LLAMA, like=ours.state_dict()))
    x = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(2), dtype=dtype)
    cos, sin = rotary_turns(torch.arange(5)[None], 4, dtype=dtype)
    mask = torch.full((5, 5), float("-inf"), dtype=dtype).triu(1)[None, None]
    twice = torch.cat([cos, cos], -1), torch.cat([sin, sin], -1)
    float32 = torch.float32
    try:  # their softmax is in float32 whatever comes
        torch.float32 = dtype
        other, _ = theirs(x, position_embeddings=twice, attention_mask=mask)
    finally:
        torch.float32 = float32
    mine = ours(x, turns=(cos[:, None], sin[:, None]))
    compare(
        mine, other, ours, lambda: translate({n: p.grad for n, p in theirs.named_parameters()}, LLAMA), TOLERANCE[dtype]
    )
