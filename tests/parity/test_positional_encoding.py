"""Positions against transformers: angles for each kind of scaling, sinusoids, ALiBi's bias, T5's buckets."""

import pytest
import torch
from torch.testing import assert_close

from learnable.nn.norm import RMSNorm
from learnable.nn.positions import Alibi, RelativeBias, Sinusoids, distance_bucket
from learnable.ops.rotary import (
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    YarnScaling,
    halves_to_pairs,
    pairs_to_halves,
    rotary_turns,
    rotate_halves,
    rotate_pairs,
)

pytestmark = pytest.mark.reference

#           ours                                                        their rope_parameters
SCALINGS = {
    "default": (None, {"rope_type": "default"}),
    "linear":  (LinearScaling(2.5), {"rope_type": "linear", "factor": 2.5}),
    "dynamic": (DynamicScaling(2.0, context=64), {"rope_type": "dynamic", "factor": 2.0}),
    "yarn":    (YarnScaling(4.0, context=32), {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}),
    "yarn, long ramp": (
        YarnScaling(8.0, context=2048, fast=64.0, slow=0.5, whole=False, attention=1.25),
        {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 2048, "beta_fast": 64.0, "beta_slow": 0.5,
         "truncate": False, "attention_factor": 1.25},
    ),
    "llama3":  (
        Llama3Scaling(8.0, context=256, slow=1.0, fast=4.0),
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 256},
    ),
}  # fmt: skip


@pytest.mark.parametrize("base", [10_000.0, 500_000.0])
@pytest.mark.parametrize("width", [8, 128])
@pytest.mark.parametrize("scaling, said", SCALINGS.values(), ids=SCALINGS)
def test_cosine_and_sine_are_theirs(scaling, said, width, base):
    transformers = pytest.importorskip("transformers")
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = transformers.LlamaConfig(
        hidden_size=2 * width,
        num_attention_heads=2,
        max_position_embeddings=64,
        rope_parameters=said | {"rope_theta": base},
    )
    for positions in (torch.arange(5)[None], torch.arange(200)[None], torch.tensor([[0, 3, 17, 199], [5, 6, 7, 199]])):
        cos, sin = LlamaRotaryEmbedding(config)(torch.zeros(1), positions)
        mine = rotary_turns(positions, width, base, scaling)
        half = width // 2  # theirs are there twice
        assert_close(mine, (cos[..., :half], sin[..., :half]), atol=2e-5, rtol=0)


def test_unscaled_angles_are_theirs_bit_for_bit_however_far():
    transformers = pytest.importorskip("transformers")
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = transformers.LlamaConfig(hidden_size=128, num_attention_heads=1)
    positions = torch.tensor([[0, 1, 1000, 131_071]])
    cos, sin = LlamaRotaryEmbedding(config)(torch.zeros(1), positions)
    mine = rotary_turns(positions, 128)
    assert torch.equal(mine[0], cos[..., :64]) and torch.equal(mine[1], sin[..., :64])


def test_both_rotations_are_theirs():
    """Llama's halves; and GPT-J's neighbors."""
    pytest.importorskip("transformers")
    from transformers.models.gptj.modeling_gptj import apply_rotary_pos_emb as neighbors
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb as halves

    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 16)  # batch heads tokens width
    cos, sin = rotary_turns(torch.arange(7)[None], 16)
    theirs, _ = halves(x, x, torch.cat([cos, cos], -1), torch.cat([sin, sin], -1))
    assert_close(rotate_halves(x, cos[:, None], sin[:, None]), theirs)
    other = neighbors(x.transpose(1, 2), sin, cos).transpose(1, 2)
    assert_close(rotate_pairs(x, cos[:, None], sin[:, None]), other)
    assert_close(halves_to_pairs(rotate_halves(pairs_to_halves(x), cos[:, None], sin[:, None])), other)


@pytest.mark.parametrize("width", [8, 50])
def test_sinusoids_are_marian_s(width):
    """Speech2Text's divide by another number, width / 2 - 1, which no paper has."""
    pytest.importorskip("transformers")
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    theirs = MarianSinusoidalPositionalEmbedding(30, width)
    theirs.weight.data.copy_(theirs.create_weight())
    assert_close(Sinusoids(width)(torch.arange(30)), theirs.weight.detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("heads", [1, 4, 6, 8, 11])
def test_alibi_is_bloom_s(heads):
    """Theirs counts from the start of the text, ours from the query: in a row of scores a constant, which softmax forgets."""
    pytest.importorskip("transformers")
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, 9), heads, torch.float32).view(heads, 1, 9)
    ours = Alibi(heads)(torch.arange(9))[0]
    torch.manual_seed(0)
    scores = torch.randn(heads, 9, 9)
    assert_close((scores + ours).softmax(-1), (scores + theirs).softmax(-1))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("buckets, furthest", [(32, 128), (8, 20), (64, 256)])
def test_buckets_are_t5_s(buckets, furthest, causal):
    pytest.importorskip("transformers")
    from transformers.models.t5.modeling_t5 import T5Attention

    distance = torch.arange(-400, 401)[None]
    theirs = T5Attention._relative_position_bucket(distance, not causal, buckets, furthest)
    assert torch.equal(distance_bucket(distance, buckets, furthest, causal), theirs)


@pytest.mark.parametrize("causal", [False, True])
def test_the_bias_is_t5_s(causal):
    transformers = pytest.importorskip("transformers")
    from transformers.models.t5.modeling_t5 import T5Attention

    config = transformers.T5Config(d_model=16, num_heads=4, d_kv=4, is_decoder=causal)
    theirs = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    ours = RelativeBias(4, causal=causal)
    torch.nn.init.normal_(theirs.relative_attention_bias.weight)
    ours.weight.data.copy_(theirs.relative_attention_bias.weight)
    assert_close(ours(torch.arange(40)), theirs.compute_bias(40, 40))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rms_norm_is_llama_s(dtype):
    pytest.importorskip("transformers")
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    torch.manual_seed(0)
    ours, theirs = RMSNorm(24, 1e-5).to(dtype), LlamaRMSNorm(24, 1e-5).to(dtype)
    torch.nn.init.normal_(theirs.weight)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 5, 24, dtype=dtype)
    close = {} if dtype == torch.float32 else {"atol": 0.02, "rtol": 0.02}
    assert_close(ours(x), theirs(x), **close)
