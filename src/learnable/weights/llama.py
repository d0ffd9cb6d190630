"""Llama and its kin in Hugging Face's files: the names of their tensors and the meaning of their `config.json`.

Three kinds of files describe one architecture: `llama`, `mistral` (with a window) and `qwen2` (with biases on queries, keys
and values). What a key means when it is absent differs between them, and is written down here as transformers has it.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from learnable.errors import CallError, WorldError
from learnable.ops.rotary import DynamicScaling, LinearScaling, Llama3Scaling, Scaling, YarnScaling
from learnable.weights.table import Row, State, same

TABLE = [
    #   theirs                                              ours                                  change
    Row("model.embed_tokens.weight",                        "token.weight",                       same),
    Row("model.layers.#.input_layernorm.weight",            "blocks.#.norm1.weight",              same),
    Row("model.layers.#.self_attn.q_proj.weight",           "blocks.#.attention.to_query.weight", same),
    Row("model.layers.#.self_attn.q_proj.bias",             "blocks.#.attention.to_query.bias",   same),
    Row("model.layers.#.self_attn.k_proj.weight",           "blocks.#.attention.to_key.weight",   same),
    Row("model.layers.#.self_attn.k_proj.bias",             "blocks.#.attention.to_key.bias",     same),
    Row("model.layers.#.self_attn.v_proj.weight",           "blocks.#.attention.to_value.weight", same),
    Row("model.layers.#.self_attn.v_proj.bias",             "blocks.#.attention.to_value.bias",   same),
    Row("model.layers.#.self_attn.o_proj.weight",           "blocks.#.attention.to_out.weight",   same),
    Row("model.layers.#.self_attn.rotary_emb.inv_freq",     None,                                 same),  # old files
    Row("model.layers.#.post_attention_layernorm.weight",   "blocks.#.norm2.weight",              same),
    Row("model.layers.#.mlp.gate_proj.weight",              "blocks.#.mlp.gate.weight",           same),
    Row("model.layers.#.mlp.up_proj.weight",                "blocks.#.mlp.up.weight",             same),
    Row("model.layers.#.mlp.down_proj.weight",              "blocks.#.mlp.down.weight",           same),
    Row("model.norm.weight",                                "norm.weight",                        same),
    Row("lm_head.weight",                                   "unembed.weight",                     same),
]  # fmt: skip

KINDS = ("llama", "mistral", "qwen2")

SIZES = {
    "depth": "num_hidden_layers", "width": "hidden_size", "heads": "num_attention_heads", "hidden": "intermediate_size",
    "vocab": "vocab_size", "context": "max_position_embeddings",
}  # fmt: skip

# What their config may ask for, and the only answers that our Llama has. A key that is absent has the first one.
ANSWERS: dict[str, tuple[Any, ...]] = {
    "hidden_act":            ("silu", "swish"),
    "attention_bias":        (False,),
    "mlp_bias":              (False,),
    "partial_rotary_factor": (1.0,),
    "quantization_config":   (None,),
}  # fmt: skip

# Their names of a scaling's numbers, and ours; those of the second table may be absent.
SCALINGS: dict[str, tuple[type, dict[str, str], dict[str, str]]] = {
    "linear":  (LinearScaling, {"factor": "factor"}, {}),
    "dynamic": (DynamicScaling, {"factor": "factor"}, {}),
    "yarn":    (YarnScaling, {"factor": "factor"},
                {"original_max_position_embeddings": "context", "beta_fast": "fast", "beta_slow": "slow",
                 "truncate": "whole", "attention_factor": "attention"}),
    "llama3":  (Llama3Scaling, {"factor": "factor", "low_freq_factor": "slow", "high_freq_factor": "fast"},
                {"original_max_position_embeddings": "context"}),
}  # fmt: skip

# What stands beside them: the kind, what is read elsewhere, and a remark that changes nothing.
BESIDE = {"type", "rope_type", "rope_theta", "partial_rotary_factor", "finetuned"}


def settings_from(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `LlamaConfig` out of their `config.json`.

    Raises:
        WorldError: it is another architecture, lacks a size, or asks for something that our Llama does not do.
    """
    kind = config.get("model_type")
    if kind not in KINDS:
        raise WorldError(f"expected model_type {', '.join(KINDS)} in config.json, came {kind!r}: this is another "
                         "architecture, which Llama cannot load")  # fmt: skip
    for key, answers in ANSWERS.items():
        if config.get(key, answers[0]) not in answers:
            raise WorldError(f"config.json asks for {key} = {config[key]!r}; our Llama does {answers[0]!r} alone, "
                             "and its output would be wrong without a word")  # fmt: skip
    settings: dict[str, Any] = {ours: _whole(config, theirs) for ours, theirs in SIZES.items()}
    absent = {"llama": settings["heads"], "mistral": 8, "qwen2": 32}[kind]
    settings["key_heads"] = _whole(config, "num_key_value_heads", absent)
    if config.get("head_dim") is not None:
        settings["own_head_width"] = _whole(config, "head_dim")
    elif settings["width"] % settings["heads"]:
        raise WorldError(f"config.json: hidden_size {settings['width']} cannot be divided among num_attention_heads "
                         f"{settings['heads']}")  # fmt: skip
    if settings["heads"] % settings["key_heads"]:
        raise WorldError(f"config.json: num_attention_heads {settings['heads']} cannot share num_key_value_heads "
                         f"{settings['key_heads']} evenly")  # fmt: skip
    settings["eps"] = _number(config, "rms_norm_eps", 1e-6)
    settings["tied"] = _truth(config, "tie_word_embeddings")
    settings["biases"] = kind == "qwen2"
    settings["window"] = _window(config, kind, settings["depth"])
    rotary = _rotary(config)
    settings["base"] = _number(rotary, "rope_theta", 10_000.0)
    settings["scaling"] = _scaling(rotary, settings["context"])
    if isinstance(settings["scaling"], DynamicScaling):  # their context is then that of the training
        settings["context"] = int(settings["context"] * settings["scaling"].factor)
    return settings


def config_json(settings: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """Their `config.json` for our settings; which tokens begin and end a text is for the tokenizer to say."""
    kind = "qwen2" if settings["biases"] else "mistral" if settings["window"] is not None else "llama"
    scaling: Scaling | None = settings["scaling"]
    window: dict[str, Any] = {}
    if kind == "mistral":
        window = {"sliding_window": settings["window"]}
    elif kind == "qwen2":
        window = {
            "use_sliding_window": settings["window"] is not None,
            "sliding_window": settings["window"],
            "max_window_layers": 0 if settings["window"] is not None else settings["depth"],
        }
    sizes = {theirs: settings[ours] for ours, theirs in SIZES.items()}
    if isinstance(scaling, DynamicScaling):
        sizes["max_position_embeddings"] = scaling.context
    biases = {"attention_bias": False, "mlp_bias": False} if kind == "llama" else {}
    return {
        "architectures": [{"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM"}[kind]],
        "model_type": kind,
        **sizes,
        "num_key_value_heads": settings["key_heads"],
        **({} if settings["own_head_width"] is None else {"head_dim": settings["own_head_width"]}),
        "hidden_act": "silu",
        "rms_norm_eps": settings["eps"],
        "tie_word_embeddings": settings["tied"],
        "rope_theta": settings["base"],
        "rope_scaling": _rope_scaling(scaling),
        **window,
        **biases,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": str(dtype).removeprefix("torch."),
    }  # fmt: skip


def plain_names(state: State, tied: bool) -> dict[str, Tensor]:
    """Their tensors with the prefix `model.`, which a `LlamaModel` saved by itself lacks, and without a head that is the token
    embedding again.

    Raises:
        WorldError: the config says that the head is tied, and it is another matrix; or that it is not, and there is none.
    """
    plain = dict(state)
    if not any(name.startswith("model.") for name in state):
        plain = {name if name.startswith("lm_head.") else f"model.{name}": tensor for name, tensor in state.items()}
    if not tied and "lm_head.weight" not in plain and "model.embed_tokens.weight" in plain:
        raise WorldError("there is no lm_head.weight, the head, and config.json does not tie it to the token embedding; save the "
                         "model from transformers' AutoModelForCausalLM, which has one, instead of AutoModel")  # fmt: skip
    if not tied or "lm_head.weight" not in plain:
        return plain
    head = plain.pop("lm_head.weight")
    token = plain.setdefault("model.embed_tokens.weight", head)
    if head.shape != token.shape or not torch.equal(head, token):
        raise WorldError("config.json says tie_word_embeddings, and lm_head.weight differs from model.embed_tokens.weight; "
                         "which of them is meant? If the head was trained by itself, set it to false")  # fmt: skip
    return plain


def _window(config: Mapping[str, Any], kind: str, depth: int) -> int | None:
    """How far one may look back, in every layer; a model whose layers differ in it is refused."""
    if kind == "llama":
        return None
    window = config.get("sliding_window", 4096)
    if kind == "qwen2":
        if not _truth(config, "use_sliding_window"):
            window = None
        first = config.get("max_window_layers", 28)  # the layers below it look at everything
        kinds = ["full_attention" if window is None or i < first else "sliding_attention" for i in range(depth)]
        if config.get("layer_types") is not None:
            kinds = list(config["layer_types"])
    else:
        kinds = ["sliding_attention" if window is not None else "full_attention"]
        if (told := config.get("layer_types")) and set(told) != set(kinds):
            raise WorldError(f"config.json says two things of how far one may look back, sliding_window = {window!r} and "
                             f"layer_types = {sorted(set(told))}; remove the one that does not hold")  # fmt: skip
    if len(set(kinds)) != 1 or kinds[0] not in ("full_attention", "sliding_attention"):
        raise WorldError(f"config.json asks for layers that differ in how far they look back ({', '.join(sorted(set(kinds)))}); "
                         "our Llama has one window for all of them")  # fmt: skip
    if kinds[0] == "full_attention" or window is None:
        return None
    return _whole({"sliding_window": window}, "sliding_window")


def _rotary(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the rotary positions: in new files one object, in old ones `rope_theta` and `rope_scaling`."""
    new, old = config.get("rope_parameters"), config.get("rope_scaling")
    if (
        isinstance(new, dict)
        and isinstance(old, dict)
        and new
        and old
        and (_kind(new) != _kind(old) or any(new[key] != old[key] for key in new.keys() & old.keys()))
    ):
        raise WorldError(f"config.json says two things of the rotary positions, rope_parameters = {new!r} and rope_scaling = "
                         f"{old!r}; remove the one that does not hold")  # fmt: skip
    said = new or old or {}
    if not isinstance(said, dict) or any(isinstance(value, dict) for value in said.values()):
        raise WorldError(
            f"expected an object of numbers for rope_parameters or rope_scaling in config.json, came {said!r}"
        )
    theta = {"rope_theta": config["rope_theta"]} if config.get("rope_theta") is not None else {}
    rotary = theta | said
    if rotary.get("partial_rotary_factor", 1.0) != 1.0:
        raise WorldError(f"config.json asks for partial_rotary_factor = {rotary['partial_rotary_factor']!r}; our Llama turns "
                         "the whole of each head")  # fmt: skip
    return rotary


def _kind(rotary: Mapping[str, Any]) -> Any:
    return rotary.get("rope_type", rotary.get("type", "default"))


def _scaling(rotary: Mapping[str, Any], context: int) -> Scaling | None:
    kind = _kind(rotary)
    if kind in ("default", None):
        return None
    if kind not in SCALINGS:
        raise WorldError(
            f"config.json scales rotary positions by rope_type {kind!r}; our Llama knows {', '.join(SCALINGS)}"
        )
    make, needed, optional = SCALINGS[kind]
    known = needed | optional
    numbers = {known[key]: value for key, value in rotary.items() if key in known and value is not None}
    for key in needed:
        if key not in rotary:
            raise WorldError(f"expected a number for {key} in config.json's {kind} scaling, came none")
    if kind == "yarn" and rotary.get("mscale") and rotary.get("mscale_all_dim") and "attention" not in numbers:
        numbers["attention"] = _mscale(rotary["factor"], rotary["mscale"]) / _mscale(
            rotary["factor"], rotary["mscale_all_dim"]
        )
    strange = set(rotary) - set(known) - BESIDE - ({"mscale", "mscale_all_dim"} if kind == "yarn" else set())
    if kind in ("linear", "dynamic"):
        strange.discard("original_max_position_embeddings")  # of no use to them, there or here
    if strange:
        raise WorldError(
            f"config.json's {kind} scaling has {', '.join(sorted(strange))}, which our Llama does not know"
        )
    if kind == "dynamic":
        numbers["context"] = context
    elif kind in ("yarn", "llama3"):
        numbers.setdefault("context", context)
    for key, value in numbers.items():
        if isinstance(value, bool) != (key == "whole") or not isinstance(value, int | float):
            raise WorldError(f"expected a number for {key} in config.json's {kind} scaling, came {value!r}")
    try:
        return make(**numbers)
    except CallError as error:
        raise WorldError(f"config.json's {kind} scaling: {error}") from error


def _rope_scaling(scaling: Scaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    for kind, (make, needed, optional) in SCALINGS.items():
        if isinstance(scaling, make):
            numbers = {theirs: getattr(scaling, ours) for theirs, ours in (needed | optional).items()}
            return {"rope_type": kind} | {theirs: value for theirs, value in numbers.items() if value is not None}
    raise CallError(f"expected one of {', '.join(SCALINGS)} to write, came {scaling}")


def _mscale(factor: float, weight: float) -> float:
    return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0


def _whole(config: Mapping[str, Any], key: str, absent: int | None = None) -> int:
    value = config.get(key)
    value = absent if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise WorldError(f"expected a whole number of at least 1 for {key} in config.json, came {value!r}")
    return value


def _number(config: Mapping[str, Any], key: str, absent: float) -> float:
    value = config.get(key, absent)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise WorldError(f"expected a number above 0 for {key} in config.json, came {value!r}")
    return float(value)


def _truth(config: Mapping[str, Any], key: str) -> bool:
    value = config.get(key, False)
    if not isinstance(value, bool):
        raise WorldError(f"expected true or false for {key} in config.json, came {value!r}")
    return value
