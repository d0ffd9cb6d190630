"""nanochat in Hugging Face's files: the names of its tensors and the meaning of its `config.json`."""

from collections.abc import Mapping
from typing import Any

import torch

from learnable.errors import WorldError
from learnable.weights.table import Row, same

TABLE = [
    #   theirs                                     ours                                  change
    Row("model.embed_tokens.weight",               "token.weight",                       same),
    Row("model.layers.#.self_attn.q_proj.weight",  "blocks.#.attention.to_query.weight", same),
    Row("model.layers.#.self_attn.k_proj.weight",  "blocks.#.attention.to_key.weight",   same),
    Row("model.layers.#.self_attn.v_proj.weight",  "blocks.#.attention.to_value.weight", same),
    Row("model.layers.#.self_attn.o_proj.weight",  "blocks.#.attention.to_out.weight",   same),
    Row("model.layers.#.mlp.fc1.weight",           "blocks.#.mlp.up.weight",             same),
    Row("model.layers.#.mlp.fc2.weight",           "blocks.#.mlp.down.weight",           same),
    Row("lm_head.weight",                          "unembed.weight",                     same),
]  # fmt: skip

# What their config may ask for, and the only answer that our model has. A key that is absent has this one.
ANSWERS: dict[str, Any] = {
    "hidden_act": "relu2",
    "rms_norm_eps": 1e-6,
    "final_logit_softcapping": 15.0,
    "attention_bias": False,
    "tie_word_embeddings": False,
}

SIZES = {
    "depth": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "vocab": "vocab_size",
    "context": "max_position_embeddings",
}


def settings_from(config: Mapping[str, Any]) -> dict[str, int]:
    """The settings of `ModernGPTConfig` out of their `config.json`.

    Raises:
        WorldError: it is no nanochat, lacks a size, or asks for something that our model does not do.
    """
    kind = config.get("model_type", "nanochat")
    if kind != "nanochat":
        raise WorldError(f"expected model_type 'nanochat' in config.json, came {kind!r}: this is another architecture, which "
                         "ModernGPT cannot load")  # fmt: skip
    settings = {}
    for ours, theirs in SIZES.items():
        value = config.get(theirs)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise WorldError(f"expected a whole number of at least 1 for {theirs} in config.json, came {value!r}")
        settings[ours] = value
    width, heads = settings["width"], settings["heads"]
    if width % (2 * heads):
        raise WorldError(
            f"config.json: hidden_size {width} cannot be divided into even parts for num_attention_heads {heads}"
        )
    asked = {**config, **(config.get("rope_parameters") or {})}
    follows = {
        "intermediate_size": 4 * width,
        "num_key_value_heads": heads,
        "head_dim": width // heads,
        **ANSWERS,
        "rope_theta": 10_000.0,
        "rope_type": "default",
        "rope_scaling": None,
    }
    for key, answer in follows.items():
        came = asked.get(key, answer)
        if came != answer and not (came is None and key in ("num_key_value_heads", "head_dim")):  # None: what follows
            raise WorldError(f"config.json asks for {key} = {came!r}; our ModernGPT does {answer!r} alone, "
                             "and its output would be wrong without a word")  # fmt: skip
    return settings


def config_json(settings: Mapping[str, int], dtype: torch.dtype) -> dict[str, Any]:
    """Their `config.json` for our settings."""
    return {
        "architectures": ["NanoChatForCausalLM"],
        "model_type": "nanochat",
        **{theirs: settings[ours] for ours, theirs in SIZES.items()},
        "intermediate_size": 4 * settings["width"],
        "num_key_value_heads": settings["heads"],
        **ANSWERS,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        "dtype": str(dtype).removeprefix("torch."),
    }
