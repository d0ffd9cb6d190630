import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from learnable.errors import WorldError
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.weights.gpt import config_json, plain_names, settings_from

CONFIG = GPTConfig(depth=2, width=16, heads=2, vocab=11, context=8)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    GPT(CONFIG).save_pretrained(tmp_path)
    return tmp_path


def edit(folder, **changes):
    file = folder / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value != "absent"}))


def test_settings_go_there_and_back():
    settings = {"depth": 2, "width": 16, "heads": 2, "vocab": 11, "context": 8}
    assert settings_from(config_json(settings, torch.float32)) == settings


def test_what_ends_a_text_is_known_of_the_published_vocabulary_alone():
    for vocab, end in ((50257, 50256), (11, None)):
        written = config_json({"depth": 2, "width": 16, "heads": 2, "vocab": vocab, "context": 8}, torch.float32)
        assert written["bos_token_id"] == written["eos_token_id"] == end


def test_the_file_has_their_shapes(folder):
    """Their matrices are (in, out). Ours are turned on the way out and on the way in, which no round trip would show."""
    state = load_file(folder / "model.safetensors")
    shapes = {
        name.removeprefix("transformer.h.0."): tuple(tensor.shape) for name, tensor in state.items() if ".h.0." in name
    }
    assert shapes["attn.c_attn.weight"] == (16, 48)
    assert shapes["mlp.c_fc.weight"] == (16, 64)
    assert shapes["mlp.c_proj.weight"] == (64, 16)
    ours = GPT.from_pretrained(folder).blocks[0].attention.to_out.weight
    assert torch.equal(state["transformer.h.0.attn.c_proj.weight"], ours.t())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "llama"}, "expected model_type 'gpt2'.* came 'llama'"),
        ({"activation_function": "gelu"}, "activation_function = 'gelu'; our GPT does 'gelu_new' alone"),
        ({"n_inner": 100}, "n_inner 100; our GPT has 4 x n_embd = 64"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx = True"),
        ({"scale_attn_weights": False}, "scale_attn_weights = False"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon = 1e-06"),
        ({"add_cross_attention": True}, "add_cross_attention = True"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings = False"),
        ({"n_layer": "absent"}, "whole number of at least 1 for n_layer .* came None"),
        ({"n_embd": "16"}, "for n_embd .* came '16'"),
        ({"vocab_size": -1}, "for vocab_size .* came -1"),
        ({"n_head": 3}, "n_embd 16 cannot be divided among n_head 3"),
        ({"n_layer": 3}, r"missing: h.2.ln_1.weight of shape \(16,\)"),
        ({"n_layer": 1}, r"not expected: h.1.ln_1.weight"),
        ({"n_positions": 9}, r"wpe.weight: expected shape \(9, 16\), came \(8, 16\)"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_config_that_is_not_ours_is_refused_with_the_reason(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(WorldError, match=message):
        GPT.from_pretrained(folder)


def test_keys_that_do_not_matter_or_have_their_usual_value_may_be_absent(folder):
    edit(
        folder,
        n_inner=64,
        activation_function="gelu_pytorch_tanh",
        scale_attn_weights="absent",
        dtype="absent",
        n_ctx=8,
    )
    assert GPT.from_pretrained(folder).config == CONFIG


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: s.pop("transformer.ln_f.bias"), r"missing: ln_f.bias of shape \(16,\)"),
        (lambda s: s.update({"transformer.h.0.adapter": torch.zeros(3)}), "not expected: h.0.adapter"),
        (lambda s: s.update({"transformer.wte.weight": torch.zeros(12, 16)}), r"wte.weight: expected shape \(11, 16\), came \(12, 16\)"),
        (lambda s: s.update({"lm_head.weight": torch.zeros(11, 16)}), "lm_head.weight differs from wte.weight"),
        (lambda s: s.update({"ln_f.bias": torch.zeros(16)}), "there twice"),
    ],
    ids=["missing", "extra", "another shape", "a head of its own", "twice"],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(folder, change, message):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")
    with pytest.raises(WorldError, match=message):
        GPT.from_pretrained(folder)


def test_a_file_with_the_head_alone_has_the_embedding_too():
    table = torch.randn(11, 16)
    assert torch.equal(plain_names({"lm_head.weight": table})["wte.weight"], table)


def test_a_file_whose_head_is_the_embedding_is_read(folder):
    state = load_file(folder / "model.safetensors")
    save_file(state | {"lm_head.weight": state["transformer.wte.weight"].clone()}, folder / "model.safetensors")
    assert torch.equal(GPT.from_pretrained(folder).token.weight, state["transformer.wte.weight"])


def test_loaded_weights_are_the_model_s_own(folder):
    """They are copied out of the mapped file: it may be replaced or cut while the model lives, and the model may learn."""
    model = GPT.from_pretrained(folder)
    tokens = torch.tensor([[1, 2, 3]])
    before = model(tokens)
    (folder / "model.safetensors").write_bytes(b"")
    assert torch.equal(model(tokens), before)
    assert all(
        parameter.requires_grad and parameter.is_contiguous() and parameter.is_leaf for parameter in model.parameters()
    )
    before.sum().backward()


def test_a_pickle_needs_to_be_asked_for(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    expected = GPT.from_pretrained(folder)(torch.tensor([[1, 2]]))
    (folder / "model.safetensors").unlink()
    with pytest.raises(WorldError, match="allow_pickle=True"):
        GPT.from_pretrained(folder)
    assert torch.equal(GPT.from_pretrained(folder, allow_pickle=True)(torch.tensor([[1, 2]])), expected)


def test_a_file_with_nan_is_read_with_a_warning(folder):
    state = load_file(folder / "model.safetensors")
    state["transformer.h.1.ln_2.bias"][3] = torch.nan
    save_file(state, folder / "model.safetensors")
    with pytest.warns(UserWarning, match=r"not finite .*: 1 of 16 in blocks\.1\.norm2\.bias\."):
        GPT.from_pretrained(folder)
