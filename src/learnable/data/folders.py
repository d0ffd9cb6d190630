"""A folder of the user's own pictures: each sub-folder is a class and bears its name.

photos/cats/1.jpg          or, already cut:      photos/train/cats/1.jpg
photos/dogs/2.png                                photos/valid/cats/7.jpg
"""

import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from learnable.data.examples import Data, ImageBytes, Info
from learnable.data.pictures import SUFFIXES, as_bytes, decoded, quiet_pillow
from learnable.errors import WorldError

PARTS = {"train": "train", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}
SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}
FEWEST = 3  # pictures per class: one for each part

Listing = dict[str, list[Path]]  # class -> its pictures


def labeled_folder(folder: Path, *, size: int, channels: int, invert: bool = False) -> Data:
    """All pictures below `folder`, read once into memory, as bytes.

    Where it has `train/` (and `val/`, `valid/` or `test/`) above the classes, these parts are kept, and one that is
    missing is cut from `train`; else 70 %, 10 % and 20 % of each class become the three parts. Hidden files and other
    files than pictures are left out; `info.more["ignored"]` counts them.

    Raises:
        WorldError: there are no pictures, no sub-folders, one class, a class with fewer than three pictures, or a
            picture that cannot be read; the message names it and says how many are fine.
    """
    parts, ignored = _listings(folder)
    classes = sorted(parts["train"], key=natural)
    _check(folder, parts, classes)
    paths = {
        part: [(path, classes.index(name)) for name in classes for path in listing.get(name, [])]
        for part, listing in parts.items()
    }
    images = _read_all(folder, [path for part in paths.values() for path, _ in part], size, channels, invert)
    labels = torch.tensor([label for part in paths.values() for _, label in part], dtype=torch.long)

    numbers = dict(zip(paths, torch.arange(len(labels)).split([len(part) for part in paths.values()]), strict=True))
    missing = [part for part in SHARES if part not in numbers]
    if missing:
        wanted = ["train", *missing]
        cut = stratified(labels[numbers["train"]], [SHARES[part] for part in wanted])
        numbers |= dict(zip(wanted, (numbers["train"][part] for part in cut), strict=True))

    more: dict[str, object] = {"ink": None, "invert": invert}
    if ignored:
        more["ignored"] = f"{ignored} hidden files or files that are no pictures by their name"
    if missing and len(missing) < 2:
        more["cut"] = f"{' and '.join(missing)} cut from the folder train"
    info = Info(data=f"folder {folder.resolve().name}", classes=tuple(classes), image=(channels, size, size), more=more)
    return Data(info, *(ImageBytes(images[numbers[part]], labels[numbers[part]]) for part in SHARES))


def stratified(
    labels: Int64[Tensor, "examples"], shares: Sequence[float], seed: int = 0
) -> list[Int64[Tensor, "part"]]:
    """Shuffle the examples and cut them into parts of these shares, class by class, so that each part has all classes.

    Every part gets at least one example of every class that has one for each; what is lost by rounding in one class
    is made up for in the next, so the parts have the size that they would have without classes.

    >>> [part.numel() for part in stratified(torch.tensor([0] * 60 + [1] * 40), [70, 10, 20])]
    [70, 10, 20]
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    parts: list[list[Tensor]] = [[] for _ in shares]
    owed = [0.0] * len(shares)  # of each part but the first, which gets the rest
    for label in labels.unique():
        members = order[labels[order] == label]
        counts = [0] * len(shares)
        for part in range(1, len(shares)):
            owed[part] += len(members) * shares[part] / sum(shares)
            room = len(members) - sum(counts) - (len(shares) - part)  # one is kept for each part that is yet to come
            counts[part] = max(0, min(max(1, round(owed[part])), room))
            owed[part] = min(max(owed[part] - counts[part], -0.5), 0.5)
        counts[0] = len(members) - sum(counts)
        ends = torch.tensor(counts).cumsum(0)[:-1].tolist()
        for pieces, numbers in zip(parts, members.tensor_split(ends), strict=True):
            pieces.append(numbers)
    groups = [torch.cat(pieces) for pieces in parts]
    return [group[torch.randperm(len(group), generator=generator)] for group in groups]


def natural(name: str) -> list[tuple[int, int, str]]:
    """The order in which people sort names: 9 comes before 10.

    >>> sorted(["class 10", "class 9"], key=natural)
    ['class 9', 'class 10']
    """
    pieces = enumerate(re.split(r"([0-9]+)", name))  # words and numbers by turns
    order = [(0, int(piece), "") if number % 2 else (1, 0, piece.casefold()) for number, piece in pieces]
    return [*order, (2, 0, name)]


def _listings(folder: Path) -> tuple[dict[str, Listing], int]:
    """The pictures of each part and class, and how many files were left out."""
    try:
        top = _pictures_by_class(folder)
        cut: dict[str, Path] = {}
        for child in _folders(folder):
            part = PARTS.get(child.name.lower())
            if part in cut:
                raise WorldError(f"both {cut[part].name} and {child.name} of {folder} are the part '{part}'; keep one.")
            if part is not None:
                cut[part] = child
        if "train" in cut and any(_pictures_by_class(cut["train"])[0].values()):
            found = {part: _pictures_by_class(cut[part]) for part in SHARES if part in cut}
            ignored = _files_below(folder, but=list(cut.values())) + sum(count for _, count in found.values())
            return {part: listing for part, (listing, _) in found.items()}, ignored
        return {"train": top[0]}, top[1]
    except OSError as error:
        raise WorldError(f"the folder {folder} cannot be read: {error.strerror or error}.") from error


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith((".", "__")))


def _pictures_by_class(folder: Path) -> tuple[Listing, int]:
    listing = {child.name: sorted(_pictures(child), key=lambda path: natural(str(path))) for child in _folders(folder)}
    return listing, _files_below(folder) - sum(map(len, listing.values()))


def _pictures(folder: Path) -> list[Path]:
    return [
        Path(place) / name
        for place, _, names in os.walk(folder, onerror=_raise)
        for name in names
        if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
    ]


def _files_in(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder, onerror=_raise))


def _files_below(folder: Path, but: Sequence[Path] = ()) -> int:
    """Files in the folder and its sub-folders. A sub-folder may be a link: then it is entered, as it is for pictures."""
    return sum(_files_in(child) if child.is_dir() else 1 for child in folder.iterdir() if child not in but)


def _raise(error: OSError) -> None:
    raise error


def _check(folder: Path, parts: dict[str, Listing], classes: list[str]) -> None:
    """Raise WorldError for all that can be seen wrong without opening a picture."""
    layout = f"expected {folder}/<class>/<picture>, a sub-folder for each of two or more classes"
    train = parts["train"]
    if not any(train.values()):
        loose = [child for child in folder.iterdir() if child.suffix.lower() in SUFFIXES]
        if loose:
            raise WorldError(f"{layout}; came {len(loose)} pictures without a sub-folder (such as {loose[0].name}): "
                             "move each into a folder named after its class.")  # fmt: skip
        raise WorldError(f"{layout}; came no picture at all. Pictures end in: {' '.join(sorted(SUFFIXES))}.")
    if len(classes) == 1:
        only = folder / classes[0]
        deeper = len([child for child in only.glob("*") if child.is_dir()]) > 1
        hint = f"Are its sub-folders the classes? Then name {only}." if deeper else "Add another folder."
        raise WorldError(f"{layout}; came one class, '{classes[0]}': there is nothing to tell apart. {hint}")
    cut = 1 + sum(part not in parts for part in SHARES)  # parts that are made from the folder of the training part
    for name in classes:
        if len(train[name]) < cut:
            raise WorldError(f"expected at least {cut} pictures in each class, came {len(train[name])} in '{name}'; "
                             "add pictures, or remove the folder.")  # fmt: skip
    for part, listing in parts.items():
        strange = [name for name in listing if name not in train]
        if strange:
            raise WorldError(
                f"the part '{part}' of {folder} has the class '{strange[0]}', which the training part has not."
            )
        if not any(listing.values()):
            raise WorldError(f"the part '{part}' of {folder} has no pictures; add some or remove its folder.")


def _read_all(
    folder: Path, paths: list[Path], size: int, channels: int, invert: bool
) -> UInt8[Tensor, "n channels size size"]:
    """Every picture, several at a time: Pillow decodes outside of Python's lock."""
    from rich.console import Console
    from rich.progress import track

    images = torch.empty(len(paths), channels, size, size, dtype=torch.uint8)
    broken: list[WorldError] = []

    def read(number: int) -> None:
        try:
            images[number] = as_bytes(decoded(paths[number], size, channels, invert))
        except WorldError as error:
            broken.append(error)

    console = Console(stderr=True)
    with quiet_pillow(), ThreadPoolExecutor() as pool:
        jobs = pool.map(read, range(len(paths)))
        for _ in track(
            jobs, "reading pictures", len(paths), console=console, transient=True, disable=not sys.stderr.isatty()
        ):
            pass
    if broken:
        others = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise WorldError(f"{broken[0]} Of the {len(paths)} pictures in {folder}, {len(paths) - len(broken)} are fine; "
                         f"this one{others} must be mended or removed.")  # fmt: skip
    return images
