"""A lesson as a notebook for Jupyter and Colab: the same text, the same code, labs with their knobs as arguments.

What is called from its cells (`figure`, `lab`, `exercise`) is here too, so that a notebook needs learnable alone.
"""

import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from learnable import catalog
from learnable.course import quoting
from learnable.course import source as sources
from learnable.course.page import cells as symbol_cells
from learnable.course.page import folder, quoted
from learnable.errors import CallError, WorldError
from learnable.files import write_text

Cell = dict[str, Any]


def write(stem: str, out: Path, overwrite: bool = False) -> Path:
    """Write a lesson as `.ipynb`.

    Raises:
        CallError: no such topic, no lesson yet, or another kind of file.
        WorldError: something stands there already, or it cannot be written.
    """
    if out.suffix != ".ipynb":
        raise CallError(f"expected a file that ends with .ipynb, came {out.name}")
    if out.exists() and not overwrite:
        raise WorldError(f"{out} exists already; add --overwrite to replace it, or choose another with --out")
    write_text(out, json.dumps(notebook(stem), indent=1, ensure_ascii=False) + "\n")
    return out


def notebook(stem: str) -> dict[str, Any]:
    """The notebook as JSON (nbformat 4.5)."""
    lesson = folder(stem)
    file = lesson / "lesson.md"
    if not file.exists():
        raise CallError(f"the lesson on {stem} is not written yet; 'learnable topic {stem}' says what there is")
    cells = list(_cells(stem, lesson, file.read_text(encoding="utf-8")))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": python, "language_info": {"name": "python"}},
        "cells": cells,
    }


def markdown(text: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": text.strip("\n")}


def code(text: str) -> Cell:
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text.strip("\n")}


def _cells(stem: str, lesson: Path, text: str) -> Iterator[Cell]:
    """The lesson, block by block."""
    text = quoted(text, lesson)
    head = f"*The page itself, with labs that move: `learnable open {stem}`.*"
    words: list[str] = []
    opened: list[str] = []  # the containers that have not ended yet
    lines = iter(text.splitlines())
    first = True
    yield code("# In Colab, or wherever learnable is missing, take away the sign below.\n# %pip install learnable\n"
               "from learnable.course.notebook import exercise, figure, lab, train")  # fmt: skip

    def said() -> Iterator[Cell]:
        if any(word.strip() for word in words):
            yield markdown(prose("\n".join(words)))
        words.clear()

    for line in lines:
        leaf = re.fullmatch(r":::\s+(\w+)\s*(.*)", line.strip())
        if line.startswith("```"):
            body = "\n".join(_until(lines, "```"))
            if line.startswith("```python"):
                yield from said()
                yield code(body)
            elif not line.startswith("```output"):
                words += [line, body, "```"]
        elif leaf and leaf.group(1) in _LEAVES:
            yield from said()
            yield from _LEAVES[leaf.group(1)](stem, lesson, leaf.group(2).split())
        elif leaf and leaf.group(1) == "symbols":
            words += ["", "| symbol | what it is | in the code | shape |", "|---|---|---|---|"]
            for row in filter(str.strip, _until(lines, ":::")):
                symbol, what, name, shape = (cell.replace("|", "\\|") for cell in symbol_cells(row))
                words.append(f"| {symbol} | {what} | {f'`{name}`' if name else ''} | {shape} |")
            words.append("")
        elif leaf:
            words += ["", _OPEN[leaf.group(1)].format(leaf.group(2)), ""]
            opened.append(leaf.group(1))
        elif line.strip() == ":::":
            words += ["", "</details>" if opened.pop() == "answer" else "", ""]
        else:
            words.append(line)
            if first and line.startswith("# "):
                words += ["", head, ""]
                first = False
    yield from said()


_OPEN = {
    "minute": "**In one minute.**",
    "predict": "**Predict, then try.**",
    "answer": "<details><summary>Answer</summary>",
    "mistake": "**{}**",
}


def _until(lines: Iterator[str], end: str) -> list[str]:
    found = []
    for line in lines:
        if line.strip() == end:
            break
        found.append(line)
    return found


def prose(text: str) -> str:
    r"""Text that Jupyter understands: side notes in brackets, symbols without their ties.

    >>> prose(r"Where^[Nowhere.] is $\sym{query}{Q}$?")
    'Where (Nowhere.) is $Q$?'
    """
    text = re.sub(r"\\sym\{[^{}]*\}\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1", text)
    text = re.sub(r"\^\[((?:[^\[\]]|\[[^\]]*\](?:\([^)]*\))?)*)\]", r" (\1)", text)
    return re.sub(r"\n{3,}", "\n\n", text)


# ------------------------------------------------------------------------------------------------- directives


def _source(stem: str, lesson: Path, words: list[str]) -> Iterator[Cell]:
    module, names = "", []
    for word in words:
        module, name = word.split(":") if ":" in word else (module, word)
        found = sources.find(f"{module}:{name}")
        names.append((module, name.partition(".")[0]))
        yield markdown(f"`{found.path}:{found.line}`\n\n```python\n{found.text}\n```")
    imports = sorted({f"from {module} import {name}" for module, name in names})
    yield code("\n".join(imports))


def _lab(stem: str, lesson: Path, words: list[str]) -> Iterator[Cell]:
    from learnable.course.labs import labs

    found = labs(stem, lesson)[words[0]]
    small = {
        control.name: value
        for control, value in zip(found.controls, found.defaults().values(), strict=True)
        if control.kind != "drawing" and len(repr(value)) < 120
    }
    knobs = "".join(f", {name}={value!r}" for name, value in small.items())
    yield markdown(f"### {found.title}\n\nChange the arguments and run the cell again.")
    yield code(f'lab("{stem}", "{words[0]}"{knobs})')


def _run(stem: str, lesson: Path, words: list[str]) -> Iterator[Cell]:
    command = " ".join(words)
    yield markdown(f"`learnable train {command}` in a terminal, or here; leave `--smoke` out for the real thing.")
    yield code(f'train("{command} --smoke")')


def _result(stem: str, lesson: Path, words: list[str]) -> Iterator[Cell]:
    rows = ["| recipe | data | metric | measured | seeds |", "|---|---|---|---|---|"]
    for word in words:
        recipe, _, data = word.partition(":")
        row = quoting.result(recipe, data)
        values = [seed[row["metric"]] for seed in row["metrics"].values()]
        rows.append(
            f"| `{recipe}` | {row['data']} | {row['metric']} | {quoting.spread(row['metric'], values)} | {len(values)} |"
        )
    yield markdown("\n".join(rows))


def _figure(stem: str, lesson: Path, words: list[str]) -> Iterator[Cell]:
    content = json.loads((lesson / "figures" / f"{words[0]}.json").read_text(encoding="utf-8"))
    yield code(f'figure("{stem}", "{words[0]}")')
    yield markdown(f"*{prose(quoted(content['caption'], lesson))}*")


def _exercise(stem: str, lesson: Path, words: list[str]) -> Iterator[Cell]:
    from learnable.course import exercises

    found = exercises.find(stem, lesson)
    yield code("\n\n".join(filter(None, (found.imports, found.given))))
    for part in found.parts:
        hints = "".join(
            f"\n\n<details><summary>Hint {at}</summary>\n\n{hint}\n\n</details>"
            for at, hint in enumerate(part.hints, 1)
        )
        yield markdown(f"### {part.title}\n\n{textwrap.dedent(part.task).strip()}{hints}")
        yield code(part.stub)
        yield code(f'exercise("{stem}/{part.name}", {part.name})')


def _cards(stem: str, lesson: Path, words: list[str]) -> Iterator[Cell]:
    import tomllib

    cards = tomllib.loads((lesson / "cards.toml").read_text(encoding="utf-8"))["card"]
    yield markdown(
        "\n\n".join(
            f"{card['front']}\n\n<details><summary>Answer</summary>\n\n{card['back']}\n\n</details>" for card in cards
        )
    )


def _resources(stem: str, lesson: Path, words: list[str]) -> Iterator[Cell]:
    yield markdown(
        "\n".join(
            f"* {row.kind}: [{row.title}]({row.address}), {row.author}. {row.why}" for row in catalog.resources(stem)
        )
    )


_LEAVES: dict[str, Callable[[str, Path, list[str]], Iterator[Cell]]] = {
    "source": _source, "lab": _lab, "run": _run, "result": _result, "figure": _figure, "exercise": _exercise,
    "cards": _cards, "resources": _resources,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------- called by its cells


def figure(stem: str, name: str) -> Any:
    """A figure of a lesson, drawn by matplotlib.

    Raises:
        CallError: no such topic or figure.
    """
    from learnable.course.drawing import draw

    file = folder(stem) / "figures" / f"{name}.json"
    if not file.exists():
        raise CallError(f"the lesson on {stem} has no figure {name!r}")
    return draw(json.loads(file.read_text(encoding="utf-8"))["views"])


def lab(stem: str, name: str, frames: int = 20, **values: Any) -> Any:
    """A lab with its knobs at `values`; of one that plays, what it shows after so many frames.

    Raises:
        CallError: no such lab or knob, or a value that it cannot take.
    """
    from learnable.course.drawing import draw
    from learnable.course.lab import Knobs
    from learnable.course.labs import find, prepare

    found = find(stem, name)
    settings = {**found.defaults(), **found.check(values)}
    state = prepare(found)
    if found.show is not None:
        return draw(found.show(state, **settings), found.title)
    assert found.play is not None
    *_, last = ((), *islice(found.play(state, Knobs(settings)), frames))
    return draw(last, found.title)


def train(command: str) -> None:
    """`learnable train` in a process of its own, told as it goes.

    Raises:
        WorldError: it did not end well.
    """
    import subprocess
    import sys

    run = [sys.executable, "-m", "learnable", "train", *command.split()]
    with subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="")
    if process.returncode:
        raise WorldError(
            f"learnable train {command} ended with exit code {process.returncode}; what it said stands above"
        )


def exercise(name: str, function: Callable[..., Any]) -> None:
    """Check a function that was written in the notebook, and say what holds.

    Raises:
        CallError: no such exercise.
    """
    from learnable.course.exercises import find
    from learnable.course.grader.grader import Grader

    stem, _, part = name.partition("/")
    found = find(stem)
    text = "\n\n".join(filter(None, (found.imports, found.given, textwrap.dedent(inspect.getsource(function)))))
    with Grader() as grader:
        verdict = grader.check(found, text, [part])
    for row in verdict["checks"]:
        print(("✓ " if row["passed"] else "✗ ") + row["name"])
        if not row["passed"]:
            print(textwrap.indent(row["message"], "    "))
            break
