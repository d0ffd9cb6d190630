"""Collections of photos: ants and bees to learn from, and some of ImageNet to try a model on."""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from learnable.data.fetch import fetch
from learnable.data.pictures import SUFFIXES, as_bytes, decoded, quiet_pillow
from learnable.data.registry import find
from learnable.errors import WorldError

Photos = tuple[UInt8[Tensor, "_ 3 size size"], Int64[Tensor, "_"]]

HYMENOPTERA = ("ants", "bees")
WHOLE = 244 + 153
SUBSET = {"train": 60, "val": 35}  # photos per class, the first by name


def read_hymenoptera(path: Path, size: int, *, subset: bool) -> tuple[tuple[str, ...], Photos, Photos, bool]:
    """The classes, the training part and the test part (the archive's `val`), and whether they are whole.

    Raises:
        WorldError: the archive is damaged, or a part of it is missing.
    """
    parts = []
    try:
        with zipfile.ZipFile(path) as archive:
            for part in ("train", "val"):
                names = {name: _members(archive, f"hymenoptera_data/{part}/{name}/") for name in HYMENOPTERA}
                if subset:
                    names = {name: members[: SUBSET[part]] for name, members in names.items()}
                label = [number for number, name in enumerate(HYMENOPTERA) for _ in names[name]]
                if len(set(label)) != len(HYMENOPTERA):
                    raise WorldError(f"expected photos of {' and '.join(HYMENOPTERA)} for {part} in {path}; "
                                     "remove it and get it again.")  # fmt: skip
                files = [archive.read(member) for members in names.values() for member in members]
                parts.append((_read(files, size), torch.tensor(label)))
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise WorldError(f"{path} is no whole archive ({error}); remove it and get it again.") from error
    train, test = parts
    return HYMENOPTERA, train, test, len(train[1]) + len(test[1]) >= WHOLE


def imagenet_samples(name: str = "imagenet-samples") -> dict[str, Path]:
    """The class of each of a dozen photos of ImageNet, and where it lies on this machine."""
    files = [fetch(name, file.name) for file in find(name).files]
    return {path.stem.partition("_")[2].replace("_", " "): path for path in files}


def _members(archive: zipfile.ZipFile, folder: str) -> list[str]:
    names = [name for name in archive.namelist() if name.startswith(folder) and "/." not in name]
    return sorted(name for name in names if Path(name).suffix.lower() in SUFFIXES)


def _read(files: list[bytes], size: int) -> UInt8[Tensor, "n 3 size size"]:
    """Several at a time: Pillow decodes outside of Python's lock."""
    with quiet_pillow(), ThreadPoolExecutor() as pool:
        pictures = pool.map(lambda data: as_bytes(decoded(data, size, 3, False)), files)
        return torch.stack(list(pictures))
