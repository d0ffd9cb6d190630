"""Marian's translators (OPUS-MT and their kin) in Hugging Face's files: the names of their tensors, the meaning of `config.json`.

Marian is the Transformer of 2017 with a bias on the logits, another smooth activation and the sines before the cosines.
Its translations begin with the padding token, which is why `start` and `padding` are the same there.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from learnable.errors import CallError, WorldError
from learnable.weights.table import Change, Row, State, join, same

row = Change(lambda tensor: tensor[0], lambda tensor: tensor[None])  # theirs is a matrix of one row

TABLE = [
    #   theirs                                                           ours                                    change
    Row("shared.weight",                                                 "token.weight",                         same),
    Row("final_logits_bias",                                             "bias",                                 row),
    *(new for side in ("encoder", "decoder") for new in (
        Row(tuple(f"{side}.layers.#.self_attn.{x}_proj.weight" for x in "qkv"), f"{side}.#.attention.to_qkv.weight", join(3)),
        Row(tuple(f"{side}.layers.#.self_attn.{x}_proj.bias" for x in "qkv"),   f"{side}.#.attention.to_qkv.bias",   join(3)),
        Row(f"{side}.layers.#.self_attn.out_proj.weight",                f"{side}.#.attention.to_out.weight",    same),
        Row(f"{side}.layers.#.self_attn.out_proj.bias",                  f"{side}.#.attention.to_out.bias",      same),
        Row(f"{side}.layers.#.self_attn_layer_norm.weight",              f"{side}.#.add_norm1.norm.weight",      same),
        Row(f"{side}.layers.#.self_attn_layer_norm.bias",                f"{side}.#.add_norm1.norm.bias",        same),
        Row(f"{side}.layers.#.fc1.weight",                               f"{side}.#.mlp.up.weight",              same),
        Row(f"{side}.layers.#.fc1.bias",                                 f"{side}.#.mlp.up.bias",                same),
        Row(f"{side}.layers.#.fc2.weight",                               f"{side}.#.mlp.down.weight",            same),
        Row(f"{side}.layers.#.fc2.bias",                                 f"{side}.#.mlp.down.bias",              same),
    )),
    Row("encoder.layers.#.final_layer_norm.weight",                      "encoder.#.add_norm2.norm.weight",      same),
    Row("encoder.layers.#.final_layer_norm.bias",                        "encoder.#.add_norm2.norm.bias",        same),
    *(new for x, ours in (("q", "to_query"), ("k", "to_key"), ("v", "to_value")) for new in (
        Row(f"decoder.layers.#.encoder_attn.{x}_proj.weight",            f"decoder.#.cross_attention.{ours}.weight", same),
        Row(f"decoder.layers.#.encoder_attn.{x}_proj.bias",              f"decoder.#.cross_attention.{ours}.bias",   same),
    )),
    Row("decoder.layers.#.encoder_attn.out_proj.weight",                 "decoder.#.cross_attention.to_out.weight",   same),
    Row("decoder.layers.#.encoder_attn.out_proj.bias",                   "decoder.#.cross_attention.to_out.bias",     same),
    Row("decoder.layers.#.encoder_attn_layer_norm.weight",               "decoder.#.add_norm2.norm.weight",      same),
    Row("decoder.layers.#.encoder_attn_layer_norm.bias",                 "decoder.#.add_norm2.norm.bias",        same),
    Row("decoder.layers.#.final_layer_norm.weight",                      "decoder.#.add_norm3.norm.weight",      same),
    Row("decoder.layers.#.final_layer_norm.bias",                        "decoder.#.add_norm3.norm.bias",        same),
]  # fmt: skip

POSITIONS = ("encoder.embed_positions.weight", "decoder.embed_positions.weight")
COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight")  # of shared.weight

# What their config may ask for, and the only answers that our Transformer has. A key that is absent has the first one.
ANSWERS: dict[str, tuple[Any, ...]] = {
    "share_encoder_decoder_embeddings": (True,),
    "tie_word_embeddings":              (True,),
    "static_position_embeddings":       (True,),
    "is_encoder_decoder":               (True,),
    "normalize_before":                 (False,),
    "normalize_embedding":              (False,),
    "add_final_layer_norm":             (False,),
    "extra_pos_embeddings":             (0,),
    "attention_dropout":                (0.0,),
    "activation_dropout":               (0.0,),
    "encoder_layerdrop":                (0.0,),
    "decoder_layerdrop":                (0.0,),
}  # fmt: skip

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"swish": F.silu, "silu": F.silu, "relu": F.relu, "gelu": F.gelu}

# Ours, and theirs: where they have two, one for each side, both have to be the same.
SIZES = {
    "depth": ("encoder_layers", "decoder_layers"),
    "width": ("d_model",),
    "heads": ("encoder_attention_heads", "decoder_attention_heads"),
    "hidden": ("encoder_ffn_dim", "decoder_ffn_dim"),
    "vocab": ("vocab_size",),
    "context": ("max_position_embeddings",),
}
TOKENS = {"padding": "pad_token_id", "start": "decoder_start_token_id", "end": "eos_token_id"}


def settings_from(config: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[Tensor], Tensor]]:
    """The settings of `TransformerConfig` out of their `config.json`, and the activation.

    Raises:
        WorldError: it is no Marian, lacks a size, or asks for something that our Transformer does not do.
    """
    kind = config.get("model_type")
    if kind != "marian":
        raise WorldError(f"expected model_type 'marian' in config.json, came {kind!r}: this is another architecture, which "
                         "Transformer cannot load")  # fmt: skip
    settings: dict[str, Any] = {}
    for ours, names in SIZES.items():
        values = [config.get(name) for name in names]
        for name, value in zip(names, values, strict=True):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise WorldError(f"expected a whole number of at least 1 for {name} in config.json, came {value!r}")
        if len(set(values)) > 1:
            raise WorldError(f"config.json has {names[0]} = {values[0]} and {names[1]} = {values[1]}; our Transformer has the "
                             "same number on both sides")  # fmt: skip
        settings[ours] = values[0]
    for ours, name in TOKENS.items():
        value = config.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < settings["vocab"]:
            raise WorldError(
                f"expected a token from 0 to {settings['vocab'] - 1} for {name} in config.json, came {value!r}"
            )
        settings[ours] = value
    if settings["width"] % settings["heads"] or settings["width"] % 2:
        raise WorldError(
            f"config.json: d_model {settings['width']} cannot be divided among {settings['heads']} heads, or is odd"
        )
    if config.get("decoder_vocab_size", settings["vocab"]) not in (None, settings["vocab"]):
        raise WorldError(f"config.json has decoder_vocab_size = {config['decoder_vocab_size']} and vocab_size = "
                         f"{settings['vocab']}; our Transformer has one vocabulary for both languages")  # fmt: skip
    if config.get("scale_embedding") is not True:  # their default differs from that of every file
        raise WorldError(f"config.json asks for scale_embedding = {config.get('scale_embedding')!r}; our Transformer does "
                         "True alone, and its output would be wrong without a word")  # fmt: skip
    for key, answers in ANSWERS.items():
        if config.get(key, answers[0]) not in answers:
            raise WorldError(f"config.json asks for {key} = {config[key]!r}; our Transformer does {answers[0]!r} alone, "
                             "and its output would be wrong without a word")  # fmt: skip
    dropout = config.get("dropout", 0.1)
    if not isinstance(dropout, int | float) or isinstance(dropout, bool) or not 0 <= dropout < 1:
        raise WorldError(f"expected a dropout of 0 to under 1 in config.json, came {dropout!r}")
    settings["dropout"] = float(dropout)
    name = config.get("activation_function", "gelu")
    if name not in ACTIVATIONS:
        raise WorldError(f"config.json asks for activation_function = {name!r}; our Transformer does "
                         f"{', '.join(ACTIVATIONS)}")  # fmt: skip
    return settings, ACTIVATIONS[name]


def config_json(
    settings: Mapping[str, Any], activation: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> dict[str, Any]:
    """Their `config.json` for our settings.

    Raises:
        CallError: an activation that has no name there.
    """
    name = next((name for name, function in ACTIVATIONS.items() if function is activation), None)
    if name is None:
        raise CallError(f"expected one of the activations {', '.join(ACTIVATIONS)}, which have a name in config.json, came "
                        f"{getattr(activation, '__name__', activation)}")  # fmt: skip
    return {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        **{name: settings[ours] for ours, names in SIZES.items() for name in names},
        **{name: settings[ours] for ours, name in TOKENS.items()},
        **{key: answers[0] for key, answers in ANSWERS.items()},
        "scale_embedding": True,
        "decoder_vocab_size": settings["vocab"],
        "activation_function": name,
        "dropout": settings["dropout"],
        "bos_token_id": None,
        "forced_eos_token_id": settings["end"],
        "dtype": str(dtype).removeprefix("torch."),
    }


def plain_names(state: State) -> dict[str, Tensor]:
    """Their tensors without the prefix `model.`, and without the copies of the shared embedding.

    Raises:
        WorldError: a copy that is none: this model was trained with separate embeddings.
    """
    plain = {name.removeprefix("model."): tensor for name, tensor in state.items()}
    copies = {name: plain.pop(name) for name in COPIES if name in plain}
    if "shared.weight" not in plain and copies:
        plain["shared.weight"] = next(iter(copies.values()))
    for name, tensor in copies.items():
        if tensor.shape != plain["shared.weight"].shape or not torch.equal(tensor, plain["shared.weight"]):
            raise WorldError(f"{name} differs from shared.weight: this model has separate embeddings, and our Transformer has "
                             "one for source, target and head")  # fmt: skip
    return plain


def checked(state: State, position: Tensor) -> dict[str, Tensor]:
    """Their tensors without the tables of positions, which some files have, once these are seen to be what we compute.

    Raises:
        WorldError: they are not.
    """
    for name in POSITIONS:
        table = state.get(name)
        if table is not None and (
            table.shape != position.shape or not torch.allclose(table.float(), position, atol=1e-2)
        ):
            raise WorldError(f"{name} is not the table of sines and cosines that this model adds; was it trained?")
    return {name: tensor for name, tensor in state.items() if name not in POSITIONS}
