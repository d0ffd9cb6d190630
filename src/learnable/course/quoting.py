"""Numbers on a page are quoted from what was measured, never typed.

[[lenet:accuracy]]          mean and spread over the seeds of recipes/results/lenet.json, on the recipe's own data
[[lenet:accuracy:mnist]]    the same on other data
[[lenet:seconds]]           how long a run took there
[[figure:depth:worst]]      a number that the lesson's figures/depth.json keeps under "numbers"
"""

import json
import statistics
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from learnable.errors import CallError

PERCENT = ("accuracy", "exact_match", "quality", "recall")


class Quote(NamedTuple):
    """A number as it is printed, and where it comes from."""

    text: str
    origin: str

    @property
    def html(self) -> str:
        return f'<span class="measured" title="{escape(self.origin)}">{escape(self.text)}</span>'


def results_folder() -> Path:
    """Where `learnable verify --save` writes."""
    return Path(str(files("learnable").joinpath("recipes/results")))


def result(recipe: str, data: str = "") -> dict[str, Any]:
    """The committed result of a recipe, on its own data or on other.

    Raises:
        CallError: it has never been measured, or not on these data.
    """
    file = results_folder() / f"{recipe}.json"
    if not file.exists():
        raise CallError(f"{recipe} has no committed result; measure it: learnable verify {recipe} --seeds 3 --save")
    rows: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    name = data or next(iter(rows))
    if name not in rows:
        raise CallError(f"{recipe} was not measured on {name!r}, only on {', '.join(rows)}")
    return rows[name]


def quote(reference: str, lesson: Path) -> Quote:
    """What stands for [[reference]] on a page.

    Args:
        lesson: the folder in which figures/ lies.

    Raises:
        CallError: nothing of that name was measured.
    """
    name, _, rest = reference.partition(":")
    if name == "figure":
        figure, _, key = rest.partition(":")
        return _of_figure(figure, key, lesson)
    metric, _, data = rest.partition(":")
    row = result(name, data)
    origin = f"learnable verify {name}{' --data ' + data if data else ''} --seeds {len(row['values'])}, {row['date']}"
    if metric == "seconds":
        return Quote(duration(statistics.mean(row["seconds"])), origin)
    if metric == "seeds":
        return Quote(str(len(row["values"])), origin)
    values = [seed[metric] for seed in row["metrics"].values() if metric in seed]
    if not values:
        known = ", ".join(next(iter(row["metrics"].values())))
        raise CallError(f"{name} measures {known}, seconds and seeds; came {metric!r}")
    return Quote(spread(metric, values), origin)


def _of_figure(figure: str, key: str, lesson: Path) -> Quote:
    file = lesson / "figures" / f"{figure}.json"
    if not file.exists():
        raise CallError(f"expected {file.name} among the lesson's figures, found none")
    content = json.loads(file.read_text(encoding="utf-8"))
    numbers = content.get("numbers", {})
    if key not in numbers:
        raise CallError(f"{file.name} keeps the numbers {', '.join(numbers)}; came {key!r}")
    value = numbers[key]
    text = value if isinstance(value, str) else f"{value:.3g}" if isinstance(value, float) else f"{value:,}"
    return Quote(text, content.get("command", f"figures.py of {lesson.name}"))


def spread(metric: str, values: list[float]) -> str:
    """Mean ± standard deviation over seeds, in the form in which one says such a number.

    >>> spread("accuracy", [0.98, 0.99, 0.985]), spread("loss", [0.25])
    ('98.5 ± 0.5 %', '0.25')
    """
    mean = statistics.mean(values)
    around = statistics.stdev(values) if len(values) > 1 else None
    if any(metric.endswith(word) for word in PERCENT):
        one = f"{100 * mean:.1f}" if around is None or around >= 0.0005 else f"{100 * mean:.2f}"
        digits = len(one.partition(".")[2])
        return f"{one} %" if around is None else f"{one} ± {100 * around:.{digits}f} %"
    if float(mean).is_integer() and not around:
        return f"{mean:,.0f}"
    digits = 2 if abs(mean) >= 1 else 3
    text = f"{mean:.{digits}f}".rstrip("0").rstrip(".")
    return text if around is None else f"{mean:.{digits}f} ± {around:.{digits}f}"


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(0.4), duration(18.6), duration(141)
    ('0.4 s', '19 s', '2 min 21 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
