"""Published image classifiers: where they are, what they want to see, and how each library writes the same architecture down.

A `Format` is one library's way: its table of names, and what it calls the variants. A checkpoint's format is recognized by the
names of its tensors, its variant by `config.json` or, for a bare file of tensors, by their shapes. `load_classifier` is handed
the class and its rows and knows no model itself.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, product
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from learnable import tensors
from learnable.errors import CallError, WorldError
from learnable.weights.checkpoint import (
    PREPARATION,
    bare,
    download,
    fetch_file,
    listed,
    read_checkpoint,
    read_json,
    read_pickle,
    write_checkpoint,
)
from learnable.weights.table import Row, Table, copies, same, translate, unmentioned, untranslate

Config = Any  # a model's frozen settings
PICKLES = (".pth", ".pt", ".ckpt", ".bin")  # what files of `torch.save` are called
ANY = object()  # as an answer: whatever is asked for
Variants = Mapping[str, tuple[Config, int]]  # name -> settings, published parameters with 1,000 classes


@dataclass(frozen=True)
class Preprocessing:
    """How pictures were made ready for the training of these weights, and have to be made ready for their use.

    The short side is resized to `size / crop`, the middle is cut out, and pixels from 0 to 1 become (pixel - mean) / std.
    """

    size: int = 224
    crop: float = 0.875
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # ImageNet's, in red, green, blue
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"

    def normalize(self, image: Float[Tensor, "*batch channels height width"]) -> Tensor:
        """Pixels from 0 to 1 as the network saw them."""
        channels = image.shape[-3]
        mean, std = (image.new_tensor(gray(numbers, channels)) for numbers in (self.mean, self.std))
        return (image - mean[:, None, None]) / std[:, None, None]


HALF = (0.5, 0.5, 0.5)  # mean and deviation of pixels that went from -1 to 1


def gray(numbers: Sequence[float], channels: int) -> list[float]:
    """One number per channel: their mean where a gray picture meets weights of colored ones."""
    return list(numbers) if len(numbers) == channels else [sum(numbers) / len(numbers)] * channels


@dataclass(frozen=True)
class Published:
    """A file of weights that somebody trained and gave away."""

    name: str  # as `from_pretrained` takes it: "torchvision/resnet50.IMAGENET1K_V2", "timm/resnet50.a1_in1k"
    variant: str
    licence: str
    top1: float | None = None  # ImageNet accuracy, percent, where the library's own table states it
    address: str = ""  # of a single file; without it the name is one of the Hugging Face hub
    preprocessing: Preprocessing | None = Preprocessing()  # None: the model reads text


def torchvision(*rows: tuple[str, str, str, float, int, int], interpolation: str = "bilinear") -> tuple[Published, ...]:
    """Rows of torchvision's weights: variant, name, file, top-1 accuracy, side that is cut out, side that is resized to.

    torchvision is BSD-3-Clause; its weights were trained on ImageNet, whose pictures are for research and education.
    """
    place = "https://download.pytorch.org/models/"
    return tuple(
        Published(f"torchvision/{variant}.{name}", variant, "BSD-3-Clause", top1, place + file,
                  Preprocessing(cut, cut / resized, interpolation=interpolation))
        for variant, name, file, top1, cut, resized in rows
    )  # fmt: skip


def timm(
    *rows: tuple[str, str, str],
    names: Mapping[str, str] = MappingProxyType({}),
    prepared: Preprocessing = Preprocessing(interpolation="bicubic"),
) -> tuple[Published, ...]:
    """Rows of timm's weights on the Hugging Face hub: what timm calls the variant, tag, licence; `names`: ours -> theirs."""
    ours = {their: our for our, their in names.items()}
    return tuple(
        Published(f"timm/{theirs}.{tag}", ours.get(theirs, theirs), licence, preprocessing=prepared)
        for theirs, tag, licence in rows
    )


def renamed(
    names: Mapping[str, str], *rows: tuple[str, str, int, float, str, bool], prefix: str = ""
) -> tuple[Published, ...]:
    """Rows of timm's weights where timm's names of the variants are not ours, and pictures were prepared in other ways: our
    variant, tag, side, share of the side that is cut out, interpolation, and whether pixels went from -1 to 1.
    """
    usual = Preprocessing()
    return tuple(
        Published(
            f"timm/{prefix}{names[variant]}.{tag}", variant, "apache-2.0",
            preprocessing=Preprocessing(size, crop, *((HALF, HALF) if signed else (usual.mean, usual.std)), interpolation),
        )
        for variant, tag, size, crop, interpolation, signed in rows
    )  # fmt: skip


@dataclass(frozen=True)
class Format:
    """How one library writes an architecture down.

    `table` may depend on the settings (a layer that only some variants have); `names` maps our names of the variants to theirs
    where the two differ; `change` mends a state before it is read (a prefix, buffers that are no weights). What no tensor
    shows (the eps of a norm, a way of padding) is said by `habits`, from our settings and timm's `model_args`, and written
    back by `arguments`; `answers` are what `model_args` may ask for, as ours does it. `sized` reads off the tensors what
    sizes of one variant differ in, and `others` are further names of theirs for such sizes, with ours behind them.
    """

    library: str
    table: Table | Callable[[Config], Table]
    names: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
    answers: Mapping[str, Any] = field(default_factory=dict)
    settings: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None  # out of a config.json that spells sizes out
    habits: Callable[[Config, Mapping[str, Any]], Config] = lambda config, arguments: config
    arguments: Callable[[Config], dict[str, Any]] = lambda config: {}
    sized: Callable[[Config, Mapping[str, Tensor]], Config] = lambda config, state: config
    others: Mapping[str, str] = field(default_factory=dict)
    fixed: bool = False  # whether the network is built for one size of pictures

    def rows(self, config: Config) -> Table:
        return self.table(config) if callable(self.table) else self.table

    def variant(self, theirs: str, variants: Variants) -> str | None:
        """Our name of what they call `theirs`, tags such as `.a1_in1k` aside."""
        bare = theirs.partition(".")[0]
        back = {**self.others, **{their: our for our, their in self.names.items()}}
        return back.get(bare, bare if bare in variants and bare not in self.names else None)

    def called(self, theirs: str, config: Config) -> Config:
        """The settings of our variant as the name `theirs` means them: their habits, and a size of `others`, which ends its name."""
        config = self.habits(config, {})
        return replace(config, size=int(theirs.rpartition("_")[2])) if theirs in self.others else config


class Loading(TypedDict, total=False):
    """How the `from_pretrained` of a classifier may be asked to read: the arguments of `load_classifier`."""

    classes: int | None
    channels: int | None
    dtype: torch.dtype | None
    allow_pickle: bool


def load_classifier(
    cls: Any,
    variants: Variants,
    formats: Sequence[Format],
    published: Sequence[Published],
    place: str | Path,
    *,
    classes: int | None = None,
    channels: int | None = None,
    dtype: torch.dtype | None = torch.float32,
    allow_pickle: bool = False,
) -> Any:
    """A model of `cls` with the weights at `place`; `cls(config, classes=, channels=)` builds one, `cls.first` and `cls.last`
    name its first convolution and its last layer.

    Args:
        place: a folder with `config.json` and safetensors, a file of tensors alone (.safetensors; .pth if pickles are
            allowed), a name in `published`, or "owner/name" on the Hugging Face hub. Of a file alone, no tensor shows that it
            is a port from TensorFlow, which pads otherwise: its name has to begin as timm's do, tf_efficientnet_b0 say.
        classes: another number of classes than the file has: all but the last layer is loaded, which starts fresh.
        channels: another number of input channels: the kernels of the first layer are summed up or spread.
        dtype: what the weights are converted to; None keeps what the file says.

    Raises:
        WorldError: nothing there, a torn file, an architecture that is not this one, tensors missing, left over or misshapen.
        CallError: fewer than one class or channel.
    """
    if min(number for number in (classes, channels, 1) if number is not None) < 1:
        raise CallError(f"expected at least 1 class and 1 channel, came classes={classes} and channels={channels}")
    row = next((row for row in published if row.name == str(place)), None)
    config_json, state = _read(place, row, allow_pickle)
    state = counted(state)
    if (
        not config_json
    ):  # of libraries that name their tensors alike, the one whose name for a variant the file has comes first
        formats = sorted(formats, key=lambda form: not Path(place).name.startswith(tuple(form.names.values())))
    form, config, state = _recognize(cls, variants, formats, config_json, state)
    table = form.rows(config)
    names = translate({name: tensor.to("meta") for name, tensor in state.items()}, table)
    head, stem = names.get(f"{cls.last}.weight"), names.get(f"{cls.first}.weight")
    if stem is None or (head is None and classes is None):
        raise WorldError(f"the weights at {place} have nothing that becomes our {cls.first if stem is None else cls.last}.weight; "
                         + ("a torn file?" if stem is None else "a network without a head: say how many classes=... a new one "
                            "is to tell apart"))  # fmt: skip
    groups = {"classes": 0 if head is None else len(head), "channels": stem.shape[1]}
    with torch.device("meta"):  # shapes alone: the numbers come from the file
        model = cls(config, **groups | ({"classes": classes} if head is None else {}))
    like = {
        name: tensor for name, tensor in model.state_dict().items() if head is not None or not _is_of(name, cls.last)
    }
    translated = translate(state, table, like=like)
    _check_numbers(translated, place)
    own = copies(translated, dtype)
    asked = {"classes": classes or groups["classes"], "channels": channels or groups["channels"]}
    if asked["channels"] != groups["channels"]:
        own[f"{cls.first}.weight"] = other_channels(own[f"{cls.first}.weight"], asked["channels"])
    if asked["classes"] != groups["classes"]:
        own = {name: tensor for name, tensor in own.items() if not _is_of(name, cls.last)}
    if asked == groups:
        model.load_state_dict(own, assign=True)
    if asked != groups or any(tensor.is_meta for tensor in chain(model.parameters(), model.buffers())):
        model = cls(config, **asked)
        model.load_state_dict(own, strict=asked["classes"] == groups["classes"])
        if kinds := {tensor.dtype for tensor in own.values() if tensor.is_floating_point()}:
            model.to(kinds.pop())
    model.preprocessing = preprocessing_of(config_json) or (row.preprocessing if row else None)
    return model


def _check_numbers(state: Mapping[str, Tensor], place: str | Path) -> None:
    for name, tensor in state.items():
        if not tensor.is_meta and tensor.layout == torch.strided:
            continue
        kind = "a shape without numbers" if tensor.is_meta else f"a tensor of layout {tensor.layout}"
        raise WorldError(f"expected dense tensors of floating-point numbers at {place}, came {kind} for our {name}; save the "
                         "model again, with its weights as float32 say")  # fmt: skip


def prefixed(prefix: str) -> Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]:
    """A `change` for transformers' networks without a head, whose names lack the word that stands before a classifier's.

    >>> list(prefixed("vit.")({"layernorm.bias": torch.zeros(1)}))
    ['vit.layernorm.bias']
    """

    def change(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        headless = not any(name.startswith(prefix) for name in state)
        return {prefix + name: tensor for name, tensor in state.items()} if headless else state

    return change


def counted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Files from before 2018 (VGG's and DenseNet's) do not say how many batches a norm has seen: nought, as torch reads them."""
    norms = [name.removesuffix("running_var") for name in state if name.endswith(".running_var")]
    missing = {f"{norm}num_batches_tracked": torch.zeros((), dtype=torch.int64) for norm in norms}
    return {**missing, **state}


def save_classifier(model: Any, folder: str | Path, variants: Variants, form: Format) -> None:
    """Write `config.json` and `model.safetensors` as timm reads them: timm.create_model("local-dir:FOLDER", pretrained=True).

    timm knows the published variants by their names. A network of other settings (narrower, with another eps, for a size of
    which timm has no name) is written under the name of its class, and read by our `from_pretrained` alone.

    Raises:
        WorldError: the disk is full, or the folder cannot be written to.
    """
    name = next((name for name, (config, _) in variants.items() if config == model.config), None)
    other = next(
        (other for other, ours in form.others.items() if form.called(other, variants[ours][0]) == model.config), None
    )
    prepared = model.preprocessing
    side = prepared.size if prepared else getattr(model.config, "size", 224)
    theirs = untranslate(model.state_dict(), form.rows(model.config))
    config = {
        "architecture": form.names.get(name, name) if name else other or type(model).__name__,
        "num_classes": model.classes,
        **({"model_args": arguments} if (arguments := form.arguments(model.config)) else {}),
        "learnable": {"model": type(model).__name__, "variant": name, "settings": asdict(model.config)},
        "pretrained_cfg": {
            "input_size": (model.channels, side, side),
            "num_classes": model.classes,
            **({"fixed_input_size": True} if form.fixed else {}),  # or timm builds it for 224
            **(in_timms_words(prepared, model.channels) if prepared else {}),
        },
    }
    write_checkpoint(Path(folder), config, theirs)


def in_timms_words(prepared: Preprocessing, channels: int) -> dict[str, Any]:
    """How pictures were prepared, in timm's words."""
    return {
        "mean": gray(prepared.mean, channels),
        "std": gray(prepared.std, channels),
        "crop_pct": prepared.crop,
        "interpolation": prepared.interpolation,
    }


def other_channels(weight: Float[Tensor, "out in height width"], channels: int) -> Float[Tensor, "out {channels} h w"]:
    """The first layer's kernels for another number of input channels: a gray picture is a colored one whose three channels
    are the same, so its kernel is their sum; for more channels they repeat, weaker, so that the sum stays.

    >>> other_channels(torch.ones(1, 3, 1, 1), 1).item(), other_channels(torch.ones(1, 3, 1, 1), 6).sum().item()
    (3.0, 3.0)
    """
    if channels == 1:
        return weight.sum(1, keepdim=True)
    repeated = weight.repeat(1, -(-channels // weight.shape[1]), 1, 1)[:, :channels]
    return repeated * (weight.shape[1] / channels)


def preprocessing_of(config: Mapping[str, Any]) -> Preprocessing | None:
    """What timm's `config.json`, or transformers' file beside it, says of the pictures; None where nothing is said."""
    if "preparation" in config:
        return _transformers_preprocessing(config["preparation"])
    said = config.get("pretrained_cfg")
    if not isinstance(said, Mapping) or not said.keys() & in_timms_words(Preprocessing(), 3).keys():
        return None
    size = said.get("input_size", (3, 224, 224))
    usual = Preprocessing()
    try:
        return Preprocessing(
            size=int(size[-1]),
            crop=float(said.get("crop_pct", usual.crop)),
            mean=tuple(float(number) for number in said.get("mean", usual.mean)),
            std=tuple(float(number) for number in said.get("std", usual.std)),
            interpolation=str(said.get("interpolation", usual.interpolation)),
        )
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise WorldError(f"config.json: what pretrained_cfg says of the pictures cannot be read ({error})") from error


def _transformers_preprocessing(said: Mapping[str, Any]) -> Preprocessing | None:
    """What `preprocessor_config.json` says; None where pictures are not normalized, which ours would have to know otherwise."""
    try:
        size, cut = (_side(said.get(key)) for key in ("size", "crop_size"))
        if size is None or not said.get("do_normalize", True):
            return None
        if said.get("do_center_crop") and cut is not None:
            crop, size = cut / size, cut
        else:
            crop = float(said.get("crop_pct") or 1.0)
        return Preprocessing(
            size=size,
            crop=crop,
            mean=tuple(float(number) for number in said["image_mean"]),
            std=tuple(float(number) for number in said["image_std"]),
            interpolation={2: "bilinear", 3: "bicubic"}.get(said.get("resample", 2), "bilinear"),
        )
    except (TypeError, ValueError, LookupError, ZeroDivisionError) as error:
        raise WorldError(
            f"{PREPARATION}: what it says of the pictures cannot be read ({type(error).__name__}: {error})"
        ) from error


def _side(said: Any) -> int | None:
    if isinstance(said, Mapping):
        said = said.get("shortest_edge", said.get("height"))
    return None if said is None else int(said)


def _read(
    place: str | Path, row: Published | None, allow_pickle: bool
) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    """The config, which a bare file of tensors has not, and the tensors."""
    if row is not None and row.address:
        return {}, read_pickle(fetch_file(row.address))
    path = Path(place).expanduser()
    bare_pickle = path.suffix != ".safetensors" and path.is_file() and tensors.is_pickle(path)  # x.pth.tar, x.pkl, x
    if bare_pickle or (path.suffix in PICKLES and (path.is_file() or not path.parent.name)):
        if not allow_pickle:
            raise WorldError(f"{path} is a pickle, a kind of file that can run code. If you trust where it comes from, pass "
                             "allow_pickle=True (tensors alone are read), or --allow-pickle true to a recipe; safetensors is "
                             "better.")  # fmt: skip
        return {}, read_pickle(path)
    if path.suffix == ".safetensors" and not path.with_name("config.json").is_file():
        return {}, bare(tensors.read(path))
    if not path.exists() and re.fullmatch(r"torchvision/.+", str(place)):
        raise WorldError(
            f"torchvision has no weights {str(place)!r} that are known here; `learnable list weights` names them"
        )
    if not path.exists():
        path = download(str(place))
    if path.is_dir() and not (path / "config.json").is_file():
        alone = [file for file in path.iterdir() if file.suffix in (".safetensors", *PICKLES)]
        other = (
            f", or name the file by itself, {alone[0]}: the shapes in it tell the variant" if len(alone) == 1 else ""
        )
        raise WorldError(f"expected config.json beside the weights in {path}, came {listed(path)}. Put the one there that belongs "
                         f"to them{other}")  # fmt: skip
    config, state = read_checkpoint(path, allow_pickle=allow_pickle)
    beside = (path if path.is_dir() else path.parent) / PREPARATION
    return (config | {"preparation": read_json(beside)} if beside.is_file() else config), state


def _recognize(
    cls: Any, variants: Variants, formats: Sequence[Format], config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[Format, Config, Mapping[str, Tensor]]:
    """Whose file it is, of which variant, and its tensors as the table of that format names them."""
    name, told = cls.__name__, config.get("learnable")
    settings: Config | None = None
    told_args = config.get("model_args")
    args = told_args if isinstance(told_args, Mapping) else {}
    if isinstance(told, Mapping):
        if told.get("model") != name:
            raise WorldError(f"expected a {name}, came a checkpoint of {told.get('model')}; load it with that class")
        settings = _settings(type(next(iter(variants.values()))[0]), told.get("settings"), name)
    elif "model_type" in config:
        for form in formats:
            if form.settings is not None:
                kind = type(next(iter(variants.values()))[0])
                return form, _settings(kind, form.settings(config), name), form.change(state)
        raise WorldError(f"config.json is of transformers' {config['model_type']!r}, which {name} does not read")
    elif isinstance(theirs := config.get("architecture"), str):
        known = [(form, variant) for form in formats if (variant := form.variant(theirs, variants))]
        if not known:
            raise WorldError(
                f"config.json says architecture {theirs!r}, which is none of {name}'s: {', '.join(variants)}"
            )
        formats, settings = [form for form, _ in known], variants[known[0][1]][0]
        _check_arguments(next((form.answers for form in formats if form.answers), {}), args)
    candidates = [settings] if settings is not None else [config for config, _ in variants.values()]
    for form, named in product(formats, (state, inner(state))):
        changed = form.change(named)
        for candidate in candidates:
            config = candidate if isinstance(told, Mapping) else form.sized(candidate, changed)
            if not unmentioned(changed, form.rows(config)) and (
                settings is not None or not _misfits(cls, config, form, changed)
            ):
                return form, config if isinstance(told, Mapping) else form.habits(config, args), changed
    form = min(formats, key=lambda form: len(unmentioned(form.change(state), form.rows(candidates[0]))))
    if settings is None:
        raise WorldError(f"these tensors fit no variant of {name}{_nearest(cls, variants, form, inner(state))}. Known are "
                         f"{', '.join(variants)}, as {' and '.join(form.library for form in formats)} name their tensors")  # fmt: skip
    strange = unmentioned(form.change(state), form.rows(candidates[0]))
    raise WorldError(f"expected the tensors of a {name} as {' or '.join(form.library for form in formats)} name them, came "
                     f"{', '.join(strange[:3])}{' and more' if len(strange) > 3 else ''}: another architecture?")  # fmt: skip


# Of timm's `model_args`: what the tensors show, what matters in training alone, and what says how to build and not what.
IDLE = {
    "num_classes", "in_chans", "img_size", "drop_rate", "drop_path_rate", "attn_drop_rate", "proj_drop_rate", "pos_drop_rate",
    "patch_drop_rate", "bn_momentum", "zero_init_last", "pretrained", "checkpoint_path", "scriptable", "exportable", "no_jit",
    "strict_img_size", "dynamic_img_size",
}  # fmt: skip


def _check_arguments(ours: Mapping[str, Any], args: Mapping[str, Any]) -> None:
    """Refuse timm's `model_args` that ask for another network: no tensor shows an activation or a pooling."""
    for key, value in args.items():
        if key in IDLE or value is None:
            continue
        answers = ours.get(key, ())
        if answers is not ANY and value not in (answers if isinstance(answers, tuple) else (answers,)):
            does = f"; ours does {answers!r} alone" if answers else ", which ours does not have"
            raise WorldError(
                f"config.json asks timm for {key} = {value!r}{does}, and its output would be wrong without a word"
            )


def inner(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The names without the parts that all share: in a LightningModule, `model.` or whatever its author called the network.

    >>> sorted(inner({"net.conv1.weight": torch.zeros(1), "net.fc.weight": torch.zeros(1)}))
    ['conv1.weight', 'fc.weight']
    """
    while len({name.partition(".")[0] for name in state}) == 1 and all("." in name for name in state):
        state = {name.partition(".")[2]: tensor for name, tensor in state.items()}
    return state


def _settings(kind: Any, told: Any, name: str) -> Config:
    known = set(inspect.signature(kind).parameters)
    if not isinstance(told, Mapping) or set(told) - known:
        raise WorldError(
            f"expected the settings of a {name} in config.json ({', '.join(sorted(known))}), came {told!r}"
        )
    try:
        return kind(**{key: _tuples(value) for key, value in told.items()})
    except (TypeError, CallError) as error:
        raise WorldError(f"config.json: the settings of {name} cannot be used ({error})") from error


def _tuples(value: Any) -> Any:
    """JSON has no tuples; settings have nothing else."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _misfits(cls: Any, config: Config, form: Format, state: Mapping[str, Tensor]) -> list[str]:
    """How a bare state differs from this variant, its number of classes and channels aside; the head may be missing."""
    rows = form.rows(config)
    with torch.device("meta"):
        expected = untranslate(cls(config).state_dict(), rows)
    free = {
        f"{cls.last}.weight": 0,
        f"{cls.last}.bias": 0,
        f"{cls.first}.weight": 1,
    }  # the axis that may be of any length
    axes = {name: free[row.ours] for row in rows if row.ours in free for name in row.names}
    head = {name for row in rows if row.ours and _is_of(row.ours, cls.last) for name in row.names}
    missing = set(expected) - set(state) - (set() if head & set(state) else head)
    wrong = [f"{name} is missing" for name in expected if name in missing]
    for name, tensor in state.items():
        if name in expected and not _alike(tensor.shape, expected[name].shape, axes.get(name)):
            wrong.append(f"{name}: expected shape {tuple(expected[name].shape)}, came {tuple(tensor.shape)}")
    extra = {name: tensor for name, tensor in state.items() if name not in expected}
    return wrong + [
        f"{name} is not part of it" for name in unmentioned(extra, [row for row in rows if row.ours is None])
    ]


def _alike(one: torch.Size, other: torch.Size, free: int | None) -> bool:
    """Whether two shapes are the same on all axes but one."""
    return len(one) == len(other) and all(
        a == b for axis, (a, b) in enumerate(zip(one, other, strict=True)) if axis != free
    )


def _nearest(cls: Any, variants: Variants, form: Format, state: Mapping[str, Tensor]) -> str:
    """The variant from which a bare state differs least, and in what; nothing where it is altogether another network."""
    changed = form.change(state)
    wrong = {
        variant: _misfits(cls, form.sized(config, changed), form, changed) for variant, (config, _) in variants.items()
    }
    variant = min(wrong, key=lambda variant: len(wrong[variant]))
    shown, more = wrong[variant][:2], len(wrong[variant]) - 2
    if len(wrong[variant]) >= len(state):
        return ": another architecture, or more than one network"
    return f"; the nearest is {variant}, but {'; '.join(shown)}{f'; and {more} more' if more > 0 else ''}"


def _is_of(name: str, layer: str) -> bool:
    return name.rpartition(".")[0] == layer


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def normed(conv: str, norm: str, our_conv: str, our_norm: str, bias: bool = False) -> list[Row]:
    """The rows of a convolution and of the batch norm behind it."""
    return [
        *(Row(f"{conv}.{part}", f"{our_conv}.{part}", same) for part in (("weight", "bias") if bias else ("weight",))),
        *(Row(f"{norm}.{part}", f"{our_norm}.{part}", same) for part in NORM),
    ]


def expect(config: Mapping[str, Any], kind: str, answers: Mapping[str, Any]) -> None:
    """Refuse a transformers `config.json` of another architecture, or one that asks for what ours does not do.

    Raises:
        WorldError: so it is.
    """
    if config.get("model_type") != kind:
        raise WorldError(
            f"expected model_type {kind!r} in config.json, came {config.get('model_type')!r}: another architecture"
        )
    for key, answer in answers.items():
        if config.get(key, answer) != answer:
            raise WorldError(f"config.json asks for {key} = {config[key]!r}; ours does {answer!r} alone, "
                             "and its output would be wrong without a word")  # fmt: skip
