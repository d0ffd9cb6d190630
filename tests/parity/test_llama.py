"""Llama against transformers' Llama, Mistral and Qwen2: same weights in, same logits and same gradients out; files both ways."""

import contextlib
import dataclasses
import json
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from learnable.models.language.gpt import left_padded
from learnable.models.language.llama import LLAMA, Llama, LlamaConfig
from learnable.ops.rotary import DynamicScaling, LinearScaling, Llama3Scaling, YarnScaling
from learnable.weights.llama import TABLE, config_json, plain_names, settings_from
from learnable.weights.table import translate

pytestmark = pytest.mark.reference

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}
TOY = LlamaConfig(depth=2, width=32, heads=4, key_heads=2, hidden=44, vocab=53, context=24)
CONFIGS = {
    "llama":             TOY,
    "one key head":      replace(TOY, key_heads=1, eps=1e-3),
    "every key head":    replace(TOY, key_heads=4, tied=True),
    "wide heads":        replace(TOY, own_head_width=12, base=500.0),
    "linear":            replace(TOY, scaling=LinearScaling(4.0)),
    "dynamic, short":    replace(TOY, scaling=DynamicScaling(2.0, context=24), context=48),
    "dynamic, long":     replace(TOY, scaling=DynamicScaling(3.0, context=8)),
    "yarn":              replace(TOY, scaling=YarnScaling(4.0, context=6, fast=2.0, slow=0.5)),
    "yarn, set":         replace(TOY, scaling=YarnScaling(2.0, context=12, whole=False, attention=1.3)),
    "llama3":            replace(TOY, scaling=Llama3Scaling(8.0, context=24)),
    "mistral":           replace(TOY, window=5),
    "mistral, yarn":     replace(TOY, window=3, scaling=YarnScaling(4.0, context=16)),
    "qwen2":             replace(TOY, biases=True, eps=1e-6, base=1e6),
    "qwen2, tied":       replace(TOY, biases=True, tied=True),
    "qwen2, window":     replace(TOY, biases=True, window=4),
}  # fmt: skip


@contextlib.contextmanager
def exact(dtype):
    """transformers computes norms and angles in float32, whatever the model's type; here, in float64 if asked to."""
    before = torch.float32, torch.float
    if dtype == torch.float64:
        torch.float32 = torch.float = torch.float64
        torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before[0])
        torch.float32, torch.float = before


def reference(config, dtype=torch.float32, **changes):
    """transformers' model of the kind that our files say, all its parameters random."""
    transformers = pytest.importorskip("transformers")
    said = config_json({**dataclasses.asdict(config), "scaling": config.scaling}, torch.float32) | changes
    kind = said["architectures"][0]
    settings = getattr(transformers, kind.replace("ForCausalLM", "Config"))(**said)
    with exact(dtype):
        model = getattr(transformers, kind)(settings).to(dtype)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.3 * noise + (1.0 if "norm" in name else 0.0))
    return model


def pair(config, dtype=torch.float32):
    theirs = reference(config, dtype)
    ours = Llama(config).to(dtype)
    ours.load_state_dict(translate(plain_names(theirs.state_dict(), config.tied), TABLE, like=ours.state_dict()))
    return ours, theirs


def texts(config, batch, tokens):
    return torch.randint(config.vocab, (batch, tokens), generator=torch.Generator().manual_seed(2))


def ask(theirs, text, dtype, **more):
    with exact(dtype):
        return theirs(text, use_cache=False, **more).logits


def assert_agree(ours, theirs, mine, reference, real, tolerance):
    """Logits at the real tokens, and the gradient of every parameter under a random weighting of them."""
    close = {"atol": tolerance * float(reference.detach()[real].abs().max()), "rtol": 0}
    assert_close(mine[real], reference[real], **close)
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(3), dtype=mine.dtype) * real[..., None]
    (mine * weight).sum().backward()
    (torch.where(real[..., None], reference, 0) * weight).sum().backward()
    grads = {name: p.grad for name, p in theirs.named_parameters() if name != "lm_head.weight" or not ours.config.tied}
    gradients = translate(grads, TABLE)
    assert gradients.keys() == dict(ours.named_parameters()).keys()
    for name, gradient in gradients.items():
        got = ours.get_parameter(name).grad
        scale = float(gradient.abs().max())
        if name.endswith("to_key.bias"):  # it adds the same to all scores of a row, but for the turns
            scale = max(scale, 1e-3)
        assert scale > 0, name
        assert_close(got, gradient, atol=tolerance * scale, rtol=0, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("batch, tokens", [(2, 19), (1, 1)])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_logits_and_gradients_agree(config, batch, tokens, dtype):
    ours, theirs = pair(config, dtype)
    text = texts(config, batch, tokens)
    if tokens == 1:  # one token has one place to look at: nothing depends on queries and keys
        assert_close(ours(text), ask(theirs, text, dtype), atol=TOLERANCE[dtype] * 100, rtol=0)
        return
    ours, theirs = ours.train(), theirs.train()
    assert_agree(ours, theirs, ours(text), ask(theirs, text, dtype), torch.ones_like(text).bool(), TOLERANCE[dtype])
    assert torch.equal(ours.eval()(text), ours.train()(text))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["llama", "mistral", "qwen2", "yarn"])
def test_padded_batches_agree(name, side, dtype):
    config = CONFIGS[name]
    ours, theirs = pair(config, dtype)
    lengths, tokens = torch.tensor([11, 1, 4]), 11
    text = texts(config, 3, tokens)
    place = torch.arange(tokens)
    real = place >= tokens - lengths[:, None] if side == "left" else place < lengths[:, None]
    if side == "left":
        padded = left_padded(lengths, tokens)
        mine = ours(text, **padded)
        other = ask(theirs, text, dtype, attention_mask=real.long(), position_ids=padded["positions"])
    else:
        mine, other = ours(text), ask(theirs, text, dtype, attention_mask=real.long())
    assert_agree(ours, theirs, mine, other, real, TOLERANCE[dtype])


def test_long_texts_agree_in_float32():
    """Angles of thousands are rounded as theirs are."""
    config = replace(TOY, context=4096, scaling=Llama3Scaling(8.0, context=512))
    ours, theirs = pair(config)
    text = texts(config, 1, 3000)
    with torch.no_grad():
        assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_reads_the_folder_that_transformers_writes(tmp_path, config, shards):
    theirs = reference(config)
    theirs.save_pretrained(tmp_path, **({"max_shard_size": "20KB"} if shards else {}))
    assert (tmp_path / "model.safetensors.index.json").exists() == shards
    ours = Llama.from_pretrained(tmp_path)
    assert ours.config == replace(config, own_head_width=ours.config.own_head_width)  # they always say it
    assert ours.config.head_width == config.head_width
    text = texts(config, 2, 9)
    assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_transformers_reads_what_we_write(tmp_path, config):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    ours = Llama(config)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    ours.save_pretrained(tmp_path)
    theirs, said = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(said[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    text = texts(config, 2, 20)
    assert_close(theirs(text).logits, ours(text), atol=1e-4, rtol=1e-5)
    again = Llama.from_pretrained(tmp_path)
    assert again.config == config and torch.equal(again(text), ours(text))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_goes_there_and_back(tmp_path, dtype):
    transformers = pytest.importorskip("transformers")
    ours = Llama(TOY).to(dtype)
    ours.save_pretrained(tmp_path)
    assert transformers.AutoModelForCausalLM.from_pretrained(tmp_path).dtype == dtype
    assert Llama.from_pretrained(tmp_path).token.weight.dtype == torch.float32
    kept = Llama.from_pretrained(tmp_path, dtype=None)
    assert {parameter.dtype for parameter in kept.parameters()} == {dtype}


@pytest.mark.parametrize("config", [CONFIGS["llama"], CONFIGS["yarn"]], ids=["llama", "yarn"])
def test_bfloat16_is_near_theirs(config):
    ours, theirs = pair(config)
    text = texts(config, 2, 19)
    exactly = ours(text)
    mine, other = ours.bfloat16()(text).float(), theirs.bfloat16()(text).logits.float()
    error = (other - exactly).abs().mean()
    assert (mine - exactly).abs().mean() < 1.2 * error, "no further from the truth than theirs"


@pytest.mark.parametrize(
    "kind, change",
    [
        ("llama", {"hidden_act": "gelu"}),
        ("llama", {"attention_bias": True}),
        ("llama", {"mlp_bias": True}),
        ("llama", {"rms_norm_eps": 0.1}),
        ("llama", {"rope_theta": 100.0}),
        ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
        ("llama", {"rope_scaling": {"rope_type": "longrope", "short_factor": [2.0] * 4, "long_factor": [3.0] * 4,
                                    "original_max_position_embeddings": 24}}),
        ("mistral", {"sliding_window": 3}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}),
    ],
    ids=lambda change: change if isinstance(change, str) else next(iter(change)),
)  # fmt: skip
def test_what_a_config_asks_for_is_done_or_refused(kind, change, tmp_path):
    """Each of these changes transformers' logits, so reading it in silence would be a lie."""
    config = {"llama": TOY, "mistral": CONFIGS["mistral"], "qwen2": CONFIGS["qwen2"]}[kind]
    theirs = reference(config, **change)
    theirs.save_pretrained(tmp_path)
    text = texts(config, 2, 19)
    try:
        ours = Llama.from_pretrained(tmp_path)
    except Exception as error:
        assert next(iter(change)).removesuffix("_scaling").removeprefix("use_") in str(error) or "look back" in str(
            error
        )
        plain = Llama(config)
        with contextlib.suppress(Exception):
            plain.load_state_dict(translate(plain_names(theirs.state_dict(), False), TABLE, like=plain.state_dict()))
            assert not torch.allclose(plain(text), theirs(text).logits, atol=1e-3)
    else:
        assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-5)


def test_files_of_before_2025_are_read(tmp_path):
    """`rope_theta` and `rope_scaling` apart, the kind under `type`, and buffers of the angles among the tensors."""
    from safetensors.torch import save_file

    theirs = reference(CONFIGS["yarn"])
    state = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(4)
    save_file(state, tmp_path / "model.safetensors")
    config = config_json({**dataclasses.asdict(CONFIGS["yarn"]), "scaling": CONFIGS["yarn"].scaling}, torch.float32)
    config["rope_scaling"]["type"] = config["rope_scaling"].pop("rope_type")
    config["rope_scaling"]["finetuned"] = True
    (tmp_path / "config.json").write_text(json.dumps(config))
    ours = Llama.from_pretrained(tmp_path)
    text = texts(TOY, 2, 9)
    assert ours.config == CONFIGS["yarn"]
    assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("kind", ["every key head", "qwen2, tied"])
def test_reads_their_network_without_a_head(tmp_path, kind):
    """A `LlamaModel` saved by itself; its head is the embedding."""
    theirs = reference(CONFIGS[kind])
    theirs.model.save_pretrained(tmp_path)
    text = texts(TOY, 2, 9)
    assert_close(Llama.from_pretrained(tmp_path)(text), theirs(text).logits, atol=1e-4, rtol=1e-5)


@pytest.mark.slow
def test_a_full_size_goes_through_files(tmp_path):
    """The published shapes of SmolLM2-135M, random numbers, from their file into our model and out again."""
    transformers = pytest.importorskip("transformers")
    config = LLAMA["smollm2-135m"][0]
    said = config_json({**dataclasses.asdict(config), "scaling": None}, torch.float32)
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**said)).eval()
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="200MB")
    ours = Llama.from_pretrained(tmp_path / "theirs")
    assert replace(ours.config, own_head_width=None) == config
    text = texts(config, 1, 32)
    with torch.no_grad():
        assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-5)
    ours.save_pretrained(tmp_path / "ours")
    again = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "ours")
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.parametrize("name, settings", [
    ("llama-2-7b", {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "max_position_embeddings": 4096, "vocab_size": 32000, "rms_norm_eps": 1e-05}),
    ("mistral-7b", {"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 32768,
                    "sliding_window": 4096, "vocab_size": 32000, "rms_norm_eps": 1e-05, "rope_theta": 10000.0}),
    ("llama-3.2-1b", {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
                      "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
                      "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
                      "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                                       "original_max_position_embeddings": 8192, "rope_type": "llama3"},
                      "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False, "hidden_act": "silu"}),
    ("qwen2.5-0.5b", {"model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
                      "num_attention_heads": 14, "num_key_value_heads": 2, "max_position_embeddings": 32768,
                      "vocab_size": 151936, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
                      "use_sliding_window": False, "max_window_layers": 24, "tie_word_embeddings": True}),
])  # fmt: skip
def test_published_configs_are_rows_of_the_table(name, settings):
    """As they stand in the files on the hub."""
    read = LlamaConfig(**settings_from(settings))
    assert replace(read, own_head_width=None) == LLAMA[name][0]
