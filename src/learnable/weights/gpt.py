"""GPT-2 in Hugging Face's files: the names of its tensors and the meaning of its `config.json`.

`c_attn`, `c_proj` and `c_fc` are layers that keep their matrix as (in, out), where `nn.Linear` has (out, in): hence `transpose`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from learnable.errors import WorldError
from learnable.weights.table import Row, State, same, transpose

TABLE = [
    #   theirs                     ours                                change
    Row("wte.weight",              "token.weight",                     same),
    Row("wpe.weight",              "position.weight",                  same),
    Row("h.#.ln_1.weight",         "blocks.#.norm1.weight",            same),
    Row("h.#.ln_1.bias",           "blocks.#.norm1.bias",              same),
    Row("h.#.attn.c_attn.weight",  "blocks.#.attention.to_qkv.weight", transpose),
    Row("h.#.attn.c_attn.bias",    "blocks.#.attention.to_qkv.bias",   same),
    Row("h.#.attn.c_proj.weight",  "blocks.#.attention.to_out.weight", transpose),
    Row("h.#.attn.c_proj.bias",    "blocks.#.attention.to_out.bias",   same),
    Row("h.#.attn.bias",           None,                               same),  # old files: the causal mask
    Row("h.#.attn.masked_bias",    None,                               same),  # old files: its minus infinity
    Row("h.#.ln_2.weight",         "blocks.#.norm2.weight",            same),
    Row("h.#.ln_2.bias",           "blocks.#.norm2.bias",              same),
    Row("h.#.mlp.c_fc.weight",     "blocks.#.mlp.up.weight",           transpose),
    Row("h.#.mlp.c_fc.bias",       "blocks.#.mlp.up.bias",             same),
    Row("h.#.mlp.c_proj.weight",   "blocks.#.mlp.down.weight",         transpose),
    Row("h.#.mlp.c_proj.bias",     "blocks.#.mlp.down.bias",           same),
    Row("ln_f.weight",             "norm.weight",                      same),
    Row("ln_f.bias",               "norm.bias",                        same),
]  # fmt: skip

# What their config may ask for, and the only answers that our GPT has. A key that is absent has the first one.
ANSWERS: dict[str, tuple[Any, ...]] = {
    "activation_function":             ("gelu_new", "gelu_pytorch_tanh"),
    "layer_norm_epsilon":              (1e-5,),
    "scale_attn_weights":              (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention":             (False,),
    "tie_word_embeddings":             (True,),
}  # fmt: skip

SIZES = {"depth": "n_layer", "width": "n_embd", "heads": "n_head", "vocab": "vocab_size", "context": "n_positions"}


def settings_from(config: Mapping[str, Any]) -> dict[str, int]:
    """The settings of `GPTConfig` out of their `config.json`.

    Raises:
        WorldError: it is no GPT-2, lacks a size, or asks for something that our GPT does not do.
    """
    kind = config.get("model_type", "gpt2")
    if kind != "gpt2":
        raise WorldError(f"expected model_type 'gpt2' in config.json, came {kind!r}: this is another architecture, which "
                         "GPT cannot load")  # fmt: skip
    settings = {}
    for ours, theirs in SIZES.items():
        value = config.get(theirs)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise WorldError(f"expected a whole number of at least 1 for {theirs} in config.json, came {value!r}")
        settings[ours] = value
    if settings["width"] % settings["heads"]:
        raise WorldError(f"config.json: n_embd {settings['width']} cannot be divided among n_head {settings['heads']}")
    inner = config.get("n_inner")
    if inner not in (None, 4 * settings["width"]):
        raise WorldError(
            f"config.json asks for n_inner {inner}; our GPT has 4 x n_embd = {4 * settings['width']} alone"
        )
    for key, answers in ANSWERS.items():
        if config.get(key, answers[0]) not in answers:
            raise WorldError(f"config.json asks for {key} = {config[key]!r}; our GPT does {answers[0]!r} alone, "
                             "and its output would be wrong without a word")  # fmt: skip
    return settings


def config_json(settings: Mapping[str, int], dtype: torch.dtype) -> dict[str, Any]:
    """Their `config.json` for our settings; dropout is 0, as it is in ours."""
    published = settings["vocab"] == 50257  # only there is the last token the end of a text
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        **{theirs: settings[ours] for ours, theirs in SIZES.items()},
        "n_inner": None,
        **{key: answers[0] for key, answers in ANSWERS.items()},
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": 50256 if published else None,
        "eos_token_id": 50256 if published else None,
        "dtype": str(dtype).removeprefix("torch."),
    }


def plain_names(state: State) -> dict[str, Tensor]:
    """Their tensors without the prefix `transformer.`, which some files have, and without the head, which is tied.

    Raises:
        WorldError: there is a head that is not the token embedding.
    """
    plain = {name.removeprefix("transformer."): tensor for name, tensor in state.items()}
    if len(plain) < len(state):
        raise WorldError(
            "some tensors are there twice, with and without the prefix 'transformer.'; save the model again"
        )
    head = plain.pop("lm_head.weight", None)
    if head is not None and "wte.weight" not in plain:
        plain["wte.weight"] = head
    elif head is not None and not _equal(head, plain["wte.weight"]):
        raise WorldError("lm_head.weight differs from wte.weight: this model's head was trained by itself, and ours is the "
                         "token embedding")  # fmt: skip
    return plain


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)
