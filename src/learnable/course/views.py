"""What a lab or a figure shows: plain data, drawn alike in the page, on the static site and in a notebook.

Every view says in one sentence what is to be seen (`summary`), for a reader who does not see it. Colors are words:
query, key, value, data, model, train, validation, forward, backward, accent, gray, or "1" to "8" for categories; the
style sheet turns them into Okabe and Ito's colors, light and dark. Numbers may be lists, NumPy arrays or tensors.
`select` names a control of the lab: a click on an item sets the control to the item's number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

Numbers = Any  # a list, an array or a tensor


@dataclass(frozen=True, kw_only=True)
class View:
    """What all views have in common."""

    title: str = ""
    summary: str = ""
    wide: bool = False  # takes the whole width of the lab
    narrow: bool = False  # half of it is enough: two of them stand side by side

    kind: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """The view as JSON can say it: `kind`, and every field; NaN and infinity are null."""
        return {"kind": self.kind} | {field.name: plain(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Axis:
    label: str = ""
    log: bool = False
    low: float | None = None  # None: from the data
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line with its name at its end; `low` and `high` are the band of its spread."""

    name: str
    x: Numbers
    y: Numbers
    color: str = "accent"
    dashed: bool = False
    low: Numbers = None
    high: Numbers = None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point of a plot that is to be looked at, and why."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Lines(View):
    kind: ClassVar[str] = "lines"
    series: Sequence[Series]
    x: Axis = Axis()
    y: Axis = Axis()
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, kw_only=True)
class Bars(View):
    """One bar a label. `reference` is a line across all: chance, the expected value. `low` and `high` are whiskers."""

    kind: ClassVar[str] = "bars"
    labels: Sequence[str]
    values: Numbers
    y: Axis = Axis()
    color: str = "accent"
    highlight: Sequence[int] = ()
    reference: float | None = None
    reference_label: str = ""
    low: Numbers = None
    high: Numbers = None
    digits: int = 2
    select: str = ""


@dataclass(frozen=True, kw_only=True)
class Heatmap(View):
    """A matrix: rows downwards, columns to the right. Diverging scales have white at zero."""

    kind: ClassVar[str] = "heatmap"
    values: Numbers  # (rows, columns); null is an empty cell, such as a masked one
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    row_label: str = ""
    column_label: str = ""
    scale: str = "sequential"  # or "diverging"
    low: float | None = None
    high: float | None = None
    digits: int | None = None  # write the numbers into the cells
    highlight: Sequence[tuple[int, int]] = ()  # cells with a frame
    select: str = ""  # sets the control to the row's number


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Pixels: (height, width), or (height, width, 3) from 0 to 1."""

    pixels: Numbers
    label: str = ""
    note: str = ""
    color: str = ""  # of the label: "3" (green) for a right answer, "backward" for a wrong one
    box: tuple[float, float, float, float] | None = None  # left, top, width, height in pixels: a frame drawn upon it


@dataclass(frozen=True, kw_only=True)
class Images(View):
    kind: ClassVar[str] = "images"

    def to_json(self) -> dict[str, Any]:
        """As for every view; pixels with three digits, which is finer than a screen's 256 shades."""
        return {"kind": self.kind} | {field.name: plain(getattr(self, field.name), 3) for field in fields(self)}

    items: Sequence[Picture]
    scale: str = "gray"  # "ink" (dark on light paper), "sequential" or "diverging"
    low: float | None = None  # None: each picture from its least to its greatest
    high: float | None = None
    size: int = 64  # pixels of the screen that a picture is wide, on a wide screen
    select: str = ""
    selected: int | None = None


@dataclass(frozen=True, kw_only=True)
class Token:
    text: str
    weight: float = 0.0  # 0 to 1: how strongly it is tinted
    color: str = "accent"
    note: str = ""  # shown under it, or when pointed at


@dataclass(frozen=True, kw_only=True)
class Link:
    source: int
    target: int
    weight: float  # 0 to 1


@dataclass(frozen=True, kw_only=True)
class Tokens(View):
    """Text in pieces; with `links`, arcs run from one to another, as thick as their weight."""

    kind: ClassVar[str] = "tokens"
    tokens: Sequence[Token]
    links: Sequence[Link] = ()
    select: str = ""
    selected: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A set of points of one color."""

    name: str
    x: Numbers
    y: Numbers
    color: str = "data"
    size: float = 3.0
    labels: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Points(View):
    kind: ClassVar[str] = "points"
    clouds: Sequence[Cloud]
    x: Axis = Axis()
    y: Axis = Axis()
    equal: bool = True  # one unit is as long upwards as to the right
    select: str = ""  # sets the control to the point's number in its cloud


@dataclass(frozen=True, kw_only=True)
class Arrow:
    x: float
    y: float
    dx: float
    dy: float
    color: str = "model"


@dataclass(frozen=True, kw_only=True)
class Field(View):
    """A function of the plane as colors, with points and arrows upon it."""

    kind: ClassVar[str] = "field"
    values: Numbers  # (rows, columns): the first row is at y.low
    x: Axis  # low and high must be given
    y: Axis
    scale: str = "diverging"
    low: float | None = None
    high: float | None = None
    middle: float | None = None  # what is white on a diverging scale; None: 0
    contours: Sequence[float] = ()
    clouds: Sequence[Cloud] = ()
    arrows: Sequence[Arrow] = ()
    label: str = ""  # what the color says


@dataclass(frozen=True, kw_only=True)
class Surface(View):
    """A function of the plane as a landscape, and a path upon it."""

    kind: ClassVar[str] = "surface"
    values: Numbers  # (rows, columns)
    x: Axis
    y: Axis
    path: Numbers = None  # (points, 3)


@dataclass(frozen=True, kw_only=True)
class Node:
    id: str
    label: str
    value: str = ""  # written into it, in blue: what went forward
    gradient: str = ""  # in vermilion: what came back
    state: str = ""  # "", "active", "done", "waiting"
    kind: str = "operation"  # or "input", "output"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Edge:
    source: str
    target: str
    label: str = ""
    state: str = ""  # "", "forward", "backward"


@dataclass(frozen=True, kw_only=True)
class Graph(View):
    """A graph without cycles, laid out from left to right."""

    kind: ClassVar[str] = "graph"
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    select: str = ""


@dataclass(frozen=True, kw_only=True)
class Table(View):
    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numbers: Sequence[int] = ()  # columns that are set flush right
    highlight: Sequence[int] = ()  # rows


@dataclass(frozen=True, kw_only=True)
class Text(View):
    """Words, as they are; `code` keeps their columns. A model's own words have `prompt` before them in gray."""

    kind: ClassVar[str] = "text"
    text: str
    prompt: str = ""
    code: bool = False
    tone: str = ""  # "" or "warning"


def plain(value: Any, digits: int = 7) -> Any:
    """Views, arrays and tensors as what JSON can say; numbers with so many digits; no picture can tell seven from more.

    >>> plain(Axis(label="steps"))["label"], plain((1.0, float("nan")))
    ('steps', [1.0, None])
    """
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().tolist()
    elif hasattr(value, "tolist"):  # an array, or one of NumPy's numbers
        value = value.tolist()
    if isinstance(value, View):
        return value.to_json()
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: plain(getattr(value, field.name), digits) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(item, digits) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if value - value == 0 else None
    return value
