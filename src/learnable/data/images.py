"""Pictures with a label each: scans of digits, clothing, or a folder of the user's own.

Every reader gives the keys `image`, float32 of shape (examples, channels, height, width) with values from 0 to 1,
and `label`, int64. The cut into train, valid and test is the same on every machine.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import repeat
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from learnable.data.examples import Data, Info, TensorExamples, split
from learnable.data.fetch import fetch
from learnable.data.folders import labeled_folder, stratified
from learnable.data.idx import read_idx
from learnable.data.pictures import check_shape, prepare_scan, read_image
from learnable.data.registry import name_or_path
from learnable.errors import WorldError

Part = tuple[Float[Tensor, "examples 1 height width"], Int64[Tensor, "examples"]]

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
NAMES = tuple(CLASSES)


def digit_scans(source: str | None = None, *, size: int = 8, channels: int = 1, invert: bool = False) -> Data:
    """`labeled_images` at the size of scikit-learn's digits, 8 x 8 pixels, which are the default."""
    return labeled_images(source, size=size, channels=channels, invert=invert)


def labeled_images(source: str | None = None, *, size: int = 28, channels: int = 1, invert: bool = False) -> Data:
    """Pictures and their classes, each resized to `size` x `size` pixels.

    Args:
        source: "digits" (also None), "mnist", "fashion-mnist", or the path of a folder with one sub-folder per class.
        size: pixels per side.
        channels: 1 for gray, 3 for red, green, blue.
        invert: dark becomes light.

    Raises:
        CallError: no such data set; a size or a number of channels that makes no sense.
        WorldError: no such folder, or something is wrong in it: see `learnable.data.folders`.
    """
    check_shape(size, channels)
    choice = name_or_path(source, NAMES)
    if isinstance(choice, Path):
        if not choice.is_dir():
            raise WorldError(f"expected a folder with one sub-folder of pictures per class, came the file {choice}; "
                             "a table (CSV) is read by learnable.data.tables.")  # fmt: skip
        return labeled_folder(choice, size=size, channels=channels, invert=invert)
    parts = [_fitted(*part, size, channels, invert) for part in (_digits() if choice == "digits" else _mnist(choice))]
    info = Info(
        data=choice,
        classes=CLASSES[choice],
        image=(channels, size, size),
        more={"ink": None if invert else INK[choice], "invert": invert},
    )
    return Data(info, *parts)


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
