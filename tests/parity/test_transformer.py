"""The Transformer against torch.nn.Transformer and transformers' MarianMTModel: outputs, gradients, and files both ways."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from learnable.errors import WorldError
from learnable.models.language.transformer import (
    POST_NORM,
    PRE_NORM,
    AddThenNorm,
    Norms,
    Transformer,
    TransformerConfig,
    halved,
)
from learnable.weights import marian
from learnable.weights import transformer as torchs
from learnable.weights.table import translate, untranslate

# torch says so of its encoder without a fast path, with an odd number of heads or norms in front.
pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")]

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}
TOY = TransformerConfig(depth=2, width=24, heads=3, hidden=40, vocab=60, context=20, dropout=0.0)
CONFIGS = {
    "one layer": TransformerConfig(depth=1, width=8, heads=1, hidden=12, vocab=30, context=16, dropout=0.0),
    "toy": TOY,
    "three layers": TransformerConfig(depth=3, width=32, heads=4, hidden=128, vocab=50, context=16, dropout=0.0),
}
# Theirs always ends a stack with a norm, also after norms that stand behind each step, where the paper has none.
NORMS = {"post": Norms(AddThenNorm, nn.LayerNorm), "pre": PRE_NORM, "as published": POST_NORM}


@torch.no_grad()
def randomize(module, seed=1):
    """All parameters random: what starts at 0 or 1 would hide mistakes.

    Matrices hand a signal on at its size. Larger ones drive the softmaxes of deep stacks to 0 and 1, whose gradients are small
    differences of large numbers: in float32 each side is then 1e-4 from what float64 gives, and their distance is chance.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        size = parameter.shape[1] ** -0.5 if parameter.dim() == 2 else 0.3
        parameter.copy_(size * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0))
    return module


def texts(config, lengths=(9, 2, 5), target=7):
    """Sources of these lengths, filled up with padding, and targets that are three, seven and six tokens long."""
    generator = torch.Generator().manual_seed(2)
    source = torch.randint(3, config.vocab, (len(lengths), max(lengths)), generator=generator)
    source[torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]] = config.padding
    goal = torch.randint(3, config.vocab, (len(lengths), target), generator=generator)
    real = torch.arange(target) < torch.tensor([3, target, 6][: len(lengths)])[:, None]
    return source, goal.masked_fill(~real, config.padding), real


def assert_gradients(gradients, ours, tolerance):
    for name, gradient in gradients.items():
        # What is added to all keys alike changes no softmax: of its gradient, zero, there is only noise, small beside the values'.
        scale = float(gradients[name.replace("to_key.bias", "to_value.bias")].abs().max())
        assert scale > 0, name
        assert_close(
            ours.get_parameter(name).grad, gradient, atol=tolerance * scale, rtol=0, msg=lambda text, n=name: n + text
        )


# ---------------------------------------------------------------------------------------------- torch.nn.Transformer


def torch_twin(ours, norms, dtype):
    """torch.nn.Transformer with our stacks' weights."""
    config = ours.config
    theirs = nn.Transformer(config.width, config.heads, config.depth, config.depth, config.hidden, dropout=0.0,
                            batch_first=True, norm_first=norms is PRE_NORM, dtype=dtype)  # fmt: skip
    if norms is POST_NORM:
        theirs.encoder.norm = theirs.decoder.norm = None
    randomize(theirs)
    state = translate(torchs.cut(theirs.state_dict()), torchs.TABLE, like=torchs.stacks(ours.state_dict()))
    said = ours.load_state_dict(state, strict=False)
    assert set(said.missing_keys) == {"token.weight"} and not said.unexpected_keys
    return theirs


def run_torch(theirs, ours, source, target, real):
    """Their stacks between our embedding and our head, with the masks that they ask for: True is "may not look"."""
    tokens = target.shape[1]
    past = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    hidden = theirs(ours.embed(source), ours.embed(target), tgt_mask=past, src_key_padding_mask=source == 0,
                    memory_key_padding_mask=source == 0, tgt_key_padding_mask=~real)  # fmt: skip
    return F.linear(hidden, ours.token.weight)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("norms", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_agrees_with_torchs_own(config, norms, dtype):
    ours = randomize(Transformer(config, norms=norms).to(dtype), seed=4)
    theirs = torch_twin(ours, norms, dtype)
    source, target, real = texts(config)
    for training in (True, False):
        ours.train(training), theirs.train(training)
        mine, other = ours(source, target), run_torch(theirs, ours, source, target, real)
        scale = float(other.detach().abs().max())
        assert_close(mine[real], other[real], atol=TOLERANCE[dtype] * scale, rtol=0)
    theirs.train(), ours.train()
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(3), dtype=dtype) * real[..., None]
    (ours(source, target) * weight).sum().backward()
    own = ours.token.weight.grad.clone()
    ours.token.weight.grad = None
    (run_torch(theirs, ours, source, target, real) * weight).sum().backward()
    gradients = translate(torchs.cut({name: p.grad for name, p in theirs.named_parameters()}), torchs.TABLE)
    assert gradients.keys() == torchs.stacks(ours.state_dict()).keys()
    assert_gradients(gradients, ours, TOLERANCE[dtype])
    scale = float(own.abs().max())
    assert_close(own, ours.token.weight.grad, atol=TOLERANCE[dtype] * scale, rtol=0)


def test_the_published_norms_are_not_the_other_ones():
    """The three are different functions of the same weights: parity with one is not parity with another."""
    ours = {name: randomize(Transformer(TOY, norms=norms)) for name, norms in NORMS.items()}
    source, target, _ = texts(TOY)
    shared = ours["as published"].state_dict()
    answers = []
    for model in ours.values():
        model.load_state_dict(model.state_dict() | shared)
        answers.append(model(source, target))
    assert not any(torch.allclose(answers[i], answers[j], atol=1e-3) for i, j in ((0, 1), (0, 2), (1, 2)))


# ------------------------------------------------------------------------------------------------------------ Marian


def marian_model(config, dtype=torch.float32, **changes):
    """transformers' Marian at this size, everything random, its bias of the logits too."""
    transformers = pytest.importorskip("transformers")
    settings = {
        "vocab_size": config.vocab, "d_model": config.width, "max_position_embeddings": config.context,
        "encoder_layers": config.depth, "decoder_layers": config.depth,
        "encoder_attention_heads": config.heads, "decoder_attention_heads": config.heads,
        "encoder_ffn_dim": config.hidden, "decoder_ffn_dim": config.hidden,
        "dropout": 0.0, "activation_function": "swish", "scale_embedding": True,
        "pad_token_id": config.padding, "decoder_start_token_id": config.start, "eos_token_id": config.end,
        "forced_eos_token_id": config.end,
    }  # fmt: skip
    model = transformers.MarianMTModel(transformers.MarianConfig(**settings | changes)).to(dtype)
    positions = model.model.encoder.embed_positions.weight.detach().clone()
    randomize(model)
    with torch.no_grad():
        for side in (model.model.encoder, model.model.decoder):
            side.embed_positions.weight.copy_(positions)
    model.final_logits_bias.copy_(torch.randn(1, config.vocab, generator=torch.Generator().manual_seed(5)))
    return model.train()


def marian_pair(config, dtype=torch.float32, activation=F.silu, **changes):
    theirs = marian_model(config, dtype, **changes)
    ours = Transformer(config, activation=activation, positions=halved, head_bias=True).to(dtype)
    state = marian.checked(marian.plain_names(theirs.state_dict()), ours.position.float())
    ours.load_state_dict(translate(state, marian.TABLE, like=ours.state_dict()))
    return ours, theirs


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_agrees_with_marian(config, dtype):
    ours, theirs = marian_pair(config, dtype)
    source, target, real = texts(config)

    def other():
        return theirs(source, attention_mask=(source != 0).long(), decoder_input_ids=target, use_cache=False).logits

    for training in (False, True):
        ours.train(training), theirs.train(training)
        mine, reference = ours(source, target), other()
        scale = float(reference.detach()[real].abs().max())
        assert_close(mine[real], reference[real], atol=TOLERANCE[dtype] * scale, rtol=0)
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(3), dtype=dtype) * real[..., None]
    (mine * weight).sum().backward()
    (reference * weight).sum().backward()
    found = {name: p.grad for name, p in theirs.named_parameters() if "embed_positions" not in name}
    gradients = translate(marian.plain_names(found), marian.TABLE)
    assert gradients.keys() == dict(ours.named_parameters()).keys() - {"bias"}  # a buffer there
    # Theirs gives the embedding of padding no gradient where it is read, ours passes none to it by the masks.
    assert_gradients(gradients, ours, TOLERANCE[dtype])


@pytest.mark.parametrize("activation", marian.ACTIVATIONS.values(), ids=marian.ACTIVATIONS)
def test_every_activation_is_the_one_of_that_name(activation):
    name = next(name for name, function in marian.ACTIVATIONS.items() if function is activation)
    ours, theirs = marian_pair(TOY, activation=activation, activation_function=name)
    source, target, real = texts(TOY)
    reference = theirs(source, attention_mask=(source != 0).long(), decoder_input_ids=target).logits
    assert_close(ours(source, target)[real], reference[real], atol=1e-4, rtol=1e-5)


def test_reads_the_folder_that_transformers_writes(tmp_path):
    """With OPUS-MT's habit of beginning a translation with the padding token."""
    config = replace(TOY, padding=59, start=59, end=0)
    theirs = marian_model(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = Transformer.from_pretrained(tmp_path).eval()
    assert ours.config == config
    source, target, _ = texts(replace(TOY, vocab=59))
    source, target = source.masked_fill(source == 0, 59), torch.cat([torch.full((3, 1), 59), target], 1)
    reference = theirs(source, attention_mask=(source != 59).long(), decoder_input_ids=target).logits
    assert_close(ours(source, target), reference, atol=1e-4, rtol=1e-5)


def test_transformers_reads_what_we_write(tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = randomize(Transformer(TOY, positions=halved, head_bias=True)).eval()
    ours.save_pretrained(tmp_path)
    theirs, said = transformers.MarianMTModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(said[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    source, target, real = texts(TOY)
    reference = theirs(source, attention_mask=(source != 0).long(), decoder_input_ids=target).logits
    assert_close(ours(source, target)[real], reference[real], atol=1e-5, rtol=1e-5)
    again = Transformer.from_pretrained(tmp_path).eval()
    assert again.config == ours.config and torch.equal(again(source, target), ours(source, target))


def test_a_model_without_a_bias_is_one_with_zeros(tmp_path):
    ours = randomize(Transformer(TOY, positions=halved)).eval()
    ours.save_pretrained(tmp_path)
    source, target, _ = texts(TOY)
    assert torch.equal(Transformer.from_pretrained(tmp_path).eval()(source, target), ours(source, target))


@pytest.mark.parametrize(
    "change",
    [
        {"scale_embedding": False},
        {"activation_function": "gelu_new"},
        {"share_encoder_decoder_embeddings": False},
        {"decoder_layers": 1},
        {"decoder_ffn_dim": 48},
        {"decoder_attention_heads": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_config_that_we_would_get_wrong_is_refused_and_would_have_been_wrong(change):
    config = TOY
    theirs = marian_model(config, torch.float64, **change).eval()
    with pytest.raises(WorldError, match=next(iter(change))):
        marian.settings_from(theirs.config.to_dict())
    ours = Transformer(config, activation=F.silu, positions=halved, head_bias=True).double().eval()
    try:
        state = marian.checked(marian.plain_names(theirs.state_dict()), ours.position.float())
        ours.load_state_dict(translate(state, marian.TABLE, like=ours.state_dict()))
    except WorldError:
        return
    source, target, real = texts(config)
    reference = theirs(source, attention_mask=(source != 0).long(), decoder_input_ids=target).logits
    assert not torch.allclose(ours(source, target)[real], reference[real], atol=1e-8)


def test_the_table_is_read_in_both_directions():
    ours, theirs = marian_pair(TOY)
    back = untranslate(ours.state_dict(), marian.TABLE)
    state = marian.checked(marian.plain_names(theirs.state_dict()), ours.position)
    assert back.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(back[name], tensor), name
