"""A model as a program that needs none of our code: `torch.export` writes its graph and weights into one `.pt2` file.

Also here is what all exports share: they know no task (any module, any example input), refuse to overwrite, run what
they made on inputs of two sizes, compare it with the model, and let the file appear only when both agree.
"""

import contextlib
import copy
import io
import itertools
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import learnable
from learnable.errors import CallError, WorldError
from learnable.files import write_aside

Inputs = tuple[Tensor, ...]
TOLERANCE = 1e-4  # of the largest output, or of 1 where all are smaller


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its answers are from the model's."""

    path: Path
    size: int  # bytes
    difference: float  # the largest, over all outputs and all inputs that were tried
    tried: tuple[str, ...]  # the shapes of these inputs


def to_program(
    model: nn.Module, example: Inputs, path: str | Path, *,
    dynamic: Sequence[str] = ("batch",), about: Mapping[str, Any] | None = None, overwrite: bool = False,
) -> Exported:  # fmt: skip
    """Write `model` as a `.pt2` file, to be used by `torch.export.load(path).module()(*inputs)`.

    Args:
        example: inputs that the model takes; their sizes matter only on the axes that `dynamic` does not free.
        dynamic: names of the leading axes that may have any size: ("batch",), or ("batch", "tokens") for sequences.
        about: what a reader should know (classes, what the input is, the run); kept inside as `about.json`.

    Raises:
        CallError: the path does not end in `.pt2`.
        WorldError: the path exists, its folder does not, the model cannot be traced, or the program differs from it.
    """
    path = destination(path, ".pt2", overwrite)
    with at_rest(model) as still:
        with quiet("torch.export"):
            free = tuple(dict.fromkeys(range(min(len(dynamic), x.dim())), torch.export.Dim.DYNAMIC) for x in example)
            program = torch.export.export(still, traceable(example, len(dynamic)), dynamic_shapes=free)
            buffer = io.BytesIO()
            torch.export.save(program, buffer, extra_files={"about.json": json.dumps(described(about))})
            buffer.seek(0)
            loaded = torch.export.load(buffer).module()
        difference, tried = compared(still, lambda inputs: flat(loaded(*inputs)), example, dynamic, "the program")
    return written(path, buffer.getvalue(), difference, tried)


# ------------------------------------------------------------------------------------------------- shared by all


def destination(path: str | Path, suffix: str, overwrite: bool) -> Path:
    """Look at the path before the work begins, not after.

    Raises:
        CallError: another suffix.
        WorldError: it exists (and may not be overwritten), it is a folder, or its folder is missing.
    """
    path = Path(path)
    if path.suffix != suffix:
        raise CallError(f"expected a path that ends in {suffix}, came {path}; try {path.with_suffix(suffix)}")
    if path.is_dir():
        raise WorldError(f"{path} is a folder; give the file a name of its own.")
    if path.exists() and not overwrite:
        raise WorldError(f"{path} exists already and is left as it is; choose another name, or say --overwrite.")
    if not path.parent.is_dir():
        raise WorldError(f"the folder {path.parent} does not exist; make it, or choose another.")
    return path


@contextlib.contextmanager
def at_rest(model: nn.Module) -> Iterator[nn.Module]:
    """The model on the CPU, as it is used and not as it is trained; afterwards all is as before.

    Normal layers only change their mode; a model that lives elsewhere is copied.
    """
    on_cpu = all(tensor.device.type == "cpu" for tensor in itertools.chain(model.parameters(), model.buffers()))
    still = model if on_cpu else copy.deepcopy(model).cpu()
    training = [module for module in still.modules() if module.training]
    still.eval()
    try:
        with torch.no_grad():
            yield still
    finally:
        for module in training:
            module.training = True


@contextlib.contextmanager
def quiet(tool: str) -> Iterator[None]:
    """Keep an exporter's chatter from the terminal, and make one sentence of its failure.

    Raises:
        WorldError: the exporter failed, be it for the model or for a defect of its own.
    """
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    except (WorldError, OSError, MemoryError):
        raise
    except Exception as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise WorldError(f"{tool} cannot take this model ({type(error).__name__}: {first[:300]}); nothing was written. "
                         "It follows tensors only: no branch may depend on their values.") from error  # fmt: skip
    finally:
        logging.disable(level)


def traceable(example: Inputs, free: int) -> Inputs:
    """The example with every free axis at least 2 long: a size of 1 would be taken for a size that never changes."""
    for axis in range(free):
        example = tuple(x.repeat_interleave(2, dim=axis) if x.shape[axis : axis + 1] == (1,) else x for x in example)
    return example


def trials(example: Inputs, dynamic: Sequence[str]) -> list[Inputs]:
    """The example itself; and others with 3 in the batch, other values, and any other free axis half as long.

    An example may be all zeros, on which much agrees that differs elsewhere: numbers are moved by fixed noise, and
    whole numbers (tokens) stay among those of the example, in another order, since no others are known to be allowed.
    """
    generator = torch.Generator().manual_seed(0)
    others = []
    for x in (tensor.cpu() for tensor in example):
        x = x[torch.arange(3) % len(x)]
        for axis in range(1, min(len(dynamic), x.dim())):
            x = x.narrow(axis, 0, max(1, x.shape[axis] // 2))
        if x.is_floating_point():
            x = x + torch.randn(x.shape, generator=generator, dtype=x.dtype)
        else:
            x = x.flatten()[torch.randperm(x.numel(), generator=generator)].reshape(x.shape)
        others.append(x)
    return [tuple(tensor.cpu() for tensor in example), tuple(others)]


def compared(
    model: nn.Module, other: Callable[[Inputs], list[Tensor]], example: Inputs, dynamic: Sequence[str], what: str
) -> tuple[float, tuple[str, ...]]:
    """The largest difference between the answers, and the shapes that were tried.

    Raises:
        WorldError: it is larger than rounding explains, or the outputs' number or shapes differ.
    """
    largest, tried = 0.0, []
    for inputs in trials(example, dynamic):
        tried.append(", ".join("x".join(map(str, x.shape)) for x in inputs))
        ours = flat(model(*inputs))
        with quiet(what):
            theirs = other(inputs)
        if [x.shape for x in ours] != [x.shape for x in theirs]:
            shapes = [[tuple(x.shape) for x in answers] for answers in (theirs, ours)]
            raise WorldError(f"{what} answers {tried[-1]} with shapes {shapes[0]}, the model with {shapes[1]}; "
                             "nothing was written.")  # fmt: skip
        for a, b in zip(ours, theirs, strict=True):
            difference = float((a.double() - b.double()).abs().max()) if a.numel() else 0.0
            if not difference <= TOLERANCE * max(1.0, float(a.double().abs().max()) if a.numel() else 1.0):
                raise WorldError(f"{what} differs from the model by {difference:.2g} on inputs of {tried[-1]}; nothing "
                                 "was written. Random layers and numbers that are not finite cause this.")  # fmt: skip
            largest = max(largest, difference)
    return largest, tuple(tried)


def flat(outputs: Any) -> list[Tensor]:
    """The tensors of an answer, however it is nested, in order."""
    return [x for x in torch.utils._pytree.tree_leaves(outputs) if isinstance(x, Tensor)]


def described(about: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is said about a model, and by which library."""
    return {"library": f"learnable {learnable.__version__}", **(about or {})}


def written(path: Path, content: bytes, difference: float, tried: tuple[str, ...]) -> Exported:
    """Put the file in its place, in one step."""
    with write_aside(path) as aside:
        aside.write_bytes(content)
    return Exported(path, path.stat().st_size, difference, tried)
