"""ModernGPT against transformers' NanoChat, and against a twin written out in plain operations: logits and gradients."""

import math

import pytest
import torch
from torch.testing import assert_close

from learnable.models.language.gpt import left_padded
from learnable.models.language.modern_gpt import ModernGPT, ModernGPTConfig
from learnable.weights.modern_gpt import TABLE, config_json, settings_from
from learnable.weights.table import translate

pytestmark = pytest.mark.reference

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
CONFIGS = {
    "one block": ModernGPTConfig(depth=1, width=8, heads=1, vocab=11, context=6),
    "toy": ModernGPTConfig(depth=3, width=32, heads=4, vocab=50, context=16),
    "wide heads": ModernGPTConfig(depth=2, width=48, heads=2, vocab=97, context=24),
}


def shake(model, seed=1):
    """All parameters random: ours begin at zero where a mistake would hide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.3 * noise.to(parameter.dtype))
    return model


def make_exact(theirs, config):
    """transformers has its angles and norms in float32 whatever the model is in; float64 is to be compared in all digits."""
    turn = theirs.model.rotary_emb

    def forward(x, position_ids):
        steps = torch.arange(0, config.head_width, 2, dtype=torch.float64) / config.head_width
        angles = (position_ids[..., None].double() * 10_000.0**-steps).repeat(1, 1, 2)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)

    turn.forward = forward
    for module in theirs.modules():
        if type(module).__name__ == "NanoChatRMSNorm":
            module.forward = module._norm


def reference(config, dtype=torch.float32, **changes):
    transformers = pytest.importorskip("transformers")
    import logging

    logging.getLogger("transformers").setLevel(logging.ERROR)
    settings = config_json(vars(config), dtype)
    for key in ("architectures", "model_type", "dtype"):
        del settings[key]
    settings["rope_parameters"] = dict(settings["rope_parameters"])
    model = transformers.NanoChatForCausalLM(transformers.NanoChatConfig(**settings | changes)).to(dtype)
    return shake(model)


def pair(config, dtype=torch.float32):
    theirs = reference(config, dtype)
    if dtype == torch.float64:
        make_exact(theirs, config)
    ours = ModernGPT(config).to(dtype)
    ours.load_state_dict(translate(theirs.state_dict(), TABLE, like=ours.state_dict()))
    return ours, theirs


def texts(config, batch, tokens):
    return torch.randint(config.vocab, (batch, tokens), generator=torch.Generator().manual_seed(2))


def assert_agree(ours, mine, reference, gradients_of, real, tolerance):
    """Logits at the real tokens, and the gradient of every parameter under a random weighting of them."""
    assert_close(mine[real], reference[real], atol=tolerance * float(reference.detach()[real].abs().max()), rtol=0)
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(mine.dtype)
    weight = weight * real[..., None]
    (mine * weight).sum().backward()
    (torch.where(real[..., None], reference, 0) * weight).sum().backward()
    gradients = gradients_of()
    assert gradients.keys() == dict(ours.named_parameters()).keys()
    for name, gradient in gradients.items():
        scale = float(gradient.abs().max())
        if name.endswith(("to_query.weight", "to_key.weight")) and mine.shape[1] == 1:
            continue  # alone, a token has nothing to choose from: both sides have zero, or rounding
        assert scale > 0, name
        assert_close(
            ours.get_parameter(name).grad,
            gradient,
            atol=tolerance * scale,
            rtol=0,
            msg=lambda text, n=name: f"{n}: {text}",
        )


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("batch, tokens", [(2, 5), (3, 1), (1, "context")])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_logits_and_gradients_agree_with_transformers(config, batch, tokens, dtype):
    ours, theirs = pair(config, dtype)
    text = texts(config, batch, config.context if tokens == "context" else tokens)

    def gradients():
        return translate({name: p.grad for name, p in theirs.named_parameters()}, TABLE)

    real = torch.ones_like(text).bool()
    assert_agree(ours.train(), ours(text), theirs.train()(text).logits, gradients, real, TOLERANCE[dtype])
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

    def gradients():
        return translate({name: p.grad for name, p in theirs.named_parameters()}, TABLE)

    assert_agree(ours, mine, other, gradients, real, TOLERANCE[dtype])


def written_out(state, config, tokens):
    """The whole model in plain operations, a head and a token at a time; the turn as a complex number."""

    def rms(x):
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()

    def turned(vector, place):
        half = config.head_width // 2
        point = torch.complex(vector[:half], vector[half:])
        angles = place * 10_000.0 ** (-torch.arange(half, dtype=vector.dtype) / half)
        point = point * torch.polar(torch.ones_like(angles), -angles)  # backwards
        return rms(torch.cat([point.real, point.imag]))

    x = rms(state["token.weight"][tokens])
    for b in range(config.depth):
        part = {name.removeprefix(f"blocks.{b}."): tensor for name, tensor in state.items()}
        sums = []
        h = rms(x)
        for place in range(len(tokens)):
            answer = []
            for head in range(config.heads):
                rows = slice(head * config.head_width, (head + 1) * config.head_width)
                query = turned(part["attention.to_query.weight"][rows] @ h[place], place)
                past = range(place + 1)
                keys = torch.stack([turned(part["attention.to_key.weight"][rows] @ h[t], t) for t in past])
                values = torch.stack([part["attention.to_value.weight"][rows] @ h[t] for t in past])
                scores = keys @ query / math.sqrt(config.head_width)
                answer.append((scores.exp() / scores.exp().sum()) @ values)
            sums.append(x[place] + part["attention.to_out.weight"] @ torch.cat(answer))
        x = torch.stack(sums)
        hidden = rms(x) @ part["mlp.up.weight"].T
        x = x + hidden.clamp(min=0).square() @ part["mlp.down.weight"].T
    return 15 * (rms(x) @ state["unembed.weight"].T / 15).tanh()


def test_logits_and_gradients_agree_with_the_twin():
    config = ModernGPTConfig(depth=2, width=12, heads=2, vocab=7, context=8)
    ours = shake(ModernGPT(config).double(), seed=4)
    text = texts(config, 1, 6)
    twin = {name: parameter.detach().clone().requires_grad_() for name, parameter in ours.named_parameters()}
    other = written_out(twin, config, text[0])[None]

    def gradients():
        return {name: parameter.grad for name, parameter in twin.items()}

    assert_agree(ours, ours(text), other, gradients, torch.ones_like(text).bool(), 1e-10)


@pytest.mark.parametrize("shards", [False, True])
def test_reads_the_folder_that_transformers_writes(tmp_path, shards):
    config = CONFIGS["wide heads"]
    theirs = reference(config)
    theirs.save_pretrained(tmp_path, **({"max_shard_size": "60KB"} if shards else {}))
    assert (tmp_path / "model.safetensors.index.json").exists() == shards
    ours = ModernGPT.from_pretrained(tmp_path)
    assert ours.config == config
    text = texts(config, 2, 9)
    assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-5)


def test_transformers_reads_what_we_write(tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = shake(ModernGPT(CONFIGS["toy"]))
    ours.save_pretrained(tmp_path)
    theirs, said = transformers.NanoChatForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(said[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    text = texts(ours.config, 2, 16)
    assert_close(theirs(text).logits, ours(text), atol=1e-5, rtol=1e-5)
    again = ModernGPT.from_pretrained(tmp_path)
    assert again.config == ours.config and torch.equal(again(text), ours(text))


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "gelu"},
        {"intermediate_size": 100},
        {"num_key_value_heads": 2},
        {"final_logit_softcapping": 30.0},
        {"final_logit_softcapping": None},
        {"attention_bias": True},
        {"tie_word_embeddings": True},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    ],
    ids=str,
)
def test_a_config_that_we_would_get_wrong_is_refused(change):
    theirs = reference(CONFIGS["toy"], **change)
    word = "rope_theta" if "rope_parameters" in change else next(iter(change))
    with pytest.raises(Exception, match=word):
        settings_from(theirs.config.to_dict())
