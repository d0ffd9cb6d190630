"""How the terminal looks: one accent, tables without boxes, progress in one line; plain when it is piped.

`NO_COLOR` is respected (by Rich), and so is the terminal's width.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from learnable.files import finite

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from learnable.data.examples import Data
    from learnable.runs.run import Run
    from learnable.train.record import Row

ACCENT = "bright_blue"
QUIET = 10.0  # seconds after which a training that is piped says that it lives
WIDEST = 38  # characters of a table's first column that stay together
BLOCKS = "▁▂▃▄▅▆▇█"


def console(stderr: bool = False) -> "Console":
    """Rich's console for one of the two outputs; piped, it neither colors nor wraps."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, emoji=False, soft_wrap=not stream.isatty())


def emit(value: Any) -> None:
    """Print one JSON value on a line of standard output, in ASCII: no terminal's encoding can damage it."""
    print(json.dumps(finite(value)), flush=True)


def say(text: str) -> None:
    """A sentence for people, on standard output."""
    console().print(text, markup=False)


def note(text: str) -> None:
    """A sentence beside the answer, on standard error."""
    console(stderr=True).print(text, style="yellow", markup=False)


def aside(text: str) -> None:
    """What is good to know beside the answer, on standard error: no warning."""
    console(stderr=True).print(text, style="dim", markup=False)


def complain(text: str) -> None:
    """Why it did not work."""
    out = console(stderr=True)
    out.print("[bold red]error:[/] ", end="")
    out.print(text, markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[str] = ()) -> None:
    """A table without boxes; the columns in `numbers` are set flush right. Piped: values with tabs between.

    The first column is what a reader copies, so it is broken last.
    """
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(columns), *cells]:
            print("\t".join(row))
        return
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, header_style=f"bold {ACCENT}", pad_edge=False, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column in numbers else "left"
        # Not by `min_width`, for which Rich cuts off what stands in the others.
        drawn.add_column(column, justify=justify, overflow="fold", no_wrap=column in numbers or place == 0)
    for first, *others in cells:
        first = "\n".join(first[i : i + WIDEST] for i in range(0, len(first), WIDEST))
        drawn.add_row(*(Text(value) for value in (first, *others)))
    console().print(drawn)


def sparkline(values: Sequence[float | None], width: int = 48) -> str:
    """A curve in one line of text.

    >>> sparkline([0, 1, 2, 3])
    '▁▃▆█'
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    if len(known) > width:
        known = [known[i * len(known) // width] for i in range(width)]
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    return "".join(BLOCKS[round((value - low) / span * (len(BLOCKS) - 1))] for value in known)


def number(value: float | None) -> str:
    """A number for people: four digits that count.

    >>> number(0.98765), number(None), number(1234567.0)
    ('0.9877', '–', '1.235e+06')
    """
    return "–" if value is None else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """Seconds for people.

    >>> duration(3.21), duration(75), duration(3700)
    ('3.2 s', '1:15 min', '1:01 h')
    """
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"


class JsonShow:
    """A run as JSON lines on standard output, one object a line."""

    def begin(self, run: "Run", step: int, steps: int, data: "Data") -> None:
        emit({"run": str(run.folder), "step": step, "steps": steps, "data": data.info.data})

    def row(self, row: "Row", steps: int) -> None:
        emit({**row, "steps": steps})

    def notice(self, message: str) -> None:
        note(message)


class TerminalShow:
    """A run as one line that moves: step, loss, rate and the time left, which is reckoned from the steps really taken."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.task: TaskID | None = None
        self.first = 0
        self.begun = 0.0
        self.said = 0.0

    def begin(self, run: "Run", step: int, steps: int, data: "Data") -> None:
        counts = f"{len(data.train):,} examples to train on, {len(data.test):,} to test on"
        say(f"{run.name} on {data.info.data}: {counts}" + (f", from step {step}" if step else ""))
        self.first, self.begun = step, time.perf_counter()
        self.said = self.begun
        if not sys.stderr.isatty():
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=16, complete_style=ACCENT),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left  {task.fields[numbers]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console(stderr=True),
            transient=True,
        )
        self.progress.start()
        self.task = self.progress.add_task("step", total=steps or None, completed=step, numbers="")

    def row(self, row: "Row", steps: int) -> None:
        losses = "  ".join(f"{key} {number(value)}" for key, value in row.items() if key.endswith(("loss", "accuracy")))
        rate = (row["step"] - self.first) / max(1e-9, time.perf_counter() - self.begun)
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, completed=row["step"], total=steps, numbers=f"{rate:.3g}/s  {losses}")
            if "valid" in row:
                self.progress.console.print(f"step {row['step']:>6}  train {losses}{_valid(row)}", markup=False)
        elif "valid" in row or row["step"] == steps or time.perf_counter() - self.said > QUIET:
            left = (steps - row["step"]) / max(1e-9, rate)
            say(f"step {row['step']}/{steps}  train {losses}{_valid(row)}  {duration(left)} left")
            self.said = time.perf_counter()

    def notice(self, message: str) -> None:
        note(message)

    def end(self) -> None:
        if self.progress is not None:
            self.progress.stop()


def _valid(row: "Row") -> str:
    return (
        "  |  valid " + "  ".join(f"{key} {number(value)}" for key, value in row["valid"].items())
        if "valid" in row
        else ""
    )
