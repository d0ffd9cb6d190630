"""A lab: controls declared as data, and a plain function from their values to views.

A lesson's `lab.py` holds `LABS`, one `Lab` a name. The file is read by the server, which does not import torch:
whatever is heavy is imported inside the functions. Two kinds of lab:

    Lab(title, controls, show=f)    f(state, **values) -> views        answers every control at once
    Lab(title, controls, play=g)    g(state, knobs) -> iterator of views    trains, step by step; `knobs.rate` is what
                                    the control says now, so a knob can be turned while it runs

`prepare()` runs once in each worker, before the first picture. It may yield `Progress` while it works (training a
small network takes seconds) and returns `state`; without it `state` is None. A reset begins a play anew.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from learnable.course.views import View, plain
from learnable.errors import CallError


@dataclass(frozen=True)
class Control:
    """What a reader can turn. Its name is the argument of the lab's function."""

    name: str
    label: str

    kind: ClassVar[str] = ""

    def check(self, value: Any) -> Any:
        """The value as the lab's function takes it.

        Raises:
            CallError: it is none that the control can take.
        """
        return value

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind} | {key: plain(value) for key, value in self.__dict__.items()}

    def ends(self) -> tuple[Any, ...]:
        """The values at which a lab breaks, if it breaks: a test tries each."""
        return (self.default,)  # type: ignore[attr-defined]

    def _refuse(self, expected: str, value: Any) -> CallError:
        return CallError(f"{self.name}: expected {expected}, came {str(value)[:80]!r}")


@dataclass(frozen=True)
class Slider(Control):
    """A number between two ends. `step=1` with whole ends makes it a whole number; `log` moves by factors."""

    low: float
    high: float
    default: float
    step: float = 0.0  # 0: a hundredth of the way
    unit: str = ""
    log: bool = False
    help: str = ""

    kind: ClassVar[str] = "slider"

    @property
    def whole(self) -> bool:
        return not self.log and self.step == int(self.step) != 0 and self.low == int(self.low)

    def check(self, value: Any) -> float | int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise self._refuse(f"a number from {self.low:g} to {self.high:g}", value)
        return round(value) if self.whole else float(value)

    def ends(self) -> tuple[Any, ...]:
        return tuple(self.check(value) for value in (self.low, self.default, self.high))


@dataclass(frozen=True)
class Choice(Control):
    """One of a few words."""

    options: Sequence[str]
    default: str
    help: str = ""

    kind: ClassVar[str] = "choice"

    def check(self, value: Any) -> str:
        if value not in self.options:
            raise self._refuse("one of " + ", ".join(self.options), value)
        return str(value)

    def ends(self) -> tuple[Any, ...]:
        return tuple(self.options)


@dataclass(frozen=True)
class Switch(Control):
    """On or off."""

    default: bool = False
    help: str = ""

    kind: ClassVar[str] = "switch"

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._refuse("true or false", value)
        return value

    def ends(self) -> tuple[Any, ...]:
        return (False, True)


@dataclass(frozen=True)
class TextField(Control):
    """The reader's own words, with some to begin with."""

    default: str
    examples: Sequence[str] = ()
    limit: int = 500  # characters
    lines: int = 1
    help: str = ""

    kind: ClassVar[str] = "text"

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or len(value) > self.limit:
            raise self._refuse(f"at most {self.limit} characters", value)
        return value

    def ends(self) -> tuple[Any, ...]:
        return ("", self.default, *self.examples, "x" * self.limit)


@dataclass(frozen=True)
class Drawing(Control):
    """A small gray picture, drawn with finger or mouse: rows of numbers from 0 (paper) to 1 (ink)."""

    size: int = 28
    default: Sequence[Sequence[float]] = ()  # (): nothing drawn
    examples: Sequence[Mapping[str, Any]] = ()  # {"label": ..., "pixels": rows}
    help: str = ""

    kind: ClassVar[str] = "drawing"

    def check(self, value: Any) -> list[list[float]]:
        rows = [[0.0] * self.size for _ in range(self.size)] if value in ((), [], None) else value
        fits = isinstance(rows, list | tuple) and len(rows) == self.size
        if not fits or any(not isinstance(row, list | tuple) or len(row) != self.size for row in rows):
            raise self._refuse(f"{self.size} rows of {self.size} numbers", value)
        if any(isinstance(x, bool) or not isinstance(x, int | float) or not 0 <= x <= 1 for row in rows for x in row):
            raise self._refuse("numbers from 0 to 1", value)
        return [[float(x) for x in row] for row in rows]

    def ends(self) -> tuple[Any, ...]:
        return (self.check(()), self.check(self.default), [[1.0] * self.size for _ in range(self.size)])


@dataclass(frozen=True)
class Progress:
    """How far `prepare` is, from 0 to 1, and what it does."""

    fraction: float
    text: str


class Knobs:
    """The controls of a playing lab as they stand now: `knobs.rate` changes while the lab runs."""

    def __init__(self, values: Mapping[str, Any]):
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:  # only what no control is called by
        raise AttributeError(f"the lab has no control {name!r}; it has {', '.join(self.__dict__)}")


Views = Sequence[View]


@dataclass(frozen=True, kw_only=True)
class Lab:
    """One question about an idea that only moving parts can answer; the title asks it."""

    title: str
    controls: Sequence[Control]
    show: Callable[..., Views] | None = None
    play: Callable[[Any, Knobs], Iterator[Views]] | None = None
    prepare: Callable[[], Any] | None = None
    torch: bool = True  # whether the worker needs it
    frames: int = 60  # of a play that the static site records
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # of a show: control -> values that it records
    rows: int = 0  # about how many pixels high it is, so that the page does not jump when it comes

    def __post_init__(self) -> None:
        assert (self.show is None) != (self.play is None), "a lab shows or plays"

    def defaults(self) -> dict[str, Any]:
        """Every control where it stands at first."""
        return {control.name: control.check(control.default) for control in self.controls}  # type: ignore[attr-defined]

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as they came from a page, as the lab's function takes them.

        Raises:
            CallError: an unknown control, or a value that it cannot take.
        """
        known = {control.name: control for control in self.controls}
        for name in values:
            if name not in known:
                raise CallError(f"expected a control of {', '.join(known)}, came {name[:80]!r}")
        return {name: known[name].check(value) for name, value in values.items()}

    def to_json(self) -> dict[str, Any]:
        """What the page needs to build the frame before the first picture comes."""
        return {
            "title": self.title,
            "controls": [control.to_json() for control in self.controls],
            "plays": self.play is not None,
            "rows": self.rows,
        }
