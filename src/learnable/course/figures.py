"""The pictures of a lesson: functions beside it that measure, and the data that they leave; nothing drawn is kept.

A lesson's `figures.py` holds `FIGURES`, one function a name, each returning a `Figure`. `learnable figures STEM` runs
them and writes `figures/NAME.json` beside the lesson: views, caption, and the numbers that the text quotes.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from learnable.course.lesson import folder, load
from learnable.course.views import View, plain
from learnable.errors import CallError, unknown
from learnable.files import write_text


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Views with a caption that says what to see, and the numbers that the page quotes from it."""

    views: Sequence[View]
    caption: str
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)


def figures(lesson: Path) -> dict[str, Callable[[], Figure]]:
    """The functions of a lesson's `figures.py`; none if it has no such file."""
    file = lesson / "figures.py"
    if not file.exists():
        return {}
    found: dict[str, Callable[[], Figure]] = load(file).FIGURES
    return found


def draw(stem: str, names: Sequence[str] = ()) -> list[Path]:
    """Measure the named figures of a lesson, or all, and write their data.

    Raises:
        CallError: no such topic or figure, or a topic without figures.
    """
    lesson = folder(stem)
    known = figures(lesson)
    if not known:
        raise CallError(f"the lesson on {stem} has no figures")
    written = []
    for name in names or known:
        if name not in known:
            raise unknown(f"figure of {stem}", name, known)
        written.append(write(lesson, stem, name, known[name]()))
    return written


def write(lesson: Path, stem: str, name: str, figure: Figure) -> Path:
    """One figure's data, small enough to be kept with the text that quotes it."""
    content = {
        "command": f"learnable figures {stem} {name}",
        "date": time.strftime("%Y-%m-%d"),
        "caption": figure.caption,
        "numbers": dict(figure.numbers),
        "views": plain(list(figure.views)),
    }
    path = lesson / "figures" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    write_text(path, json.dumps(content, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n")
    return path
