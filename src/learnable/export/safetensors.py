"""A model's weights in the format that everybody reads: names, shapes and numbers, nothing that could be executed.

Two shapes of it: a single `.safetensors` file, what must be known beside the weights in its header; or a folder in the
way of the Hugging Face hub, with `model.safetensors` and `config.json`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from learnable import tensors
from learnable.errors import CallError, WorldError
from learnable.export.program import Exported, described, destination
from learnable.files import write_aside, write_folder_aside


def to_safetensors(
    model: nn.Module, path: str | Path, *,
    config: Mapping[str, Any] | None = None, about: Mapping[str, Any] | None = None, overwrite: bool = False,
    files: Mapping[str, Any] | None = None, published: bool = False,
) -> Exported:  # fmt: skip
    """Write the weights of `model`: to a file if the path ends in `.safetensors`, to a new folder if it has no suffix.

    Tied weights are stored once, under their first name; the header names the others: {"head.weight": "token.weight"}.

    Args:
        config: what builds the model again; in a folder this is `config.json`.
        files: more JSON for a folder, by its file's name: a tokenizer.
        published: into a folder, by the model's own `save_pretrained`: with the names and the config that the reference library reads.
        about: what a reader should know (classes, what the input is, the run); in a folder this is `info.json`.

    Raises:
        CallError: another suffix; a folder that is to be overwritten.
        WorldError: the path exists, its folder does not, or what was written does not read back bit for bit.
    """
    path = Path(path)
    if not path.suffix and overwrite and path.exists():
        raise CallError(
            f"a folder is not overwritten: remove {path} yourself, or name a single file {path}.safetensors"
        )
    path = destination(path, path.suffix and ".safetensors", overwrite)
    stored, tied = tensors.once(model.state_dict())
    header = {"format": "pt", **tied}
    if path.suffix:
        header |= {
            key: json.dumps(value) for key, value in (("config", dict(config or {})), ("about", described(about)))
        }
        with write_aside(path) as aside:
            _write(aside, stored, header)
    else:
        with write_folder_aside(path) as aside:
            more = {"info.json": described(about), **(files or {})}
            if published:
                _write_published(model, aside)
            else:
                _write(aside / "model.safetensors", stored, header)
                more["config.json"] = dict(config or {})
            for name, value in more.items():
                (aside / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    weights = path if path.suffix else path / "model.safetensors"
    return Exported(path, weights.stat().st_size, 0.0, ("bit for bit",))


def _write_published(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    again = type(model).from_pretrained(folder, dtype=None).state_dict()
    if any(not torch.equal(tensor.cpu(), again[name]) for name, tensor in model.state_dict().items()):
        raise WorldError("what was written does not read back bit for bit; the disk may be failing. Nothing was kept.")


def _write(file: Path, state: dict[str, Tensor], header: dict[str, str]) -> None:
    content = safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, header
    )
    file.write_bytes(content)
    if file.read_bytes() != content:
        raise WorldError("what was written does not read back bit for bit; the disk may be failing. Nothing was kept.")
