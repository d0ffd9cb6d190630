"""Published checkpoints: a folder with `config.json` and safetensors, whole or in shards; read, written, fetched from a hub.

Safetensors holds numbers and names, nothing that runs, and is mapped into memory rather than read. A pickle can run code when
it is opened; it is read only if asked for, and then by a reader that knows tensors alone.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from learnable import tensors
from learnable.errors import CallError, WorldError
from learnable.files import write_aside, write_json
from learnable.home import data_folder

WHOLE = "model.safetensors"
SHARDS = "model.safetensors.index.json"
# What says how a text becomes tokens; each repository has some of them.
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
PREPARATION = "preprocessor_config.json"  # how transformers prepares pictures
PICKLE = "pytorch_model.bin"
PICKLE_SHARDS = "pytorch_model.bin.index.json"
# Where training programs keep the weights in a file that holds more: timm, torchvision, Lightning, and what tutorials call it.
INSIDE = ("state_dict", "model", "model_state_dict", "net", "weights", "state_dict_ema", "model_ema")
# What stands before every name of a model that ran in parallel, or compiled.
WRAPPERS = ("module.", "_orig_mod.")


def read_checkpoint(place: str | Path, *, allow_pickle: bool = False) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and the tensors of a checkpoint, as they stand in the files; the tensors are mapped, so copy what you keep.

    Args:
        place: a folder, a .safetensors file beside its config.json, or "owner/name" on the Hugging Face hub.
        allow_pickle: read `pytorch_model.bin` where there is no safetensors file.

    Raises:
        WorldError: nothing there, no network, a torn file, or pickles alone.
    """
    path = Path(place).expanduser()
    if path.is_file():
        return _config(path.parent), tensors.read(path)
    folder = path if path.is_dir() else download(str(place))
    config = _config(folder)
    if (folder / WHOLE).is_file():
        return config, tensors.read(folder / WHOLE)
    if (folder / SHARDS).is_file():
        return config, _read_shards(folder / SHARDS, tensors.read)
    pickles = [folder / name for name in (PICKLE, PICKLE_SHARDS) if (folder / name).is_file()]
    if not pickles:
        raise WorldError(f"expected {WHOLE} or {SHARDS} in {folder}, came {listed(folder)}")
    if not allow_pickle:
        raise WorldError(f"{folder} holds its weights as a pickle ({pickles[0].name}) alone, a kind of file that can run code. "
                         "If you trust where it comes from, pass allow_pickle=True; safetensors is better.")  # fmt: skip
    if pickles[0].name == PICKLE:
        return config, read_pickle(pickles[0])
    return config, _read_shards(pickles[0], read_pickle)


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / "config.json").is_file():
        raise WorldError(f"expected config.json beside the weights in {folder}, came {listed(folder)}. It says what no tensor shows, the "
                         "number of heads say; put the one there that belongs to these weights: it is in the folder that they were "
                         "published in, and save_pretrained writes it")  # fmt: skip
    return read_json(folder / "config.json")


def write_checkpoint(folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Write `config.json` and `model.safetensors`, each in one step; shards of an earlier save are removed.

    Raises:
        WorldError: the disk is full or the folder cannot be written to.
    """
    with write_aside(folder / WHOLE) as aside:
        tensors.write(aside, state)
    write_json(folder / "config.json", dict(config))
    _remove_shards(folder)


def _remove_shards(folder: Path) -> None:
    """Remove an index and the shards that it names, the index first: shards without one mislead nobody."""
    index = folder / SHARDS
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = {file for file in places.values() if isinstance(file, str)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none there, or damaged: it names nothing
        files = set()
    try:
        index.unlink(missing_ok=True)
        for file in files - {WHOLE}:
            if Path(file).name == file and file.endswith(".safetensors"):  # whatever else it names is no shard of ours
                (folder / file).unlink(missing_ok=True)
    except OSError as error:
        raise WorldError(f"the shards of an earlier save in {folder} cannot be removed ({error.strerror or error}); "
                         f"the new {WHOLE} is whole, remove them by hand") from error  # fmt: skip


def download(name: str) -> Path:
    """Fetch the config, the safetensors and the tokenizer of "owner/name" from the Hugging Face hub, or find them in its cache.

    Raises:
        WorldError: not such a name, the extra is not installed, no network, or no such repository.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name):
        raise WorldError(f"there is no folder or file {name}; a model on the Hugging Face hub is named owner/name, such as "
                         "openai-community/gpt2")  # fmt: skip
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise WorldError(f"there is no folder {name}, and to fetch it from the Hugging Face hub one more package is needed: "
                         "pip install 'learnable[hub]'") from error  # fmt: skip
    wanted = ["config.json", PREPARATION, WHOLE, SHARDS, "model-*-of-*.safetensors", *TOKENIZER]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except CallError:
        raise
    except Exception as error:  # it raises its own, its HTTP library's and the system's, depending on its version
        raise WorldError(f"{name} could not be fetched from the Hugging Face hub ({type(error).__name__}: "
                         f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no details'}). Is the name right, "
                         "and is there a network? A folder of your own works without one.") from error  # fmt: skip


def at_hand(name: str, address: str = "") -> bool:
    """Whether weights can be had without a network: "owner/name" in the hub's own cache, or the file of an address in ours."""
    if address:
        mirror = os.environ.get("LEARNABLE_DATA_MIRROR")
        folders = [data_folder(), *([Path(mirror).expanduser()] if mirror else [])]
        return any((folder / "weights" / address.rpartition("/")[2]).is_file() for folder in folders)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    return isinstance(try_to_load_from_cache(name, WHOLE), str)


def fetch_file(address: str) -> Path:
    """A single file of weights, kept in the data folder; the eight digits at the end of its name begin its sha256.

    Raises:
        WorldError: no network, a full disk, or another file than its name says.
    """
    name = address.rpartition("/")[2]
    path = data_folder() / "weights" / name
    digits = re.search(r"-([0-9a-f]{8,})\.", name)
    if digits is None:
        raise WorldError(f"expected a name that ends in the beginning of its sha256, came {name}")
    mirror = os.environ.get("LEARNABLE_DATA_MIRROR")
    mirrored = Path(mirror).expanduser() / "weights" / name if mirror else path
    for there in (path, mirrored):
        if there.is_file():
            with there.open("rb") as file:
                came = hashlib.file_digest(file, "sha256").hexdigest()
            if not came.startswith(digits[1]):
                raise WorldError(f"{there} is not the file that its name says (its sha256 begins with {came[:8]}); "
                                 "remove it and run the same command again")  # fmt: skip
            return there
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path), hash_prefix=digits[1], progress=sys.stderr.isatty())
    except Exception as error:  # the network's, the disk's, a wrong checksum: torch.hub raises what it meets
        raise WorldError(f"{name} could not be downloaded from {address} ({error}). Is there a network? Download it by other "
                         f"means and put it at {path}; a folder of your own works without.") from error  # fmt: skip
    return path


def _read_shards(index: Path, read: Any) -> dict[str, Tensor]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(file, str) for file in places.values()):
        raise WorldError(f"expected a table 'weight_map' from tensors to files in {index}; fetch it again")
    state: dict[str, Tensor] = {}
    for file in sorted(set(places.values())):
        if Path(file).name != file:
            raise WorldError(f"{index} points out of its folder, to {file}; that is no shard")
        shard = read(index.with_name(file))
        for name in (name for name, place in places.items() if place == file):
            if name not in shard:
                raise WorldError(f"{index.name} says that {name} is in {file}, and it is not; fetch the folder again")
            state[name] = shard[name]
        if extra := [name for name in shard if name not in places]:
            raise WorldError(
                f"{file} holds {', '.join(extra[:3])}, which {index.name} does not name; fetch the folder again"
            )
    return state


def bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names that a model has by itself, without what DataParallel, torch.compile or an AveragedModel put before each.

    >>> sorted(bare({"module._orig_mod.weight": torch.zeros(1), "module._orig_mod.bias": torch.zeros(1)}))
    ['bias', 'weight']
    """
    state = dict(state)
    state.pop("n_averaged", None)  # how many models an AveragedModel is the mean of
    while prefix := next(
        (prefix for prefix in WRAPPERS if state and all(name.startswith(prefix) for name in state)), ""
    ):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `torch.save` wrote: names and numbers are read, code is not.

    A training program's checkpoint, which holds the table of tensors beside an optimizer's state and more, is opened too.

    Raises:
        WorldError: no such file, damaged, objects other than tensors and numbers, or no table of tensors or several.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WorldError(f"there is no file {path}") from error
    except Exception as error:  # UnpicklingError, EOFError, RuntimeError: whatever a damaged or hostile file provokes
        raise WorldError(f"{path} is damaged, cut short, or holds more than tensors; it was not opened. If it is your own, save "
                         "its weights alone: torch.save(model.state_dict(), FILE)") from error  # fmt: skip
    if _is_table(state):
        return bare(state)
    inside = [key for key in INSIDE if _is_table(state.get(key))] if isinstance(state, dict) else []
    if len(inside) > 1:
        raise WorldError(f"{path} holds several tables of tensors ({', '.join(inside)}); save the one that you want by itself: "
                         f"torch.save(torch.load({path.name!r})[{inside[-1]!r}], FILE)")  # fmt: skip
    if not inside:
        raise WorldError(
            f"expected a table from names to tensors in {path}, came {type(state).__name__} of other things"
        )
    return bare(state[inside[0]])


def _is_table(value: object) -> TypeGuard[dict[str, Tensor]]:
    return isinstance(value, dict) and bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def read_json(path: Path) -> dict[str, Any]:
    """An object in a file.

    Raises:
        WorldError: no such file, damaged, or something else in it.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WorldError(
            f"there is no {path.name} in {path.parent}; a checkpoint needs it beside its weights"
        ) from error
    except (OSError, ValueError) as error:
        raise WorldError(f"{path} cannot be read, it is damaged or cut short ({error})") from error
    if not isinstance(value, dict):
        raise WorldError(f"expected an object in {path}, came {type(value).__name__}")
    return value


def listed(folder: Path) -> str:
    """What is in a folder, for a message."""
    names = sorted(file.name for file in folder.iterdir())
    return ", ".join(names[:6]) + (" and more" if len(names) > 6 else "") if names else "an empty folder"
