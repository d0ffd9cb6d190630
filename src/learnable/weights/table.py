"""Foreign weights are a table: their name, our name, and what happens to the tensor on the way.

Two columns side by side are the documentation of how a model of ours and one of theirs correspond. A table is read in both
directions, so what we save loads into their library; and because every change is linear, it translates gradients as well.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from learnable.errors import WorldError

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Change:
    """What happens to one row's tensors; the second function undoes the first."""

    to_ours: Callable[..., Tensor]  # gets their tensors, one argument each
    to_theirs: Callable[[Tensor], Tensor | Sequence[Tensor]]


class Row(NamedTuple):
    """`#` stands for a number, the same one in every name of the row. `ours` None: a tensor that we leave out."""

    theirs: str | tuple[str, ...]
    ours: str | None
    change: Change

    @property
    def names(self) -> tuple[str, ...]:
        return (self.theirs,) if isinstance(self.theirs, str) else self.theirs


Table = Sequence[Row]


same = Change(lambda tensor: tensor, lambda tensor: tensor)
transpose = Change(lambda tensor: tensor.t(), lambda tensor: tensor.t())


def join(count: int, dim: int = 0) -> Change:
    """`count` tensors of theirs, equally large, become one of ours: query, key and value in a single matrix, say."""
    return Change(lambda *parts: torch.cat(parts, dim), lambda tensor: tensor.chunk(count, dim))


def translate(state: State, table: Table, like: State | None = None) -> dict[str, Tensor]:
    """Their tensors under our names and in our shapes.

    Args:
        like: our model's own state (on the meta device will do). Where it is given, the tensors have to be exactly those that
            this model needs, and what is wrong is said in the names that stand in the file.

    Raises:
        WorldError: tensors are missing, have no row, or have another shape than `like` asks for.

    >>> table = [Row("h.#.fc.weight", "blocks.#.up.weight", transpose)]
    >>> {name: tuple(tensor.shape) for name, tensor in translate({"h.3.fc.weight": torch.zeros(2, 5)}, table).items()}
    {'blocks.3.up.weight': (5, 2)}
    """
    if like is not None:
        _compare(state, untranslate(like, table), table)
    gathered: dict[str, tuple[Row, dict[str, Tensor]]] = {}
    for name, tensor in state.items():
        row, pattern, numbers = _find(name, table)
        if row.ours is not None:
            gathered.setdefault(_fill(row.ours, numbers), (row, {}))[1][pattern] = tensor
    translated = {}
    for ours, (row, parts) in gathered.items():
        if missing := [name for name in row.names if name not in parts]:
            raise WorldError(f"{ours} is made of {' and '.join(row.names)}; missing: {', '.join(missing)}")
        translated[ours] = row.change.to_ours(*(parts[name] for name in row.names))
    return translated


def untranslate(state: State, table: Table) -> dict[str, Tensor]:
    """Our tensors under their names and in their shapes: `translate`, backwards.

    Raises:
        WorldError: a tensor of ours has no row.
    """
    translated = {}
    for name, tensor in state.items():
        row, numbers = next(
            ((row, found.groups()) for row in table if row.ours and (found := _pattern(row.ours).fullmatch(name))),
            (None, ()),
        )
        if row is None:
            raise WorldError(f"the table has no row for our {name} of shape {tuple(tensor.shape)}")
        parts = row.change.to_theirs(tensor)
        for theirs, part in zip(row.names, [parts] if isinstance(parts, Tensor) else parts, strict=True):
            translated[_fill(theirs, numbers)] = part
    return translated


def copies(state: State, dtype: torch.dtype | None) -> dict[str, Tensor]:
    """The tensors in memory of their own, as files are only mapped; numbers with a point become `dtype`, if one is named.

    Where some are not finite then, a warning says how many there are of them and where.

    >>> copies({"w": torch.zeros(2, dtype=torch.half), "n": torch.tensor(3)}, torch.float32)["w"].dtype
    torch.float32
    """
    own = {
        name: torch.empty_like(
            tensor, dtype=dtype if tensor.is_floating_point() else None, memory_format=torch.contiguous_format
        ).copy_(tensor)
        for name, tensor in state.items()
    }
    if strange := {name: count for name, tensor in own.items() if (count := _not_finite(tensor))}:
        shown = ", ".join(f"{count:,} of {own[name].numel():,} in {name}" for name, count in [*strange.items()][:3])
        more = f" and some in {len(strange) - 3} more" if len(strange) > 3 else ""
        warnings.warn(f"numbers among the weights are not finite (NaN or infinite): {shown}{more}. What the model computes of them "
                      "means nothing; did its training run away, or was it saved in a type too narrow?", stacklevel=3)  # fmt: skip
    return own


def _not_finite(tensor: Tensor) -> int:
    """How many numbers are NaN or infinite; the extremes show whether there are any, at a tenth of what copying costs."""
    if (
        not tensor.is_floating_point() or tensor.itemsize < 2 or tensor.is_meta or not tensor.numel()
    ):  # eight bits have no aminmax
        return 0
    return 0 if torch.stack(torch.aminmax(tensor)).isfinite().all() else int((~tensor.isfinite()).sum())


def unmentioned(state: State, table: Table) -> list[str]:
    """Their tensors that have no row: none where the table is that of the library that wrote the file.

    >>> unmentioned({"h.0.fc.weight": torch.zeros(1), "odd": torch.zeros(1)}, [Row("h.#.fc.weight", None, same)])
    ['odd']
    """
    patterns = [_pattern(pattern) for _, pattern in _names(table)]
    return [name for name in state if not any(pattern.fullmatch(name) for pattern in patterns)]


def _compare(state: State, expected: State, table: Table) -> None:
    left_out = [row.names[0] for row in table if row.ours is None]
    wrong = [f"missing: {name} of shape {tuple(expected[name].shape)}" for name in expected if name not in state]
    for name, tensor in state.items():
        if name in expected and tensor.shape != expected[name].shape:
            wrong.append(f"{name}: expected shape {tuple(expected[name].shape)}, came {tuple(tensor.shape)}")
        elif name in expected and tensor.is_floating_point() != expected[name].is_floating_point():
            wrong.append(f"{name}: expected {str(expected[name].dtype).removeprefix('torch.')}, came "
                         f"{str(tensor.dtype).removeprefix('torch.')}")  # fmt: skip
        elif name not in expected and not any(_pattern(pattern).fullmatch(name) for pattern in left_out):
            wrong.append(f"not expected: {name} of shape {tuple(tensor.shape)}")
    if wrong:
        shown = "; ".join(wrong[:6]) + (f"; and {len(wrong) - 6} more" if len(wrong) > 6 else "")
        raise WorldError(f"the weights do not fit the model that their config describes. {shown}. "
                         "Was the file saved by another model, or with another config?")  # fmt: skip


def _find(name: str, table: Table) -> tuple[Row, str, tuple[str, ...]]:
    for row, pattern in _names(table):
        if found := _pattern(pattern).fullmatch(name):
            return row, pattern, found.groups()
    raise WorldError(f"the table has no row for their {name}; is it a checkpoint of another kind of model?")


def _names(table: Table) -> Iterator[tuple[Row, str]]:
    for row in table:
        for name in row.names:
            yield row, name


@lru_cache(maxsize=4096)
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\#", r"(\d+)"))


def _fill(name: str, numbers: Sequence[str]) -> str:
    for number in numbers:
        name = name.replace("#", number, 1)
    return name
