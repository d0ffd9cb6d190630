"""Pictures with a label each: scans of digits, letters, clothing, photos, or a folder of the user's own.

Every reader gives the keys `image`, float32 of shape (examples, channels, height, width) with values from 0 to 1,
and `label`, int64. The cut into train, valid and test is the same on every machine.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import repeat
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor

from learnable.data.augment import Augmented
from learnable.data.cifar import read_cifar
from learnable.data.examples import Data, ImageBytes, Info, TensorExamples, split
from learnable.data.fetch import fetch, fetch_archive
from learnable.data.folders import labeled_folder, stratified
from learnable.data.glyphs import CLASSES as GLYPHS
from learnable.data.glyphs import glyphs
from learnable.data.idx import read_idx
from learnable.data.photos import read_hymenoptera
from learnable.data.pictures import check_shape, prepare_scan, read_image
from learnable.data.registry import name_or_path
from learnable.errors import CallError, WorldError

Part = tuple[Float[Tensor, "examples 1 height width"], Int64[Tensor, "examples"]]
Colored = tuple[UInt8[Tensor, "_ 3 height width"], Int64[Tensor, "_"]]

CLASSES = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
}
INK = {"digits": "digits", "mnist": "mnist", "fashion-mnist": None}  # how a drawing is made to look like them
SUBSETS = ("cifar10-subset", "hymenoptera-subset")  # the same part on every machine, as said in `info.data`
NAMES = (*CLASSES, *GLYPHS, "cifar10", "hymenoptera", *SUBSETS)
BRIGHTNESS = torch.tensor([0.299, 0.587, 0.114])  # of red, green and blue to the eye: ITU-R BT.601


def digit_scans(source: str | None = None, *, size: int = 8, channels: int = 1, invert: bool = False) -> Data:
    """`labeled_images` at the size of scikit-learn's digits, 8 x 8 pixels, which are the default."""
    return labeled_images(source, size=size, channels=channels, invert=invert)


def glyph_images(
    source: str | None = None,
    *,
    size: int = 32,
    channels: int = 3,
    invert: bool = False,
    flip: bool = False,
    pad: int = 0,
) -> Data:
    """`labeled_images` with the glyphs for a default, see `learnable.data.glyphs`."""
    return labeled_images(source or "glyphs", size=size, channels=channels, invert=invert, flip=flip, pad=pad)


def labeled_images(
    source: str | None = None,
    *,
    size: int = 28,
    channels: int = 1,
    invert: bool = False,
    flip: bool = False,
    pad: int = 0,
) -> Data:
    """Pictures and their classes, each resized to `size` x `size` pixels.

    Args:
        source: "digits" (also None) or another of `NAMES`, or the path of a folder with one sub-folder per class.
        size: pixels per side.
        channels: 1 for gray, 3 for red, green, blue.
        invert: dark becomes light.
        flip: in training, one picture in two is seen in a mirror.
        pad: in training, a window is cut out by chance after so many pixels were added around.

    Raises:
        CallError: no such data set; a size or a number of channels that makes no sense.
        WorldError: no such folder, or something is wrong in it: see `learnable.data.folders`.
    """
    check_shape(size, channels)
    if not 0 <= pad <= size:
        raise CallError(f"expected 0 to {size} pixels to pad with, came {pad}")
    choice = name_or_path(source, NAMES)
    if isinstance(choice, Path):
        if not choice.is_dir():
            raise WorldError(f"expected a folder with one sub-folder of pictures per class, came the file {choice}; "
                             "a table (CSV) is read by learnable.data.tables.")  # fmt: skip
        data = labeled_folder(choice, size=size, channels=channels, invert=invert)
    elif choice in CLASSES:
        parts = [
            _fitted(*part, size, channels, invert) for part in (_digits() if choice == "digits" else _mnist(choice))
        ]
        data = Data(_info(choice, CLASSES[choice], size, channels, invert), *parts)
    else:
        name, classes, colored = _color(choice, size)
        info = _info(name, classes, size, channels, invert)
        data = Data(info, *(ImageBytes(_refitted(image, size, channels, invert), label) for image, label in colored))
    if flip or pad:
        data = replace(data, train=Augmented(data.train, flip=flip, pad=pad))
    return data


def _info(name: str, classes: tuple[str, ...], size: int, channels: int, invert: bool) -> Info:
    ink = None if invert else INK.get(name)
    return Info(data=name, classes=classes, image=(channels, size, size), more={"ink": ink, "invert": invert})


def prepare(source: str | Path | bytes, info: Info) -> Float[Tensor, "channels height width"]:
    """One new picture, as a model that was trained on the data of `info` expects it.

    A model of digits has seen light ink on black only: for it a drawing is turned into such a scan first.

    Raises:
        WorldError: it does not exist, is a folder, is no picture, is damaged, is too large, or is empty.
    """
    if info.image is None:
        raise WorldError(f"expected a model of pictures, came one that was trained on {info.data}.")
    channels, size, _ = info.image
    like = info.more.get("ink")
    if like is None:
        return read_image(source, size=size, channels=channels, invert=bool(info.more.get("invert", False)))
    scan = prepare_scan(source, like)
    return _fitted(scan[None], torch.zeros(1, dtype=torch.long), size, channels).columns["image"][0].contiguous()


def _fitted(
    images: Float[Tensor, "n 1 h w"], labels: Int64[Tensor, "n"], size: int, channels: int, invert: bool = False
) -> TensorExamples:
    if images.shape[-1] != size:
        images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True).clamp(0, 1)
    if invert:
        images = 1 - images
    if channels != 1:
        images = repeat(images, "n 1 h w -> n channels h w", channels=channels)
    return TensorExamples({"image": images, "label": labels})


def _color(choice: str, size: int) -> tuple[str, tuple[str, ...], list[Colored]]:
    """What it is called, its classes, and its parts, of photos in color."""
    if choice in GLYPHS:
        return choice, GLYPHS[choice], list(glyphs(choice, size).values())
    subset = choice in SUBSETS
    name = choice.removesuffix("-subset")
    path, whole = fetch_archive(name, subset=subset)
    if name == "hymenoptera":
        classes, train, test, whole = read_hymenoptera(path, size, subset=subset)
        train, valid = _cut(train, stratified(train[1], [84, 16]))
    else:
        batches, classes = read_cifar(path)
        train, valid, test = _cifar_parts(batches, subset=subset)
        whole = whole and not subset
    called = name if whole else f"{name} subset ({len(train[1]) + len(valid[1]):,} + {len(test[1]):,})"
    return called, classes, [train, valid, test]


def _cifar_parts(batches: dict[str, tuple[np.ndarray, np.ndarray]], subset: bool) -> list[Colored]:
    """A tenth of the training part is kept to decide by. The subset is the first 4,000 and the first 1,000 pictures."""
    train = [batches[name] for name in sorted(batches) if name.startswith("data_batch")]
    first = slice(4_000 if subset else None), slice(1_000 if subset else None)
    pairs = train[:1] if subset else train
    image, label = (torch.from_numpy(np.concatenate(part)[first[0]]) for part in zip(*pairs, strict=True))
    test = tuple(torch.tensor(part[first[1]]) for part in batches["test_batch"])
    numbers = split(len(image), [0.9, 0.1])
    return [*_cut((image, label), numbers), (test[0], test[1])]


def _cut(part: Colored, numbers: Sequence[Int64[Tensor, "_"]]) -> list[Colored]:
    return [(part[0][chosen], part[1][chosen]) for chosen in numbers]


def _refitted(
    image: UInt8[Tensor, "n 3 h w"], size: int, channels: int, invert: bool
) -> UInt8[Tensor, "n channels size size"]:
    """Other sizes and kinds of color pictures, some at a time, because floats take four times the memory of bytes."""
    pieces = []
    for piece in image.split(1024):
        values = piece.float()
        if channels == 1:
            values = (values * BRIGHTNESS[:, None, None]).sum(dim=1, keepdim=True)
        if values.shape[-1] != size:
            values = F.interpolate(values, size=(size, size), mode="bilinear", antialias=True).clamp(0, 255)
        pieces.append(values.round().to(torch.uint8))
    whole = torch.cat(pieces)
    return 255 - whole if invert else whole


def _digits() -> list[Part]:
    from sklearn.datasets import load_digits

    scans = load_digits()
    images = torch.from_numpy(scans.images).float()[:, None] / 16  # each pixel counts how many of 4 x 4 had ink
    labels = torch.from_numpy(scans.target).long()
    return [(images[part], labels[part]) for part in stratified(labels, [1257, 180, 360])]


def _mnist(name: str) -> list[Part]:
    """MNIST and the sets that took over its files; 5,000 of the 60,000 are kept to decide by."""
    images, labels = _idx_pair(name, "train", 60_000)
    train, valid = split(len(images), [55_000, 5_000])
    return [_scaled(images[part], labels[part]) for part in (train, valid)] + [
        _scaled(*_idx_pair(name, "t10k", 10_000))
    ]


def _idx_pair(name: str, part: str, count: int) -> tuple[Shaped[Tensor, "n h w"], Shaped[Tensor, "n"]]:
    images = read_idx(fetch(name, f"{part}-images-idx3-ubyte.gz"), axes=3)
    labels = read_idx(fetch(name, f"{part}-labels-idx1-ubyte.gz"), axes=1)
    if images.shape != (count, 28, 28) or labels.shape != (count,) or labels.max() > 9:
        raise WorldError(f"expected {count:,} pictures of 28 x 28 and as many labels from 0 to 9 in {name}, "
                         f"came {images.shape} and {labels.shape}.")  # fmt: skip
    return torch.from_numpy(np.array(images)), torch.from_numpy(np.array(labels))


def _scaled(images: Shaped[Tensor, "n h w"], labels: Shaped[Tensor, "n"]) -> Part:
    return images[:, None].float().div_(255), labels.long()
