"""Tables (CSV): rows of numbers and words, and the class of each row.

A network reads numbers of about the size of 1, so a column of numbers is brought to mean 0 and deviation 1, and a
column of words becomes one column of zeros and ones per word. All that is learned for this (means, words ...) is
learned from the training part alone and kept in `info.more["columns"]`, so that new rows are read in the same way.

The file is read by Python's `csv` rather than by pandas: pandas fills up a row that is too short without a word.
"""

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from learnable.data.examples import Data, Info, TensorExamples
from learnable.data.fetch import fetch
from learnable.data.folders import natural, stratified
from learnable.data.registry import name_or_path
from learnable.data.text import read_text
from learnable.errors import WorldError, unknown

SHARES = (70, 10, 20)  # percent: train, valid, test
FEWEST = 3  # rows per class: one for each part
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})  # what people write where nothing is known
MANY_WORDS = 100  # a column with more words than this is an identity or a text, no category
LARGEST = 1e30  # beyond it, squares do not fit into float32 any more
NAMES = ("iris", "adult")

IRIS = ("sepal length", "sepal width", "petal length", "petal width", "species")
ADULT = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
)  # fmt: skip

# What was learned about a column, as plain JSON. Of numbers: "name", "median", "mean", "deviation", and "gaps" where
# some were missing. Of words: "name", "words".
Column = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A rectangle of cells, as they are written in the file."""

    name: str
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]  # where each row ends in the file, for messages

    def column(self, name: str) -> list[str]:
        """One column's cells from top to bottom."""
        number = self.header.index(name)
        return [row[number] for row in self.rows]

    def take(self, numbers: Int64[Tensor, "rows"]) -> "Table":
        """The table of these rows alone."""
        chosen = numbers.tolist()
        return Table(self.name, self.header, [self.rows[i] for i in chosen], [self.lines[i] for i in chosen])


def table(source: str | None = None, *, target: str | None = None) -> Data:
    """The rows of a CSV file with the keys `features` (examples, width) and `label`.

    Args:
        source: "iris" (also None), "adult", or the path of a CSV file, with or without a line of names on top.
        target: the name of the column that says the class; the last one if nothing is said.

    Missing numbers become the median, and a column more says where that was done. A column of more than a hundred
    different words, or of nothing, is left out, and `info.more["left_out"]` names it.

    Raises:
        CallError: no such data set or column.
        WorldError: no such file, no CSV, rows of different lengths, no rows, no column of numbers, a word among
            numbers, fewer than two classes, a class with fewer than three rows.
    """
    choice = name_or_path(source, NAMES)
    if choice == "adult":
        found, kept = _adult("adult.data"), _adult("adult.test")
    else:
        found, kept = _all_rows(choice), None
    target = found.header[-1] if target is None else target
    if target not in found.header:
        raise unknown(f"column of {found.name}", target, found.header)
    classes = _classes(found, target)
    labels = _labels(found, target, classes)
    if kept is None:
        parts = [found.take(numbers) for numbers in stratified(labels, SHARES)]
    else:
        parts = [found.take(numbers) for numbers in stratified(labels, [90, 10])] + [kept]

    columns, left_out = learn_columns(parts[0], leave=target)
    examples = [
        TensorExamples({"features": numbers_of(part, columns), "label": _labels(part, target, classes)})
        for part in parts
    ]
    more: dict[str, Any] = {"target": target, "columns": columns}
    if left_out:
        more["left_out"] = f"empty, or more than {MANY_WORDS} different words: {', '.join(left_out)}"
    name = choice if isinstance(choice, str) else f"table {choice.name}"
    return Data(Info(data=name, classes=classes, width=len(feature_names(columns)), more=more), *examples)


def prepare_table(path: str | Path, info: Info) -> Float[Tensor, "rows width"]:
    """New rows, as a model that was trained on the table of `info` expects them; their class may be left out.

    Raises:
        WorldError: no such file, no CSV, or a column that the model needs is missing.
    """
    found = read_table(Path(path))
    _check_columns(found, info)
    return numbers_of(found, info.more["columns"])


def table_like(source: str, info: Info) -> TensorExamples:
    """All rows of another table, with the columns, means, words and classes of the one of `info`: to test a model on it.

    Were the new table read by `table`, it would be brought to its own mean, and the model would see other numbers.

    Args:
        source: "iris", "adult" (both of its files), or the path of a CSV file; it needs the column of the class.

    Raises:
        CallError: no such data set.
        WorldError: no such file, no CSV, a column that the model needs or that of the class is missing, or a class
            that the model does not know.
    """
    found = _all_rows(name_or_path(source, NAMES))
    _check_columns(found, info, [info.more["target"]])
    return TensorExamples(
        {
            "features": numbers_of(found, info.more["columns"]),
            "label": _labels(found, info.more["target"], info.classes),
        }
    )


def point_table(path: str | Path) -> Float64[Tensor, "points 2"]:
    """The rows of a CSV file with two columns of numbers: points in the plane, in float64 and in the file's units.

    Raises:
        WorldError: no such file, no CSV, other than two columns, or a cell that is no number.
    """
    found = read_table(Path(path))
    if len(found.header) != 2:
        raise WorldError(f"expected two columns of numbers in {path}, came {len(found.header)} columns.")
    points = torch.empty(len(found.rows), 2, dtype=torch.float64)
    for i, (row, line) in enumerate(zip(found.rows, found.lines, strict=True)):
        for j, cell in enumerate(row):
            points[i, j] = _number(cell, path, line, found.header[j])
    return points


def read_table(path: Path, header: Sequence[str] | None = None) -> Table:
    """The cells of a CSV file; commas, semicolons, tabs and bars are understood.

    The first line names the columns if it holds no number; else they are called "column 1", "column 2" ...

    Raises:
        WorldError: no such file, not UTF-8, no CSV, rows of different lengths, or no rows.
    """
    if not path.exists():
        raise WorldError(f"there is no table {path} (looked for from {Path.cwd()}); check the path.")
    return parse_table(read_text(path), str(path), header)


def parse_table(text: str, name: str = "the table", header: Sequence[str] | None = None) -> Table:
    r"""The cells of a text that is CSV; see `read_table`.

    >>> parse_table("height;kind\n1.5;oak\n0.2;fern").rows
    [['1.5', 'oak'], ['0.2', 'fern']]
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise WorldError(f"{name} is no CSV: {error} in line {reader.line_num}.") from error
    if not rows:
        raise WorldError(f"{name} has no rows; give a table with a line for each example.")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            raise WorldError(
                f"expected {len(rows[0])} columns in every line of {name}, as in its first, came {len(row)} in line "
                f"{line}; a cell that holds the separator '{separator}' needs quotes."
            )
    if header is None and not any(_as_number(cell) is not None or _is_missing(cell) for cell in rows[0]):
        header, rows, lines = rows[0], rows[1:], lines[1:]
    header = [f"column {i + 1}" for i in range(len(rows[0]))] if header is None else list(header)
    if not rows:
        raise WorldError(f"{name} has names of columns and no rows; give a table with a line for each example.")
    if len(header) != len(rows[0]):
        raise WorldError(f"expected the {len(header)} columns {', '.join(header)} in {name}, came {len(rows[0])}.")
    twice = [column for column, count in Counter(header).items() if count > 1]
    if twice:
        raise WorldError(f"{name} has two columns named '{twice[0]}'; give them different names.")
    return Table(name, tuple(header), rows, lines)


def learn_columns(train: Table, leave: str) -> tuple[list[Column], list[str]]:
    """What the training part says about each column but `leave`, and the names of those that are left out.

    Raises:
        WorldError: no column of numbers, or one of numbers with a word in it.
    """
    columns: list[Column] = []
    left_out = []
    for name in train.header:
        if name == leave:
            continue
        words = {cell for cell in set(train.column(name)) if not _is_missing(cell)}
        if sum(_as_number(word) is not None for word in words) > 0.9 * len(words):  # a word among them is a slip
            cells = _values(train, name)
            known = cells[~np.isnan(cells)]
            constant = known.std() <= 1e-12 * np.abs(known).max()  # but for rounding
            columns.append(
                {
                    "name": name,
                    "median": float(np.median(known)),
                    "mean": float(known.mean()),
                    "deviation": 1.0 if constant else float(known.std()),
                    "gaps": len(known) < len(cells),
                }
            )
        elif not words or len(words) > MANY_WORDS:
            left_out.append(name)
        else:
            columns.append({"name": name, "words": sorted(words, key=natural)})
    if not any("mean" in column for column in columns):
        raise WorldError(
            f"expected at least one column of numbers beside '{leave}' in {train.name}, came none; is it a table with "
            f"a line for each example? Its columns: {', '.join(train.header)[:200]}."
        )
    return columns, left_out


def feature_names(columns: Sequence[Column]) -> list[str]:
    """What each feature is: a column's name, "name is missing", or "name = word".

    >>> feature_names([{"name": "height", "mean": 2.0, "gaps": True}, {"name": "kind", "words": ["fern", "oak"]}])
    ['height', 'height is missing', 'kind = fern', 'kind = oak']
    """
    names = []
    for column in columns:
        name = column["name"]
        if "words" in column:
            names += [f"{name} = {word}" for word in column["words"]]
        else:
            names += [name, f"{name} is missing"] if column["gaps"] else [name]
    return names


def numbers_of(found: Table, columns: Sequence[Column]) -> Float[Tensor, "rows width"]:
    """The cells as features. A word that the training part had not is none of its words: zeros everywhere.

    Raises:
        WorldError: a word stands in a column of numbers; the message names the line.
    """
    features = []
    for column in columns:
        if "words" in column:
            place = {word: i for i, word in enumerate(column["words"])}
            words = torch.tensor([place.get(cell, len(place)) for cell in found.column(column["name"])])
            features += list(F.one_hot(words, len(place) + 1)[:, :-1].float().T)
            continue
        values = _values(found, column["name"])
        missing = np.isnan(values)
        values = (np.where(missing, column["median"], values) - column["mean"]) / column["deviation"]
        features.append(torch.from_numpy(values).float())
        if column["gaps"]:
            features.append(torch.from_numpy(missing).float())
    return torch.stack(features, dim=1)


def _all_rows(choice: str | Path) -> Table:
    """A file's table, or that of a data set, whatever parts it comes in."""
    if isinstance(choice, Path):
        return read_table(choice)
    if choice == "adult":
        first, second = _adult("adult.data"), _adult("adult.test")
        return Table("adult", first.header, first.rows + second.rows, first.lines + second.lines)
    return read_table(fetch("iris", "iris.csv"), IRIS)


def _check_columns(found: Table, info: Info, more: Sequence[str] = ()) -> None:
    needed = [*(column["name"] for column in info.more["columns"]), *more]
    missing = [name for name in needed if name not in found.header]
    if missing:
        raise WorldError(f"expected the columns of {info.data} in {found.name}, and '{missing[0]}' is missing; "
                         f"there are: {', '.join(found.header)}.")  # fmt: skip


def _adult(file: str) -> Table:
    """Adult's two files: the second begins with a remark, and its classes end with a full stop."""
    text = read_text(fetch("adult", file))
    lines = [line.removesuffix(".") for line in text.splitlines() if not line.startswith("|")]
    return parse_table("\n".join(lines), file, ADULT)


def _classes(found: Table, target: str) -> tuple[str, ...]:
    counts = Counter(found.column(target))
    gap = next((line for cell, line in zip(found.column(target), found.lines, strict=True) if _is_missing(cell)), None)
    if gap is not None:
        raise WorldError(
            f"the class is missing in line {gap} of {found.name} (column '{target}'); fill it in or remove the line."
        )
    if len(counts) < 2:
        raise WorldError(f"expected two or more classes in the column '{target}' of {found.name}, came {len(counts)} "
                         f"('{next(iter(counts))}'): there is nothing to tell apart.")  # fmt: skip
    rare, count = min(counts.items(), key=lambda item: item[1])
    if count < FEWEST:
        raise WorldError(
            f"expected classes of at least {FEWEST} rows in the column '{target}' of {found.name}, came {len(counts)} "
            f"different values, of which '{rare}' has {count}. If another column is the class, name it as the target; "
            "a quantity as target (regression) is not read here."
        )
    return tuple(sorted(counts, key=natural))


def _labels(found: Table, target: str, classes: Sequence[str]) -> Int64[Tensor, "rows"]:
    place = {name: i for i, name in enumerate(classes)}
    for cell, line in zip(found.column(target), found.lines, strict=True):
        if cell not in place:
            shown = ", ".join(classes[:10]) + (" ..." if len(classes) > 10 else "")
            raise WorldError(f"expected one of the classes {shown} in the column '{target}' of {found.name}, came "
                             f"'{cell[:40]}' in line {line}; mend or remove that row.")  # fmt: skip
    return torch.tensor([place[cell] for cell in found.column(target)])


def _values(found: Table, column: str) -> np.ndarray:
    """A column of numbers in float64, NaN where one is missing."""
    read: dict[str, float] = {}  # most numbers occur more than once
    for cell, line in zip(found.column(column), found.lines, strict=True):
        if cell not in read:
            read[cell] = math.nan if _is_missing(cell) else _number(cell, found.name, line, column)
    return np.array([read[cell] for cell in found.column(column)])


def _is_missing(cell: str) -> bool:
    return cell.lower() in MISSING


def _as_number(cell: str) -> float | None:
    """The number that a cell is, or None. What Python alone takes for a number ("1_000", "infinity") is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if "_" not in cell and math.isfinite(value) else None


def _number(cell: str, name: object, line: int, column: str) -> float:
    value = _as_number(cell)
    place = f"the column '{column}' of {name}, line {line}"
    if value is None:
        raise WorldError(f"expected a number in {place}, came '{cell[:40]}'; mend it, or leave the cell empty.")
    if abs(value) > LARGEST:
        raise WorldError(f"the number {value:g} in {place} is too large to compute with (more than {LARGEST:g}).")
    return value
