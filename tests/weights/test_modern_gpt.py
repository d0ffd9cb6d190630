import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from learnable.errors import WorldError
from learnable.models.language.modern_gpt import ModernGPT, ModernGPTConfig
from learnable.weights.modern_gpt import config_json, settings_from

CONFIG = ModernGPTConfig(depth=2, width=16, heads=2, vocab=11, context=8)
SETTINGS = {"depth": 2, "width": 16, "heads": 2, "vocab": 11, "context": 8}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    ModernGPT(CONFIG).save_pretrained(tmp_path)
    return tmp_path


def edit(folder, **changes):
    file = folder / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value != "absent"}))


def test_settings_go_there_and_back():
    assert settings_from(config_json(SETTINGS, torch.float32)) == SETTINGS


def test_what_is_not_said_is_as_published():
    said = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "vocab_size": 11}
    assert settings_from({**said, "max_position_embeddings": 8, "num_key_value_heads": None}) == SETTINGS


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "gpt2"}, "expected model_type 'nanochat'.* came 'gpt2'"),
        ({"hidden_act": "silu"}, "hidden_act = 'silu'; our ModernGPT does 'relu2' alone"),
        ({"intermediate_size": 100}, "intermediate_size = 100; our ModernGPT does 64 alone"),
        ({"num_key_value_heads": 1}, "num_key_value_heads = 1"),
        ({"head_dim": 4}, "head_dim = 4"),
        ({"rms_norm_eps": 1e-5}, "rms_norm_eps = 1e-05"),
        ({"final_logit_softcapping": None}, "final_logit_softcapping = None"),
        ({"attention_bias": True}, "attention_bias = True"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings = True"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 10_000.0}}, "rope_type = 'yarn'"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}, "rope_theta = 500.0"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling"),
        ({"num_hidden_layers": "absent"}, "whole number of at least 1 for num_hidden_layers .* came None"),
        ({"hidden_size": "16"}, "for hidden_size .* came '16'"),
        ({"vocab_size": -1}, "for vocab_size .* came -1"),
        ({"num_attention_heads": 3, "num_key_value_heads": 3}, "hidden_size 16 cannot be divided into even parts"),
        ({"num_hidden_layers": 3}, r"missing: model.layers.2.*"),
    ],
    ids=str,
)
def test_another_config_is_refused_by_name(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(WorldError, match=message):
        ModernGPT.from_pretrained(folder)


def test_tensors_that_do_not_fit_are_named(folder):
    file = folder / "model.safetensors"
    state = load_file(file)
    for change, message in (
        (lambda s: s.pop("lm_head.weight"), "unembed.weight|lm_head.weight"),
        (lambda s: s.update({"model.strange.weight": torch.zeros(2)}), "model.strange.weight"),
        (lambda s: s.update({"model.layers.0.mlp.fc1.weight": torch.zeros(3, 16)}), "mlp"),
    ):
        changed = dict(state)
        change(changed)
        save_file(changed, file, {"format": "pt"})
        with pytest.raises(WorldError, match=message):
            ModernGPT.from_pretrained(folder)


def test_half_precision_goes_there_and_back(tmp_path):
    ours = ModernGPT(CONFIG).to(torch.bfloat16)
    ours.save_pretrained(tmp_path)
    assert ModernGPT.from_pretrained(tmp_path).token.weight.dtype == torch.float32
    kept = ModernGPT.from_pretrained(tmp_path, dtype=None)
    assert all(torch.equal(kept.state_dict()[name], tensor) for name, tensor in ours.state_dict().items())
