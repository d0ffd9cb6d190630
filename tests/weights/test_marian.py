import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from learnable.errors import CallError, WorldError
from learnable.models.language.transformer import Transformer, TransformerConfig, halved
from learnable.weights.marian import checked, config_json, plain_names, settings_from

CONFIG = TransformerConfig(depth=1, width=16, heads=2, hidden=24, vocab=11, context=8)
SETTINGS = {"depth": 1, "width": 16, "heads": 2, "hidden": 24, "vocab": 11, "context": 8, "dropout": 0.1,
            "padding": 0, "start": 1, "end": 2}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    Transformer(CONFIG, positions=halved, head_bias=True).save_pretrained(tmp_path)
    return tmp_path


def edit(folder, **changes):
    file = folder / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value != "absent"}))


def edit_tensors(folder, change):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", {"format": "pt"})


def test_settings_go_there_and_back():
    assert settings_from(config_json(SETTINGS, F.silu, torch.float32)) == (SETTINGS, F.silu)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "bart"}, "expected model_type 'marian'.* came 'bart'"),
        ({"activation_function": "tanh"}, "activation_function = 'tanh'"),
        ({"scale_embedding": False}, "scale_embedding = False"),
        ({"scale_embedding": "absent"}, "scale_embedding = None"),
        ({"normalize_before": True}, "normalize_before = True"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings = False"),
        ({"attention_dropout": 0.1}, "attention_dropout = 0.1"),
        ({"decoder_layers": 2}, "encoder_layers = 1 and decoder_layers = 2"),
        ({"decoder_vocab_size": 12}, "decoder_vocab_size = 12 and vocab_size = 11"),
        ({"d_model": "absent"}, "whole number of at least 1 for d_model .* came None"),
        ({"vocab_size": True}, "for vocab_size .* came True"),
        ({"pad_token_id": 11}, "token from 0 to 10 for pad_token_id .* came 11"),
        ({"encoder_attention_heads": 3, "decoder_attention_heads": 3}, "d_model 16 cannot be divided among 3 heads"),
        ({"dropout": 1}, "dropout of 0 to under 1"),
        ({"encoder_layers": 2, "decoder_layers": 2}, r"missing: encoder.layers.1.self_attn.q_proj.weight of shape \(16, 16\)"),
        ({"d_model": 18}, r"k_proj.bias: expected shape \(18,\), came \(16,\)"),
    ],
)  # fmt: skip
def test_a_config_that_is_not_ours_is_refused(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(WorldError, match=message):
        Transformer.from_pretrained(folder)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda state: state.pop("final_logits_bias"), r"missing: final_logits_bias of shape \(1, 11\)"),
        (lambda state: state.update({"encoder.layer_norm.weight": torch.ones(16)}), "not expected: encoder.layer_norm.weight"),
        (lambda state: state.update({"lm_head.weight": torch.ones(11, 16)}), "lm_head.weight differs from shared.weight"),
        (lambda state: state.update({"encoder.embed_positions.weight": torch.ones(8, 16)}), "not the table of sines"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(folder, change, message):
    edit_tensors(folder, change)
    with pytest.raises(WorldError, match=message):
        Transformer.from_pretrained(folder)


def test_copies_prefixes_and_positions_of_older_files_are_read(folder):
    plain = Transformer.from_pretrained(folder)

    def older(state):
        shared = state["shared.weight"].clone()
        for name in list(state):
            state[f"model.{name}" if name != "final_logits_bias" else name] = state.pop(name)
        for name in ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"):
            state[name] = shared.clone()
        for side in ("encoder", "decoder"):
            state[f"model.{side}.embed_positions.weight"] = halved(8, 16)

    edit_tensors(folder, older)
    again = Transformer.from_pretrained(folder)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_a_shared_embedding_may_be_missing_where_a_copy_is_there():
    state = {"model.encoder.embed_tokens.weight": torch.ones(3, 2)}
    assert list(plain_names(state)) == ["shared.weight"]


def test_tables_of_positions_in_half_precision_are_known_again():
    table = halved(8, 16)
    assert checked({"encoder.embed_positions.weight": table.half()}, table) == {}


def test_an_activation_without_a_name_is_refused():
    with pytest.raises(CallError, match="swish, silu, relu, gelu"):
        config_json(SETTINGS, torch.tanh, torch.float32)
