"""Named tensors in a file: safetensors, which holds numbers and names and nothing that could be executed.

A tensor that has two names (a head tied to its embedding) is stored once; the file's header says under which other names it
is known, and reading gives it under all of them.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from learnable.errors import WorldError

State = Mapping[str, Tensor]
Place = tuple[Any, ...]


def write(path: Path, state: State, about: Mapping[str, str] | None = None) -> None:
    """Write a file, here and now; `learnable.files` has the ways to do it aside.

    Raises:
        OSError: as the system says, a full disk say.
    """
    stored, tied = once(state)
    header = {"format": "pt", **(about or {})} | ({"tied": json.dumps(tied)} if tied else {})
    try:
        save_file({name: _alone(tensor) for name, tensor in stored.items()}, path, header)
    except SafetensorError as error:  # it wraps the system's errors into words; the number is what we need
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(int(code[1]), os.strerror(int(code[1]))) if code else error from error


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, mapped into memory, so copy what you keep.

    Raises:
        WorldError: no such file, cut short, damaged, or something else (a pickle, say).
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
            tied = json.loads((file.metadata() or {}).get("tied", "{}"))
        return state | {name: state[kept] for name, kept in tied.items()}
    except FileNotFoundError as error:
        raise WorldError(f"there is no file {path}") from error
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
        kind = "a pickle, not safetensors" if is_pickle(path) else "damaged or cut short"
        raise WorldError(f"{path} cannot be read, it is {kind} ({error}). Fetch it again, or save it again.") from error


def once(state: State) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors without repetition, and for each further name of one the first.

    >>> import torch
    >>> weight = torch.zeros(2, 2)
    >>> stored, tied = once({"token": weight, "head": weight})
    >>> list(stored), tied
    (['token'], {'head': 'token'})
    """
    first: dict[Place, str] = {}
    stored, tied = {}, {}
    for name, tensor in state.items():
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        kept = first.setdefault(place, name) if tensor.numel() else name
        if kept == name:
            stored[name] = tensor
        else:
            tied[name] = kept
    return stored, tied


def is_pickle(path: Path) -> bool:
    """Whether the file begins like what `torch.save` writes."""
    try:
        with path.open("rb") as file:
            return file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    except OSError:
        return False


def _alone(tensor: Tensor) -> Tensor:
    """A tensor with memory of its own, row by row, as the format wants it."""
    plain = tensor.detach().cpu().contiguous()
    whole = plain.numel() * plain.element_size() == plain.untyped_storage().nbytes()
    return plain if whole else plain.clone()
