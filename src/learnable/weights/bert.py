"""BERT and RoBERTa in Hugging Face's files: the names of their tensors and the meaning of their `config.json`.

The body is the same in all of them; each of their classes adds a head with names of its own. Query, key and value are three
layers there and one of ours, hence `join`. The prefix `bert.` or `roberta.` is taken off first: only some files have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from learnable.errors import WorldError
from learnable.weights.table import Row, State, Table, join, same

_QKV = "encoder.layer.#.attention.self."

BODY = [
    #   theirs                                              ours                                        change
    Row("embeddings.word_embeddings.weight",                "encoder.embedding.token.weight",           same),
    Row("embeddings.position_embeddings.weight",            "encoder.embedding.position.weight",        same),
    Row("embeddings.token_type_embeddings.weight",          "encoder.embedding.segment.weight",         same),
    Row("embeddings.LayerNorm.weight",                      "encoder.embedding.norm.weight",            same),
    Row("embeddings.LayerNorm.bias",                        "encoder.embedding.norm.bias",              same),
    Row("embeddings.position_ids",                          None,                                       same),  # old files:
    Row("embeddings.token_type_ids",                        None,                                       same),  # buffers
    Row((f"{_QKV}query.weight", f"{_QKV}key.weight", f"{_QKV}value.weight"),
                                                            "encoder.blocks.#.attention.to_qkv.weight", join(3)),
    Row((f"{_QKV}query.bias", f"{_QKV}key.bias", f"{_QKV}value.bias"),
                                                            "encoder.blocks.#.attention.to_qkv.bias",   join(3)),
    Row("encoder.layer.#.attention.output.dense.weight",    "encoder.blocks.#.attention.to_out.weight", same),
    Row("encoder.layer.#.attention.output.dense.bias",      "encoder.blocks.#.attention.to_out.bias",   same),
    Row("encoder.layer.#.attention.output.LayerNorm.weight", "encoder.blocks.#.norm1.weight",           same),
    Row("encoder.layer.#.attention.output.LayerNorm.bias",  "encoder.blocks.#.norm1.bias",              same),
    Row("encoder.layer.#.intermediate.dense.weight",        "encoder.blocks.#.mlp.up.weight",           same),
    Row("encoder.layer.#.intermediate.dense.bias",          "encoder.blocks.#.mlp.up.bias",             same),
    Row("encoder.layer.#.output.dense.weight",              "encoder.blocks.#.mlp.down.weight",         same),
    Row("encoder.layer.#.output.dense.bias",                "encoder.blocks.#.mlp.down.bias",           same),
    Row("encoder.layer.#.output.LayerNorm.weight",          "encoder.blocks.#.norm2.weight",            same),
    Row("encoder.layer.#.output.LayerNorm.bias",            "encoder.blocks.#.norm2.bias",              same),
]  # fmt: skip


def _layer(theirs: str, ours: str) -> list[Row]:
    return [Row(f"{theirs}.{part}", f"{ours}.{part}", same) for part in ("weight", "bias")]


POOLER = _layer("pooler.dense", "pooler")
ORDER = _layer("cls.seq_relationship", "order")
CLASSES = _layer("classifier", "out")
LANGUAGE = [
    *_layer("cls.predictions.transform.dense", "head.transform"),
    *_layer("cls.predictions.transform.LayerNorm", "head.norm"),
    Row("cls.predictions.bias", "head.bias", same),
]
ROBERTA_LANGUAGE = [
    *_layer("lm_head.dense", "head.transform"),
    *_layer("lm_head.layer_norm", "head.norm"),
    Row("lm_head.bias", "head.bias", same),
]
ROBERTA_CLASSES = [*_layer("classifier.dense", "pooler"), *_layer("classifier.out_proj", "out")]


@dataclass(frozen=True)
class Head:
    """One of their classes: its name, and the rows that it adds to the body's."""

    architecture: str
    rows: Sequence[Row]

    @property
    def table(self) -> Table:
        return [*BODY, *self.rows]

    def prefixed(self, state: State) -> dict[str, Tensor]:
        """The body's tensors as they are called inside of this class."""
        if self.architecture.endswith("Model"):
            return dict(state)
        prefix = "roberta." if self.architecture.startswith("Roberta") else "bert."
        return {prefix + name if name.startswith(("embeddings.", "encoder.", "pooler.")) else name: tensor
                for name, tensor in state.items()}  # fmt: skip


#    ours, whether it is a RoBERTa     theirs
HEADS = {
    ("BERT", False):            Head("BertModel", POOLER),
    ("MaskedLM", False):        Head("BertForMaskedLM", LANGUAGE),
    ("Pretraining", False):     Head("BertForPreTraining", [*POOLER, *LANGUAGE, *ORDER]),
    ("TextClassifier", False):  Head("BertForSequenceClassification", [*POOLER, *CLASSES]),
    ("TokenClassifier", False): Head("BertForTokenClassification", CLASSES),
    ("BERT", True):             Head("RobertaModel", POOLER),
    ("MaskedLM", True):         Head("RobertaForMaskedLM", ROBERTA_LANGUAGE),
    ("TextClassifier", True):   Head("RobertaForSequenceClassification", ROBERTA_CLASSES),
    ("TokenClassifier", True):  Head("RobertaForTokenClassification", CLASSES),
}  # fmt: skip

# Our names of a head's parts, in words.
PARTS = {
    "pooler": "pooler",
    "head": "language head",
    "order": "head for the second sentence",
    "out": "head for classes",
}

# What begins so belongs to a head, and may be left in the file by who has no use for it.
OF_HEADS = ("cls.", "lm_head.", "classifier.", "pooler.", "qa_outputs.")

ROBERTAS = ("roberta", "xlm-roberta", "camembert")  # one architecture, three names

SIZES = {
    "depth": "num_hidden_layers", "width": "hidden_size", "heads": "num_attention_heads", "vocab": "vocab_size",
    "context": "max_position_embeddings", "hidden": "intermediate_size",
}  # fmt: skip

# What their config may ask for, and the only answers that ours has. A key that is absent has the first one.
ANSWERS: dict[str, tuple[Any, ...]] = {
    "hidden_act":              ("gelu", "gelu_python"),
    "position_embedding_type": ("absolute",),
    "is_decoder":              (False,),
    "add_cross_attention":     (False,),
    "embedding_size":          (None,),  # ELECTRA's and ALBERT's narrow embedding
    "pruned_heads":            ({}, None),
}  # fmt: skip

OWNERS = {
    "bert-base-uncased": "google-bert", "bert-base-cased": "google-bert", "bert-large-uncased": "google-bert",
    "bert-large-cased": "google-bert", "bert-base-multilingual-cased": "google-bert",
    "roberta-base": "FacebookAI", "roberta-large": "FacebookAI",
}  # fmt: skip


def hub_name(place: str | Path) -> str | Path:
    """The place, with its owner where that is a well-known name without one and no file.

    >>> hub_name("bert-base-uncased")
    'google-bert/bert-base-uncased'
    """
    if str(place) in OWNERS and not Path(place).exists():
        return f"{OWNERS[str(place)]}/{place}"
    return place


def is_roberta(config: Mapping[str, Any]) -> bool:
    return config.get("model_type") in ROBERTAS


def settings_from(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `BERTConfig` or `RoBERTaConfig` out of their `config.json`.

    Raises:
        WorldError: it is neither, lacks a size, or asks for something that ours does not do.
    """
    kind = config.get("model_type", "bert")
    if kind != "bert" and kind not in ROBERTAS:
        raise WorldError(f"expected model_type 'bert' or 'roberta' in config.json, came {kind!r}: this is another "
                         "architecture, which BERT cannot load")  # fmt: skip
    settings: dict[str, Any] = {ours: _whole(config, theirs) for ours, theirs in SIZES.items()}
    if settings["width"] % settings["heads"]:
        raise WorldError(f"config.json: hidden_size {settings['width']} cannot be divided among num_attention_heads "
                         f"{settings['heads']}")  # fmt: skip
    if settings["hidden"] == 4 * settings["width"]:
        settings["hidden"] = None
    for key, answers in ANSWERS.items():
        if config.get(key, answers[0]) not in answers:
            raise WorldError(f"config.json asks for {key} = {config[key]!r}; our BERT does {answers[0]!r} alone, "
                             "and its output would be wrong without a word")  # fmt: skip
    if "pad_token_id" in config and config["pad_token_id"] is None:
        raise WorldError("config.json says that no token is padding (pad_token_id null); our BERT looks away from one. Name a "
                         "token that no text has")  # fmt: skip
    settings["padding"] = _whole(config, "pad_token_id", 1 if is_roberta(config) else 0, least=0)
    if settings["padding"] >= settings["vocab"]:
        raise WorldError(
            f"config.json: pad_token_id {settings['padding']} is outside of vocab_size {settings['vocab']}"
        )
    segments = _whole(config, "type_vocab_size", 1 if is_roberta(config) else 2)
    if not is_roberta(config):
        settings["segments"] = segments
    elif segments != 1:
        raise WorldError(f"config.json asks for type_vocab_size = {segments}; our RoBERTa has 1 segment alone")
    else:
        settings["context"] -= settings["padding"] + 1
        if settings["context"] < 1:
            raise WorldError(f"config.json: max_position_embeddings {config['max_position_embeddings']} leaves no place for a "
                             f"token, as RoBERTa's positions begin behind pad_token_id {settings['padding']}")  # fmt: skip
    settings["eps"] = _number(config, "layer_norm_eps", 1e-12)
    settings["dropout"] = _number(config, "hidden_dropout_prob", 0.1)
    if not settings["eps"] > 0 or not 0 <= settings["dropout"] < 1:
        raise WorldError("config.json: expected layer_norm_eps above 0 and hidden_dropout_prob from 0 to below 1, came "
                         f"{settings['eps']} and {settings['dropout']}")  # fmt: skip
    return settings


def config_json(
    head: Head, settings: Mapping[str, Any], dtype: torch.dtype, labels: Sequence[str] = ()
) -> dict[str, Any]:
    """Their `config.json` for our settings."""
    roberta = head.architecture.startswith("Roberta")
    offset = settings["padding"] + 1 if roberta else 0
    config = {
        "architectures": [head.architecture],
        "model_type": "roberta" if roberta else "bert",
        **{theirs: settings[ours] for ours, theirs in SIZES.items()},
        "max_position_embeddings": settings["context"] + offset,
        "type_vocab_size": settings.get("segments", 1),
        "pad_token_id": settings["padding"],
        "layer_norm_eps": settings["eps"],
        "hidden_act": "gelu",
        "hidden_dropout_prob": settings["dropout"],
        "attention_probs_dropout_prob": 0.0,
        "dtype": str(dtype).removeprefix("torch."),
    }
    if roberta:  # where the vocabulary is another one, there is nothing to begin and end a text by
        published = settings["vocab"] == 50265
        config |= {"bos_token_id": 0 if published else None, "eos_token_id": 2 if published else None}
    if labels:
        config |= {
            "id2label": {str(i): label for i, label in enumerate(labels)},
            "label2id": {label: i for i, label in enumerate(labels)},
        }
    return config


def plain_names(state: State, head: bool = False) -> dict[str, Tensor]:
    """Their tensors without the prefix, under the norms' newer names, and without the decoder, which is tied.

    Args:
        head: the language head is wanted, so its decoder must be the token embedding.

    Raises:
        WorldError: a tensor is there twice, or there is a decoder that is not the token embedding.
    """
    plain = {_plain(name): tensor for name, tensor in state.items()}
    if len(plain) < len(state):
        raise WorldError("some tensors are there twice, with and without the prefix 'bert.' or 'roberta.', or as gamma and "
                         "as weight; save the model again")  # fmt: skip
    for start in ("cls.predictions.", "lm_head."):
        weight, bias = plain.pop(f"{start}decoder.weight", None), plain.pop(f"{start}decoder.bias", None)
        if not head:
            continue
        pairs = [
            (weight, "embeddings.word_embeddings.weight", "decoder.weight"),
            (bias, f"{start}bias", "decoder.bias"),
        ]
        for tensor, tied, name in pairs:
            if tensor is not None and not _equal(tensor, plain.setdefault(tied, tensor)):
                raise WorldError(f"{start}{name} differs from {tied}: this model's decoder was trained by itself, and ours is "
                                 "the token embedding")  # fmt: skip
    return plain


def file_names(plain: State, wanted: State) -> dict[str, Tensor]:
    """The file's tensors without the heads for which the wanted model has no use."""
    return {name: tensor for name, tensor in plain.items() if name in wanted or not name.startswith(OF_HEADS)}


def check_parts(plain: State, wanted: State, ours: str, roberta: bool) -> None:
    """Whether a file with the whole body has the head of our class `ours`, so far as it is wanted from there.

    Raises:
        WorldError: a part of it is missing altogether; the message names the classes that can read the file.
    """
    head = HEADS[ours, roberta]
    parts: dict[str, list[str]] = {}
    for row in head.rows:
        parts.setdefault(str(row.ours).partition(".")[0], []).extend(name for name in row.names if name in wanted)
    lacking = [part for part, names in parts.items() if names and not any(name in plain for name in names)]
    if not lacking or any(name not in plain for name in wanted if name.startswith(("embeddings.", "encoder."))):
        return
    readers = [name for (name, kind), other in HEADS.items()
               if kind == roberta and all(theirs in plain for row in other.rows for theirs in row.names)]  # fmt: skip
    unless = ", unless it was built with add_pooling_layer=False" if "pooler" in lacking else ""
    raise WorldError(f"the weights have no {' and no '.join(PARTS[part] for part in lacking)}, which our {ours} needs; transformers' "
                     f"{head.architecture} saves it{unless}. These weights can be read by "
                     + "".join(f"{name}, " for name in readers) + "TextClassifier and TokenClassifier, the last two with "
                     "classes=..., for a new head to be trained")  # fmt: skip


def _plain(name: str) -> str:
    for prefix in ("bert.", "roberta."):
        name = name.removeprefix(prefix)
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(f"LayerNorm{old}"):
            name = name.removesuffix(old) + new
    return name


def _whole(config: Mapping[str, Any], key: str, default: int | None = None, least: int = 1) -> int:
    value = config.get(key, default)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise WorldError(f"expected a whole number of at least {least} for {key} in config.json, came {value!r}")
    return value


def _number(config: Mapping[str, Any], key: str, default: float) -> float:
    value = config.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WorldError(f"expected a number for {key} in config.json, came {value!r}")
    return float(value)


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)
