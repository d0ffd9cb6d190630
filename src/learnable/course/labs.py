"""A lesson's labs: found, computed once, and recorded for pages that have no server behind them.

Reading `lab.py` imports no torch, so the server may do it; computing a lab imports what the lab needs, so that happens
in a process of its own (`learnable.course.worker`), in a test, or while the static site is built.
"""

import gzip
import inspect
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from learnable import catalog
from learnable.course import lesson
from learnable.course.lab import Knobs, Lab, Progress
from learnable.course.views import Heatmap, Text, View
from learnable.errors import CallError, LearnableError, WorldError, unknown

MESSAGE = 4_000_000  # bytes of JSON that the views of one moment may have
RECORDING = 1_000_000  # bytes, compressed, that a page without a server fetches for one lab
COMBINATIONS = 2000  # of the values of a grid
DATA = frozenset({"values", "y", "dy", "pixels", "path"})  # where a view keeps the numbers that it is about

_read: dict[Path, tuple[int, dict[str, Lab]]] = {}  # file -> when it was written, what it holds


def with_labs() -> tuple[str, ...]:
    """The stems of all lessons that have a `lab.py`, in the order of the course."""
    return tuple(topic.stem for topic in catalog.topics() if (lesson.folder(topic.stem) / "lab.py").exists())


def labs(stem: str, folder: Path | None = None) -> dict[str, Lab]:
    """The labs of a lesson by name; none if it has no `lab.py`. A file that was changed is read anew.

    Args:
        folder: where the lesson lies, if it is not one of the course.

    Raises:
        CallError: no such topic.
        WorldError: `lab.py` cannot be run, or does not define LABS.
    """
    return labs_in(folder or lesson.folder(stem))


def labs_in(folder: Path) -> dict[str, Lab]:
    """The labs of the lesson in a folder.

    Raises:
        WorldError: `lab.py` cannot be run, or does not define LABS.
    """
    file = folder / "lab.py"
    if not file.exists():
        return {}
    written = file.stat().st_mtime_ns
    if file not in _read or _read[file][0] != written:
        _read[file] = (written, _load(file))
    return _read[file][1]


def find(stem: str, name: str, folder: Path | None = None) -> Lab:
    """One lab of a lesson.

    Raises:
        CallError: no such topic, or no such lab in its lesson.
        WorldError: its `lab.py` cannot be run.
    """
    found = labs(stem, folder)
    if name not in found:
        raise unknown("lab", name, found) if found else CallError(f"the lesson '{stem}' has no labs")
    return found[name]


def _load(file: Path) -> dict[str, Lab]:
    try:
        module = lesson.load(file)
    except Exception as error:
        raise WorldError(f"{file} cannot be run: {sentence(error)}") from error
    found = getattr(module, "LABS", None)
    if not isinstance(found, dict) or not all(isinstance(lab, Lab) for lab in found.values()):
        raise WorldError(f"{file}: expected LABS, a dictionary of name -> Lab, came {type(found).__name__}")
    return found


def sentence(error: BaseException) -> str:
    """What an exception says to people, whatever it is.

    >>> sentence(ZeroDivisionError("division by zero")), sentence(CallError("expected a digit"))
    ('ZeroDivisionError: division by zero', 'expected a digit')
    """
    if isinstance(error, LearnableError):
        return str(error)
    text = str(error).strip()
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return "it needs more memory than a lab may have"
    if isinstance(error, SystemExit):
        return "the lab's code tried to end the process"
    return f"{type(error).__name__}: {text[:1000]}" if text else type(error).__name__


def prepare(lab: Lab, tell: Callable[[Progress], None] = lambda progress: None) -> Any:
    """What the lab needs before its first picture; `tell` hears how far it is."""
    if lab.prepare is None:
        return None
    result = lab.prepare()
    if not inspect.isgenerator(result):
        return result
    while True:
        try:
            progress: Any = next(result)
        except StopIteration as end:
            return end.value
        tell(progress)


def run_show(lab: Lab, state: Any, values: Mapping[str, Any]) -> list[View]:
    """The views of a lab that answers at once; controls that are not named stand at their defaults.

    Raises:
        CallError: it is a lab that plays, a value is none of its control's, or what came are no views.
    """
    if lab.show is None:
        raise CallError(f"'{lab.title}' plays; it has nothing to show at once")
    return checked(lab.show(state, **lab.defaults() | lab.check(values)))


def run_play(lab: Lab, state: Any, knobs: Knobs) -> Iterator[list[View]]:
    """The frames of a lab that plays, from the first. Set an attribute of `knobs` to turn a control meanwhile.

    Raises:
        CallError: it is a lab that does not play, or what came are no views.
    """
    if lab.play is None:
        raise CallError(f"'{lab.title}' does not play; it answers its controls at once")
    for views in lab.play(state, knobs):
        yield checked(views)


def checked(views: Any) -> list[View]:
    """The views, if they are some.

    >>> checked([Text(text="one")])[0].text
    'one'

    Raises:
        CallError: they are something else.
    """
    if not isinstance(views, list | tuple):
        raise CallError(f"expected a list of views from the lab, came {type(views).__name__}")
    for view in views:
        if not isinstance(view, View):
            raise CallError(f"expected a list of views from the lab, came one with {type(view).__name__} in it")
    return list(views)


def to_json(views: Sequence[View]) -> list[dict[str, Any]]:
    """Views as JSON can say them. After a view in which no number is finite stands a sentence that says so."""
    said = []
    for view in views:
        said.append(view.to_json())
        if is_blank(said[-1]) and not is_masked(view):
            name = f"“{view.title}”" if view.title else "The picture above"
            text = f"{name} has no finite number to show: the computation overflowed or divided by zero."
            said.append(Text(text=text, summary=text, tone="warning").to_json())
    return said


def is_blank(view: Mapping[str, Any]) -> bool:
    """Whether a view (as JSON) is about numbers and all of them are null.

    >>> from learnable.course.views import Bars
    >>> is_blank(Bars(labels=["a"], values=[math.nan]).to_json()), is_blank(Bars(labels=[], values=[]).to_json())
    (True, False)
    """
    some = False
    for number in _numbers(view):
        if number is not None:
            return False
        some = True
    return some


def is_masked(view: View) -> bool:
    """Whether a heat map has cells that were left empty on purpose (None), which is not the same as NaN.

    >>> is_masked(Heatmap(values=[[None]])), is_masked(Heatmap(values=[[math.nan]]))
    (True, False)
    """
    if not isinstance(view, Heatmap) or hasattr(view.values, "shape"):
        return False
    return any(cell is None for row in view.values for cell in row)


def _numbers(value: Any, about: bool = False) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key != "marks":
                yield from _numbers(item, key in DATA)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item, about)
    elif about:
        yield value


def encode(views: Sequence[View]) -> str:
    """Views as compact JSON text.

    Raises:
        CallError: there is more than a page can draw many times a second, or something that JSON cannot say.
    """
    said = to_json(views)
    try:
        text = compact(said)
    except (TypeError, ValueError) as error:
        raise CallError(f"the lab's views hold something that JSON cannot say: {error}") from error
    if len(text) > MESSAGE:
        raise CallError(
            f"expected views of at most {MESSAGE / 1e6:g} MB, came {len(text) / 1e6:.1f} MB; "
            f"show fewer or smaller ones: {_largest(said)}"
        )
    return text


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _largest(views: Sequence[Mapping[str, Any]]) -> str:
    """Which views take the most room, for a message."""
    sizes: dict[str, int] = {}
    for view in views:
        name = f"'{view['title'] or view['kind']}'"
        sizes[name] = sizes.get(name, 0) + len(compact(view))
    total = sum(sizes.values()) or 1
    first = sorted(sizes.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{name} has {size / total:.0%}" for name, size in first)


def recording(lab: Lab, limit: int = RECORDING) -> dict[str, Any]:
    """All that a page without a server can show of a lab; the same each time.

        {"kind": "grid", "controls": {"heads": [1, 2], "scale": [false, true]}, "fixed": {"text": "..."},
         "views": [...], "moments": [[0, 1], [0, 2], ...]}        a show, over its `grid`
        {"kind": "frames", "controls": {}, "fixed": {...},
         "views": [...], "moments": [[0, 1], [2, 1], ...]}        a play, its first `frames` at the defaults

    A moment lists the numbers of the views that it shows: what two moments share is kept once. The moments of a grid
    are in the order of `itertools.product`: the last control changes fastest.

    Raises:
        CallError: the grid names an unknown control or value, has too many combinations, or the recording is larger
            than `limit` bytes, compressed; the message says what to cut.
    """
    for name, choices in lab.grid.items():
        for value in choices:
            lab.check({name: value})
    if lab.play is not None and lab.grid:
        raise CallError(f"'{lab.title}' plays: it is recorded by `frames`, so a `grid` would be passed over")
    count = math.prod(len(choices) for choices in lab.grid.values())
    if not 0 < count <= COMBINATIONS:
        raise CallError(
            f"the grid of '{lab.title}': expected 1 to {COMBINATIONS} combinations, came {count}; "
            f"record other values of {', '.join(lab.grid)}"
        )
    places: dict[str, int] = {}  # a view's text -> its number
    moments = [[places.setdefault(compact(view), len(places)) for view in to_json(views)] for views in _moments(lab)]
    recorded: dict[str, Any] = {
        "kind": "grid" if lab.show else "frames",
        "controls": {name: list(choices) for name, choices in lab.grid.items()},
        "fixed": {name: value for name, value in lab.defaults().items() if name not in lab.grid},
        "views": [json.loads(text) for text in places],
        "moments": moments,
    }
    size = len(gzip.compress(compact(recorded).encode(), mtime=0))
    if size > limit:
        what = f"fewer values in its grid ({count})" if lab.show else f"fewer frames ({len(moments)})"
        raise CallError(
            f"the recording of '{lab.title}' has {size / 1e6:.1f} MB compressed, expected at most {limit / 1e6:g} MB; "
            f"record {what}, or smaller views: {_largest(recorded['views'])}"
        )
    return recorded


def _moments(lab: Lab) -> Iterator[list[View]]:
    state = prepare(lab)
    if lab.show is None:
        yield from itertools.islice(run_play(lab, state, Knobs(lab.defaults())), lab.frames)
    else:
        for choice in itertools.product(*lab.grid.values()):
            yield run_show(lab, state, dict(zip(lab.grid, choice, strict=True)))
