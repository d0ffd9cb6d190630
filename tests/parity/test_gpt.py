"""GPT against transformers' GPT-2: same weights in, same logits and same gradients out; and files that go both ways."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from learnable.models.language.gpt import GPT, GPT2, GPTConfig, left_padded
from learnable.weights.gpt import TABLE, plain_names, settings_from
from learnable.weights.table import translate

pytestmark = pytest.mark.reference

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
CONFIGS = {
    "one block": GPTConfig(depth=1, width=8, heads=1, vocab=11, context=6),
    "toy": GPTConfig(depth=3, width=32, heads=4, vocab=50, context=16),
    "wide heads": GPTConfig(depth=2, width=48, heads=2, vocab=97, context=24),
}


def reference(config, dtype=torch.float32, **changes):
    """transformers' GPT-2 at this size, all its parameters random (its own biases start at 0 and would hide mistakes)."""
    transformers = pytest.importorskip("transformers")
    settings = {
        "n_layer": config.depth, "n_embd": config.width, "n_head": config.heads,
        "vocab_size": config.vocab, "n_positions": config.context,
        "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**settings | changes)).to(dtype)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=dtype)
            parameter.copy_(0.3 * noise + (1.0 if ".ln_" in name and name.endswith("weight") else 0.0))
    return model


def pair(config, dtype=torch.float32):
    theirs = reference(config, dtype)
    ours = GPT(config).to(dtype)
    ours.load_state_dict(translate(plain_names(theirs.state_dict()), TABLE, like=ours.state_dict()))
    return ours, theirs


def texts(config, batch, tokens):
    return torch.randint(config.vocab, (batch, tokens), generator=torch.Generator().manual_seed(2))


def assert_agree(ours, theirs, mine, reference, real, tolerance):
    """Logits at the real tokens, and the gradient of every parameter under a random weighting of them."""
    close = {"atol": tolerance * float(reference.detach()[real].abs().max()), "rtol": 0}
    assert_close(mine[real], reference[real], **close)
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(3), dtype=mine.dtype) * real[..., None]
    (mine * weight).sum().backward()
    (torch.where(real[..., None], reference, 0) * weight).sum().backward()
    gradients = translate(plain_names({name: p.grad for name, p in theirs.named_parameters()}), TABLE)
    assert gradients.keys() == dict(ours.named_parameters()).keys()
    for name, gradient in gradients.items():
        got = ours.get_parameter(name).grad
        scale = float(gradient.abs().max())
        assert scale > 0, name
        assert_close(got, gradient, atol=tolerance * scale, rtol=0, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("batch, tokens", [(2, 5), (3, 1), (1, "context")])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_logits_and_gradients_agree(config, batch, tokens, dtype):
    ours, theirs = pair(config, dtype)
    text = texts(config, batch, config.context if tokens == "context" else tokens)
    # A module that is training and one that is not are the same here: neither has dropout.
    assert_agree(
        ours.train(), theirs.train(), ours(text), theirs(text).logits, torch.ones_like(text).bool(), TOLERANCE[dtype]
    )
    assert torch.equal(ours.eval()(text), ours.train()(text))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_batches_agree(side, dtype):
    config = CONFIGS["toy"]
    ours, theirs = pair(config, dtype)
    lengths, tokens = torch.tensor([9, 1, 4]), 9
    text = texts(config, 3, tokens)
    place = torch.arange(tokens)
    real = place >= tokens - lengths[:, None] if side == "left" else place < lengths[:, None]
    if side == "left":
        padded = left_padded(lengths, tokens)
        mine = ours(text, **padded)
        other = theirs(text, attention_mask=real.long(), position_ids=padded["positions"]).logits
    else:
        mine, other = ours(text), theirs(text, attention_mask=real.long()).logits
    assert_agree(ours, theirs, mine, other, real, TOLERANCE[dtype])


def test_padding_changes_nothing_for_the_text_itself():
    config = CONFIGS["toy"]
    ours, _ = pair(config, torch.float64)
    text, lengths = texts(config, 2, 7), torch.tensor([7, 3])
    row = ours(text, **left_padded(lengths, 7))[1, -3:]
    assert_close(row, ours(text[1:, -3:])[0])


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("head", [True, False])
def test_reads_what_transformers_saved(tmp_path, prefix, head):
    """With and without `transformer.`, the tied head there or not, and the mask buffers of old files."""
    from safetensors.torch import save_file

    config = CONFIGS["toy"]
    theirs = reference(config)
    theirs.config.save_pretrained(tmp_path)
    state = {name if prefix or name == "lm_head.weight" else name.removeprefix("transformer."): tensor.clone()
             for name, tensor in theirs.state_dict().items() if head or name != "lm_head.weight"}  # fmt: skip
    start = "transformer." if prefix else ""
    state |= {f"{start}h.0.attn.bias": torch.ones(1, 1, 16, 16), f"{start}h.0.attn.masked_bias": torch.tensor(-1e4)}
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    ours = GPT.from_pretrained(tmp_path)
    assert ours.config == config
    text = texts(config, 2, 9)
    assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-5)


def test_reads_their_network_without_a_head(tmp_path):
    """A `GPT2Model` saved by itself."""
    config = CONFIGS["toy"]
    theirs = reference(config)
    theirs.transformer.save_pretrained(tmp_path)
    text = texts(config, 2, 9)
    assert_close(GPT.from_pretrained(tmp_path)(text), theirs(text).logits, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("shards", [False, True])
def test_reads_the_folder_that_transformers_writes(tmp_path, shards):
    config = CONFIGS["wide heads"]
    theirs = reference(config)
    theirs.save_pretrained(tmp_path, **({"max_shard_size": "60KB"} if shards else {}))
    assert (tmp_path / "model.safetensors.index.json").exists() == shards
    text = texts(config, 2, 9)
    assert_close(GPT.from_pretrained(tmp_path)(text), theirs(text).logits, atol=1e-4, rtol=1e-5)


def test_transformers_reads_what_we_write(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    ours = GPT(CONFIGS["toy"])
    ours.save_pretrained(tmp_path)
    theirs, said = transformers.GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(said[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    text = texts(ours.config, 2, 16)
    assert_close(theirs(text).logits, ours(text), atol=1e-6, rtol=1e-5)
    again = GPT.from_pretrained(tmp_path)
    assert again.config == ours.config and torch.equal(again(text), ours(text))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_goes_there_and_back(tmp_path, dtype):
    transformers = pytest.importorskip("transformers")
    ours = GPT(CONFIGS["toy"]).to(dtype)
    ours.save_pretrained(tmp_path)
    assert transformers.GPT2LMHeadModel.from_pretrained(tmp_path).dtype == dtype
    assert GPT.from_pretrained(tmp_path).token.weight.dtype == torch.float32
    kept = GPT.from_pretrained(tmp_path, dtype=None)
    assert {parameter.dtype for parameter in kept.parameters()} == {dtype}
    for name, tensor in ours.state_dict().items():
        assert torch.equal(kept.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    "change",
    [
        {"activation_function": "gelu"},
        {"n_inner": 100},
        {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False},
        {"layer_norm_epsilon": 1e-6},
        {"tie_word_embeddings": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_config_that_we_would_get_wrong_is_refused_and_would_have_been_wrong(change):
    """Each of these changes transformers' logits (or its tensors), so reading it in silence would be a lie."""
    config = CONFIGS["toy"]
    theirs = reference(config, torch.float64, **change)
    with pytest.raises(Exception, match=next(iter(change))):
        settings_from(theirs.config.to_dict())
    ours = GPT(config).double()
    state = theirs.state_dict()
    try:
        ours.load_state_dict(translate(plain_names(state), TABLE, like=ours.state_dict()))
    except Exception:
        return
    text = texts(config, 2, 9)
    assert not torch.allclose(ours(text), theirs(text).logits, atol=1e-8)


@pytest.mark.slow
def test_gpt2_small_in_full_size_goes_through_files(tmp_path):
    """The published shapes, 124 million random numbers, from their file into our model and out again."""
    transformers = pytest.importorskip("transformers")
    config = GPT2["small"][0]
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
    ).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    ours = GPT.from_pretrained(tmp_path / "theirs")
    assert dataclasses.asdict(ours.config) == dataclasses.asdict(config)
    text = texts(config, 1, 32)
    with torch.no_grad():
        assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-5)
    ours.save_pretrained(tmp_path / "ours")
    again = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "ours")
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
