"""The front door of the models: every published variant by its name.

>>> import torch
>>> from learnable import models
>>> models.list("resnet[15]*")
['resnet101', 'resnet152', 'resnet18', 'resnet50']
>>> models.create("resnet18", classes=10, channels=1)(torch.rand(2, 1, 64, 64)).shape
torch.Size([2, 10])

Names are those of the tables; timm's and the usual ones ("vit_base_patch16_224", "gpt2", "bert-base-uncased") are understood, too.
Each family has a module to read, with its variants as rows of a table; this is the table of these tables.
"""

import builtins
import importlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from numbers import Integral
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from learnable.errors import CallError, unknown
from learnable.weights.images import Format, Published

#            module                              class           variants         published weights
FAMILIES = (
    ("learnable.models.vision.lenet",            "LeNet",        "LENET",         ""),
    ("learnable.models.vision.alexnet",          "AlexNet",      "ALEXNETS",      "learnable.weights.alexnet"),
    ("learnable.models.vision.vgg",              "VGG",          "VGGS",          "learnable.weights.vgg"),
    ("learnable.models.vision.resnet",           "ResNet",       "RESNETS",       "learnable.weights.resnet"),
    ("learnable.models.vision.resnet",           "CIFARResNet",  "CIFAR_RESNETS", ""),
    ("learnable.models.vision.densenet",         "DenseNet",     "DENSENETS",     "learnable.weights.densenet"),
    ("learnable.models.vision.mobilenet",        "MobileNetV1",  "MOBILENETS_V1", "learnable.weights.mobilenet"),
    ("learnable.models.vision.mobilenet",        "MobileNetV2",  "MOBILENETS_V2", "learnable.weights.mobilenet"),
    ("learnable.models.vision.mobilenet",        "MobileNetV3",  "MOBILENETS_V3", "learnable.weights.mobilenet"),
    ("learnable.models.vision.shufflenet",       "ShuffleNetV2", "SHUFFLENETS",   "learnable.weights.shufflenet"),
    ("learnable.models.vision.efficientnet",     "EfficientNet", "EFFICIENTNETS", "learnable.weights.efficientnet"),
    ("learnable.models.vision.vit",              "ViT",          "VITS",          "learnable.weights.vit"),
    ("learnable.models.vision.swin",             "Swin",         "SWINS",         "learnable.weights.swin"),
    ("learnable.models.language.transformer",    "Transformer",  "VASWANI",       ""),
    ("learnable.models.language.gpt",            "GPT",          "GPT2",          "learnable.weights.hub"),
    ("learnable.models.language.modern_gpt",     "ModernGPT",    "NANOCHAT",      ""),
    ("learnable.models.language.bert",           "BERT",         "BERTS",         "learnable.weights.hub"),
    ("learnable.models.language.llama",          "Llama",        "LLAMA",         "learnable.weights.hub"),
)  # fmt: skip
# Tables whose rows have short names.
PREFIX = {"GPT2": "gpt2-", "NANOCHAT": "nanochat-", "VASWANI": "transformer-", "LENET": "lenet-"}
ALIASES = {
    "lenet": "lenet-mnist", "gpt2": "gpt2-small", "bert-base-uncased": "bert-base", "bert-large-uncased": "bert-large",
}  # fmt: skip
WORDS = {  # what other libraries call our arguments
    "num_classes": "classes=", "num_labels": "classes=", "in_chans": "channels=", "in_channels": "channels=",
    "weights": "pretrained=", "out_indices": "features_only=True, which gives all maps, to take some of: model(image)[1:]",
    "global_pool": "model.features(image), and any pooling of it",
}  # fmt: skip
CLASSIFIERS = {"BERT": "TextClassifier"}  # what `classes` makes of a model of text


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


@cache
def aliases() -> dict[str, str]:
    """Other names under which a variant is found: what timm calls it, and what everybody does."""
    return ALIASES | {theirs: ours for theirs, (ours, _) in _names().items()}


@cache
def _names() -> dict[str, tuple[str, Format]]:
    """What other libraries call a variant, with our name and how they write it down."""
    found: dict[str, tuple[str, Format]] = {}
    for table in _tables():
        for form in vars(table).values():
            if isinstance(form, Format):
                for theirs, ours in [*((theirs, ours) for ours, theirs in form.names.items()), *form.others.items()]:
                    if theirs not in variants() and ours in variants():
                        found.setdefault(theirs, (ours, form))
    return found


def list(pattern: str = "*") -> builtins.list[str]:
    """The names of the variants that fit a pattern of the shell's kind, sorted; where it fits none, those that others call so.

    Raises:
        CallError: none fits; the message names the nearest.

    >>> list("vit_large*")
    ['vit_l_16', 'vit_l_32']
    """
    names = sorted(name for name in variants() if fnmatchcase(name, pattern))
    names = names or sorted({ours for theirs, ours in aliases().items() if fnmatchcase(theirs, pattern)})
    if not names:
        raise unknown("model", pattern, [*variants(), *aliases()])
    return names


def find(name: str) -> Variant:
    """The variant of this name, with the habits of the library whose name it is: a "tf_efficientnet_b0" pads as TensorFlow does,
    and a "vit_base_patch16_384" is a "vit_b_16" for pictures of 384x384.

    Raises:
        CallError: there is none; the message names the nearest.

    >>> find("vit_base_patch16_224").name, find("gpt2").name
    ('vit_b_16', 'gpt2-small')
    >>> find("vit_base_patch16_384").name, find("vit_base_patch16_384").config.size
    ('vit_b_16', 384)
    """
    if not isinstance(name, str):
        raise CallError(f"expected the name of a model, such as 'resnet50', came {name!r}")
    known = name if name in variants() else aliases().get(name)
    if known is None and (
        row := next((row for row in _weights() if name in (row.name, row.name.removeprefix("timm/"))), None)
    ):
        raise CallError(f"{name} are weights, not a model; say create({row.variant!r}, pretrained={row.name!r})")
    if known is None:
        raise unknown("model", name, variants())
    variant = variants()[known]
    if name in _names():
        form = _names()[name][1]
        asked = variant._replace(config=form.called(name, variant.config))
        return asked._replace(parameters=_parameters(asked)) if name in form.others else asked
    return variant


def _parameters(variant: Variant) -> int:
    with torch.device("meta"):
        model = _fresh(getattr(importlib.import_module(variant.module), variant.family), variant.config, {})
    return sum(parameter.numel() for parameter in model.parameters())


def _weights() -> Iterator[Published]:
    """All weights that are known, of all variants."""
    for table in _tables():
        yield from table.PUBLISHED


def _tables() -> Iterator[ModuleType]:
    """The modules that say how other libraries write our families down."""
    return map(importlib.import_module, dict.fromkeys(weights for _, _, _, weights in FAMILIES if weights))


def published(name: str) -> tuple[Published, ...]:
    """The weights that are known of a variant: names for `create(..., pretrained=...)`, licences, how pictures were prepared.

    Of a name that another library has for one of its sizes, or for a training of its own, they are those of this name alone.
    """
    variant = find(name)
    if not variant.weights:
        return ()
    rows: tuple[Published, ...] = getattr(importlib.import_module(variant.weights), "PUBLISHED", ())
    other = name in _names() and name in _names()[name][1].others
    return tuple(
        row for row in rows if row.variant == variant.name and (not other or row.name.startswith(f"timm/{name}."))
    )


def create(
    name: str,
    *,
    classes: int | None = None,
    channels: int | None = None,
    features_only: bool = False,
    pretrained: bool | str | Path = False,
    allow_pickle: bool = False,
    **words: Any,
) -> nn.Module:
    """A model by the name of its variant: with fresh weights, or with published ones.

    Args:
        classes: of a classifier; what was published (1,000 of ImageNet) where nothing is said, or what the weights have. A BERT
            becomes a `TextClassifier`.
        channels: of the pictures; 3 where nothing is said.
        features_only: the maps at several scales instead of logits, finest first, for a detector's or a segmenter's body.
        pretrained: a folder, a file or a name of weights; True takes the best that is known of this variant (a download).
        allow_pickle: read weights out of what `torch.save` wrote (.pth): tensors alone, no code.

    Raises:
        CallError: an unknown variant, or an argument that is none of these; classes, channels or features of a model that has
            none, fewer than one, or no whole number; no known weights.
        WorldError: weights that cannot be had or do not fit.

    >>> import torch
    >>> [maps.shape[1] for maps in create("resnet50", features_only=True)(torch.rand(1, 3, 64, 64))]
    [256, 512, 1024, 2048]
    """
    from learnable.nn.activations import Features

    for word in words:
        raise CallError(f"create knows no {word}=" + (f"; here it is {WORDS[word]}" if word in WORDS else
                        "; it takes classes, channels, features_only, pretrained and allow_pickle, and other settings are those of a "
                        f"model's own class: {find(name).family}"))  # fmt: skip
    variant = find(name)
    module = importlib.import_module(variant.module)
    cls = getattr(module, variant.family)
    pictures = ".vision." in variant.module
    if not pictures and (channels is not None or features_only):
        raise CallError(f"{name} is a model of text: it has no channels or feature maps; leave them out")
    if not pictures and classes is not None:
        if variant.family not in CLASSIFIERS:
            raise CallError(f"{name} is a model of text that tells no classes apart; leave classes= out")
        cls = getattr(module, CLASSIFIERS[variant.family])
    if features_only and not hasattr(cls, "taps"):
        raise CallError(
            f"{variant.family} has no feature maps at several scales; `learnable.nn.activations` sees any of its parts"
        )
    if not isinstance(pretrained, bool | str | Path | None) or pretrained == "":
        raise CallError(
            f"expected a folder, a file or a name as pretrained, came {pretrained!r}; leave it out for fresh weights"
        )
    if classes == 0 and hasattr(cls, "features"):
        raise CallError(
            "expected classes of at least 1, came 0; without its head a model is its features: model.features(image)"
        )
    asked: dict[str, Any] = {"classes": classes, "channels": channels}
    asked = {key: _count(key, value) for key, value in asked.items() if value is not None}
    if not pretrained:
        model = _fresh(cls, variant.config, asked)
    elif not hasattr(cls, "from_pretrained"):
        raise CallError(f"nobody published weights of {name}; train your own, `learnable list recipes` says how")
    else:
        place = _best(name) if pretrained is True else pretrained
        model = cls.from_pretrained(place, allow_pickle=allow_pickle, **asked)
        _check_variant(model, name, variant, place)
    return Features(model) if features_only else model


def _count(what: str, number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 1:
        raise CallError(f"expected a whole number of at least 1 for {what}, came {number!r}")
    return int(number)


def _fresh(cls: Any, config: Any, asked: dict[str, Any]) -> Any:
    return cls(**(config | asked)) if isinstance(config, dict) else cls(config, **asked)


def _check_variant(model: Any, name: str, variant: Variant, place: str | Path) -> None:
    """Settings that no shape shows (the eps of a norm, a way of padding, the context) are the file's own; the shapes are not."""
    if model.config == variant.config:
        return
    groups = {key: value for key in ("classes", "channels") if (value := getattr(model, key, None)) is not None}
    if type(model).__name__ in CLASSIFIERS.values():
        groups["classes"] = model.out.out_features
    with torch.device("meta"):
        expected = _fresh(type(model), variant.config, groups)
    if {key: tensor.shape for key, tensor in model.state_dict().items()} != {
        key: tensor.shape for key, tensor in expected.state_dict().items()
    }:
        raise CallError(
            f"{place} holds another variant than {name}: {model.config}; load it with {type(model).__name__}.from_pretrained"
        )


def _best(name: str) -> str:
    rows = published(name)
    if not rows:
        raise CallError(
            f"no published weights of {name} are known here; name a folder or a hub's name: pretrained='owner/name'"
        )
    return max(rows, key=lambda row: row.top1 or 0).name
