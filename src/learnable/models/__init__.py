"""The front door of the models: every published variant by its name.

>>> import torch
>>> from learnable import models
>>> models.list("resnet[15]*")
['resnet101', 'resnet152', 'resnet18', 'resnet50']
>>> models.create("resnet18", classes=10, channels=1)(torch.rand(2, 1, 64, 64)).shape
torch.Size([2, 10])

Each family has a module to read, with its variants as rows of a table; this is the table of these tables.
"""

import builtins
import importlib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from learnable.errors import CallError, unknown
from learnable.weights.images import Published

#            module                              class        variants    published weights
FAMILIES = (
    ("learnable.models.vision.alexnet",          "AlexNet",   "ALEXNETS", "learnable.weights.alexnet"),
    ("learnable.models.vision.vgg",              "VGG",       "VGGS",     "learnable.weights.vgg"),
    ("learnable.models.vision.resnet",           "ResNet",    "RESNETS",  "learnable.weights.resnet"),
    ("learnable.models.vision.swin",             "Swin",      "SWINS",    "learnable.weights.swin"),
    ("learnable.models.vision.densenet",         "DenseNet",  "DENSENETS", "learnable.weights.densenet"),
    ("learnable.models.vision.vit",              "ViT",       "VITS",     "learnable.weights.vit"),
    ("learnable.models.vision.mobilenet",        "MobileNetV1", "MOBILENETS_V1", "learnable.weights.mobilenet"),
    ("learnable.models.vision.mobilenet",        "MobileNetV2", "MOBILENETS_V2", "learnable.weights.mobilenet"),
    ("learnable.models.vision.mobilenet",        "MobileNetV3", "MOBILENETS_V3", "learnable.weights.mobilenet"),
    ("learnable.models.vision.shufflenet",       "ShuffleNetV2", "SHUFFLENETS", "learnable.weights.shufflenet"),
    ("learnable.models.vision.efficientnet",     "EfficientNet", "EFFICIENTNETS", "learnable.weights.efficientnet"),
    ("learnable.models.language.gpt",            "GPT",       "GPT2",     ""),
    ("learnable.models.language.modern_gpt",     "ModernGPT", "NANOCHAT", ""),
    ("learnable.models.language.bert",           "BERT",      "BERTS",    ""),
)  # fmt: skip
PREFIX = {"GPT2": "gpt2-", "NANOCHAT": "nanochat-"}  # tables whose rows have short names


class Variant(NamedTuple):
    """One published size of one architecture."""

    name: str
    family: str  # the class
    config: Any
    parameters: int  # as published
    module: str
    weights: str  # the module with its rename tables, where there is one


@cache
def variants() -> dict[str, Variant]:
    """Every variant of every family, by name."""
    found: dict[str, Variant] = {}
    for module, family, table, weights in FAMILIES:
        rows = getattr(importlib.import_module(module), table)
        for name, (config, parameters) in rows.items():
            name = PREFIX.get(table, "") + name
            found[name] = Variant(name, family, config, parameters, module, weights)
    return found


def list(pattern: str = "*") -> builtins.list[str]:
    """The names of the variants that fit a pattern of the shell's kind, sorted.

    Raises:
        CallError: none fits; the message names the nearest.
    """
    names = sorted(name for name in variants() if fnmatchcase(name, pattern))
    if not names:
        raise unknown("model", pattern, variants())
    return names


def find(name: str) -> Variant:
    """The variant of this name.

    Raises:
        CallError: there is none; the message names the nearest.
    """
    if name not in variants():
        raise unknown("model", name, variants())
    return variants()[name]


def published(name: str) -> tuple[Published, ...]:
    """The weights that are known of a variant: names for `create(..., pretrained=...)`, licences, how pictures were prepared."""
    variant = find(name)
    if not variant.weights:
        return ()
    rows: tuple[Published, ...] = getattr(importlib.import_module(variant.weights), "PUBLISHED", ())
    return tuple(row for row in rows if row.variant == name)


def create(
    name: str,
    *,
    classes: int | None = None,
    channels: int | None = None,
    features_only: bool = False,
    pretrained: bool | str | Path = False,
) -> nn.Module:
    """A model by the name of its variant: with fresh weights, or with published ones.

    Args:
        classes: of a classifier; 1,000 where nothing is said, or what the weights have.
        channels: of the pictures; 3 where nothing is said.
        features_only: the maps at several scales instead of logits, finest first, for a detector's or a segmenter's body.
        pretrained: a folder, a file or a name of weights; True takes the best that is known of this variant (a download).

    Raises:
        CallError: an unknown variant; classes or features of a language model; no known weights.
        WorldError: weights that cannot be had or do not fit.

    >>> import torch
    >>> [maps.shape[1] for maps in create("resnet50", features_only=True)(torch.rand(1, 3, 64, 64))]
    [256, 512, 1024, 2048]
    """
    from learnable.nn.activations import Features

    variant = find(name)
    cls = getattr(importlib.import_module(variant.module), variant.family)
    pictures = hasattr(cls, "first")
    if not pictures and (classes is not None or channels is not None or features_only):
        raise CallError(f"{name} is a model of text: it has no classes, channels or feature maps; leave them out")
    asked: dict[str, Any] = {"classes": classes, "channels": channels} if pictures else {}
    if pretrained:
        place = _best(name) if pretrained is True else pretrained
        model = cls.from_pretrained(place, **asked)
        if model.config != variant.config:
            raise CallError(
                f"{place} holds another variant than {name}: {model.config}; load it with {variant.family}.from_pretrained"
            )
    else:
        model = cls(variant.config, **{key: value for key, value in asked.items() if value is not None})
    return Features(model) if features_only else model


def _best(name: str) -> str:
    rows = published(name)
    if not rows:
        raise CallError(
            f"no published weights of {name} are known here; name a folder or a hub's name: pretrained='owner/name'"
        )
    return max(rows, key=lambda row: row.top1 or 0).name
