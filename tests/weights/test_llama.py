import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from learnable.errors import WorldError
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.ops.rotary import DynamicScaling, LinearScaling, Llama3Scaling, YarnScaling
from learnable.weights.llama import config_json, plain_names, settings_from

CONFIG = LlamaConfig(depth=2, width=16, heads=4, key_heads=2, hidden=24, vocab=11, context=8)
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4}


def said(config=CONFIG, **changes):
    whole = config_json({**asdict(config), "scaling": config.scaling}, torch.float32) | changes
    return {key: value for key, value in whole.items() if value != "absent"}


@pytest.mark.parametrize("config", [
    CONFIG,
    replace(CONFIG, tied=True, eps=1e-3, base=5e5, own_head_width=6),
    replace(CONFIG, window=3),
    replace(CONFIG, biases=True),
    replace(CONFIG, biases=True, window=3),
    replace(CONFIG, scaling=LinearScaling(2.5)),
    replace(CONFIG, scaling=DynamicScaling(2.0, context=4)),
    replace(CONFIG, scaling=YarnScaling(2.0, context=4, fast=16.0, slow=2.0, whole=False, attention=1.2)),
    replace(CONFIG, scaling=Llama3Scaling(8.0, context=4)),
], ids=str)  # fmt: skip
def test_settings_go_there_and_back(config):
    assert LlamaConfig(**settings_from(json.loads(json.dumps(said(config))))) == config


def test_it_becomes_the_kind_that_has_what_it_needs():
    assert said()["model_type"] == "llama"
    assert said(replace(CONFIG, window=3))["model_type"] == "mistral"
    assert said(replace(CONFIG, biases=True))["model_type"] == "qwen2"


@pytest.mark.parametrize("changes, message", [
    ({"model_type": "gpt2"}, "expected model_type llama, mistral, qwen2 .* came 'gpt2'"),
    ({"model_type": "absent"}, "came None"),
    ({"hidden_act": "gelu"}, "hidden_act = 'gelu'; our Llama does 'silu' alone"),
    ({"attention_bias": True}, "attention_bias = True"),
    ({"mlp_bias": True}, "mlp_bias = True"),
    ({"quantization_config": {"bits": 4}}, "quantization_config"),
    ({"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5"),
    ({"num_hidden_layers": "absent"}, "num_hidden_layers in config.json, came None"),
    ({"vocab_size": 0}, "at least 1 for vocab_size"),
    ({"hidden_size": True}, "hidden_size in config.json, came True"),
    ({"hidden_size": 18}, "hidden_size 18 cannot be divided among num_attention_heads 4"),
    ({"num_key_value_heads": 3}, "4 cannot share num_key_value_heads 3"),
    ({"rms_norm_eps": -1}, "above 0 for rms_norm_eps"),
    ({"rope_theta": "big"}, "above 0 for rope_theta in config.json, came 'big'"),
    ({"tie_word_embeddings": 1}, "true or false for tie_word_embeddings"),
    ({"rope_scaling": {"rope_type": "longrope", "factor": 2.0}}, "rope_type 'longrope'; our Llama knows linear, dynamic"),
    ({"rope_scaling": {"type": "mrope", "mrope_section": [1, 2]}}, "'mrope'"),
    ({"rope_scaling": {"rope_type": "linear"}}, "number for factor in config.json's linear scaling, came none"),
    ({"rope_scaling": {"rope_type": "linear", "factor": "two"}}, "came 'two'"),
    ({"rope_scaling": {"rope_type": "linear", "factor": -2.0}}, "linear scaling: expected numbers above 0"),
    ({"rope_scaling": YARN | {"new_idea": 1}}, "yarn scaling has new_idea"),
    ({"rope_scaling": YARN | {"partial_rotary_factor": 0.5}}, "partial_rotary_factor = 0.5"),
    ({"rope_scaling": [1, 2]}, "expected an object of numbers"),
    ({"rope_parameters": {"full_attention": YARN}}, "expected an object of numbers"),
])  # fmt: skip
def test_a_config_that_is_not_ours_is_refused(changes, message):
    with pytest.raises(WorldError, match=message):
        settings_from(said(**changes))


@pytest.mark.parametrize("changes, window", [
    ({"model_type": "mistral"}, 4096),
    ({"model_type": "mistral", "sliding_window": None}, None),
    ({"model_type": "mistral", "sliding_window": 7, "layer_types": ["sliding_attention"] * 2}, 7),
    ({"model_type": "qwen2", "sliding_window": 7}, None),
    ({"model_type": "qwen2", "sliding_window": 7, "use_sliding_window": True, "max_window_layers": 0}, 7),
    ({"model_type": "qwen2", "sliding_window": 7, "use_sliding_window": True, "max_window_layers": 2}, None),
    ({"model_type": "qwen2", "sliding_window": 7, "use_sliding_window": True}, None),  # by default, the first 28 have none
])  # fmt: skip
def test_how_far_one_may_look_back(changes, window):
    assert settings_from(said(**changes))["window"] == window


def test_layers_that_differ_are_refused():
    changes = {"model_type": "qwen2", "sliding_window": 7, "use_sliding_window": True, "max_window_layers": 1}
    with pytest.raises(WorldError, match="one window for all"):
        settings_from(said(**changes))


@pytest.mark.parametrize("kinds", [["full_attention"] * 2, ["full_attention", "sliding_attention"]])
def test_a_window_and_layers_that_have_none_are_a_contradiction(kinds):
    """transformers' Mistral goes by the window alone."""
    with pytest.raises(WorldError, match="two things of how far"):
        settings_from(said(model_type="mistral", sliding_window=4, layer_types=kinds))


def test_two_ways_of_scaling_positions_are_a_contradiction():
    linear = {"rope_type": "linear", "factor": 3.0}
    assert settings_from(said(rope_parameters=linear, rope_scaling={"type": "linear", "factor": 3.0}))["scaling"]
    for other in ({"rope_type": "default"}, {"rope_type": "linear", "factor": 2.0}):
        with pytest.raises(WorldError, match="two things of the rotary positions"):
            settings_from(said(rope_parameters=other, rope_scaling=linear))


def test_what_an_absent_key_means_differs_by_kind():
    bare = {"num_key_value_heads": "absent", "hidden_size": 64, "num_attention_heads": 32}
    assert settings_from(said(**bare))["key_heads"] == 32
    assert settings_from(said(model_type="mistral", **bare))["key_heads"] == 8
    assert settings_from(said(model_type="qwen2", **bare))["key_heads"] == 32
    assert settings_from(said(rms_norm_eps="absent", rope_theta="absent"))["eps"] == 1e-6


def test_the_old_and_the_new_form_of_rotary_positions():
    new = said(rope_theta="absent", rope_scaling="absent", rope_parameters=YARN | {"rope_theta": 777.0})
    old = said(rope_theta=777.0, rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4,
                                               "finetuned": True})  # fmt: skip
    assert settings_from(new) == settings_from(old)
    assert settings_from(new)["base"] == 777.0 and settings_from(new)["scaling"] == YarnScaling(4.0, context=4)


def test_yarn_s_magnitude_by_two_weights():
    """As DeepSeek's files say it; equal ones cancel."""
    even = settings_from(said(rope_scaling=YARN | {"mscale": 0.7, "mscale_all_dim": 0.7}))["scaling"]
    assert even.magnitude == pytest.approx(1.0)


def test_a_tied_head_that_is_another_matrix_is_refused():
    token = torch.randn(3, 2)
    assert set(plain_names({"model.embed_tokens.weight": token, "lm_head.weight": token.clone()}, tied=True)) == {
        "model.embed_tokens.weight"
    }
    assert len(plain_names({"model.embed_tokens.weight": token, "lm_head.weight": token}, tied=False)) == 2
    with pytest.raises(WorldError, match="which of them is meant"):
        plain_names({"model.embed_tokens.weight": token, "lm_head.weight": token + 1}, tied=True)


@pytest.mark.parametrize("change, message", [
    (lambda state: state.pop("lm_head.weight"), "there is no lm_head.weight, the head, .* AutoModelForCausalLM, which has one"),
    (lambda state: state.pop("model.norm.weight"), r"missing: model.norm.weight of shape \(16,\)"),
    (lambda state: state.update({"model.layers.7.mlp.up_proj.weight": torch.zeros(1)}), r"not expected: model.layers.7.mlp"),
    (lambda state: state.update({"model.norm.weight": torch.zeros(5)}), r"model.norm.weight: expected shape \(16,\), came"),
    (lambda state: state.update({"model.layers.0.self_attn.q_proj.bias": torch.zeros(16)}), "not expected: .*q_proj.bias"),
])  # fmt: skip
def test_tensors_that_do_not_fit_are_named(tmp_path, change, message):
    torch.manual_seed(0)
    Llama(CONFIG).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    change(state)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(WorldError, match=message):
        Llama.from_pretrained(tmp_path)


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_names_without_the_prefix(tmp_path, tied, head):
    torch.manual_seed(0)
    ours = Llama(replace(CONFIG, tied=tied))
    ours.save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["lm_head.weight"] = state.get("lm_head.weight", state["model.embed_tokens.weight"]).clone()
    state = {name.removeprefix("model."): tensor for name, tensor in state.items() if head or name != "lm_head.weight"}
    save_file(state, tmp_path / "model.safetensors")
    if tied or head:
        tokens = torch.tensor([[1, 2, 3]])
        assert torch.equal(Llama.from_pretrained(tmp_path)(tokens), ours(tokens))
    else:
        with pytest.raises(WorldError, match="there is no lm_head.weight, the head, and config.json does not tie it"):
            Llama.from_pretrained(tmp_path)
