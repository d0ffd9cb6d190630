"""A topic's exercises, read without running them; and the learner's file, which is made of their stubs.

The server must not import torch, and an `exercise.py` does. So the file is read with `ast`: the plain strings of each
`Exercise(...)`, and the source of stub, solution, mutants and other right answers, each under the learner's name for it.
"""

import ast
import hashlib
import inspect
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnable import catalog
from learnable.course import lesson
from learnable.errors import LearnableError, WorldError, unknown
from learnable.files import write_json, write_text
from learnable.home import exercises_folder

WRITTEN = "it is written"  # the check that an untouched stub fails: no attempt yet
LARGEST = 1_000_000  # bytes of a learner's file
WIDTH = 76  # of the task's words in the learner's file


class Conflict(LearnableError):
    """The learner's file has changed since it was last seen; both versions are kept."""


@dataclass(frozen=True)
class Part:
    """One exercise of a topic, as text."""

    name: str
    title: str
    task: str
    hints: tuple[str, ...]
    why: str
    stub: str
    solution: str
    mutants: Mapping[str, tuple[str, str]]  # what is wrong -> (source, the check that must catch it)
    others: Mapping[str, str]  # right answers in other forms


@dataclass(frozen=True)
class Exercises:
    """A topic's exercises."""

    stem: str
    title: str
    folder: Path
    parts: tuple[Part, ...]
    imports: str  # what the learner's file begins with
    all_imports: str  # what the lesson's own file begins with
    given: str  # what the stubs use and the learner need not write
    helpers: Mapping[str, str] = field(default_factory=dict)  # what only solutions and mutants use, each other among it

    def part(self, name: str) -> Part:
        """The part of that name.

        Raises:
            CallError: there is none.
        """
        for part in self.parts:
            if part.name == name:
                return part
        raise unknown(f"exercise of {self.stem}", name, [part.name for part in self.parts])

    def stub_text(self) -> str:
        """The learner's file before anything is written."""
        return self.text({part.name: part.stub for part in self.parts}, helped=False)

    def text(self, sources: Mapping[str, str], helped: bool = True) -> str:
        """A learner's file: these functions in place of the solutions, for those who test the exercise."""
        bodies = [sources.get(part.name, part.solution) for part in self.parts]
        head = self._heading() + "\n\n" + (self.all_imports if helped else self.imports)
        pieces = [head, self.given]
        if helped:
            pieces += self._needed(bodies)
        return "\n\n\n".join(piece.strip("\n") for piece in [*pieces, *bodies] if piece.strip()) + "\n"

    def with_solution(self, name: str) -> str:
        """The solution of a part, with what it uses."""
        part = self.part(name)
        return "\n\n\n".join([*self._needed([part.solution]), part.solution.strip("\n")]) + "\n"

    def _needed(self, bodies: Sequence[str]) -> list[str]:
        wanted: set[str] = set()
        waiting = list(bodies)
        while waiting:
            found = _names(ast.parse(waiting.pop())) & (self.helpers.keys() - wanted)
            wanted |= found
            waiting += [self.helpers[name] for name in found]
        return [source for name, source in self.helpers.items() if name in wanted]

    def _heading(self) -> str:
        lines = [f"{self.title}: {'one exercise' if len(self.parts) == 1 else f'{len(self.parts)} exercises'}.", ""]
        for part in self.parts:
            lines += [f"{part.name}   {part.title}", ""]
            for paragraph in re.split(r"\n\s*\n", plain(part.task)):
                if paragraph.startswith("    "):
                    lines += [*paragraph.splitlines(), ""]
                else:
                    lines += [*textwrap.wrap(" ".join(paragraph.split()), WIDTH, initial_indent="    ",
                                             subsequent_indent="    ", break_long_words=False), ""]  # fmt: skip
        lines.append(f"Check it   learnable check {self.stem}        A hint   learnable hint {self.stem}")
        text = "\n".join(lines).replace('"""', "'''")
        return f'r"""{text}\n"""'


def stems() -> list[str]:
    """The topics that have exercises."""
    return [topic.stem for topic in catalog.topics() if (lesson.folder(topic.stem) / "exercise.py").is_file()]


def find(stem: str, folder: Path | None = None) -> Exercises:
    """A topic's exercises.

    Args:
        folder: where `exercise.py` is, in place of the topic's own lesson.

    Raises:
        CallError: there is no such topic, or it has no exercises.
        WorldError: its file cannot be read, or is not in the form that `learnable.course.exercise` asks for.
    """
    if folder is None:
        topic = catalog.find(stem)
        folder, title = lesson.folder(stem), topic.title
        if not (folder / "exercise.py").is_file():
            raise unknown("topic with exercises", stem, stems())
    else:
        title = stem
    file = folder / "exercise.py"
    try:
        return read(stem, title, folder, file.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorldError(f"{file} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorldError(f"{file} is not in the form of learnable.course.exercise: {error}") from error


def read(stem: str, title: str, folder: Path, text: str) -> Exercises:
    """Exercises from the text of an `exercise.py`.

    Raises:
        ValueError, KeyError: it is not in the form that it should have.
    """
    tree = ast.parse(text)
    defined: dict[str, str] = {}  # name -> source, of all that stands at the left margin
    imports: list[ast.Import | ast.ImportFrom] = []
    calls: list[ast.Call] = []
    for node in tree.body:
        found = [call for call in ast.walk(node) if isinstance(call, ast.Call) and _called(call) == "Exercise"]
        if found:
            calls += found
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = _source(text, node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                defined[ast.unparse(target)] = _source(text, node)
    if not calls:
        raise ValueError("no Exercise(...) in it")
    parts, own = [], set()
    for call in calls:
        part, names = _part(call, defined)
        parts.append(part)
        own |= names
    others = {name: source for name, source in defined.items() if name not in own}
    given = _closure([part.stub for part in parts], others)
    used = _names_of([part.stub for part in parts] + [part.solution for part in parts] + given)
    free = [
        node
        for node in imports
        if not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("learnable.course"))
    ]
    learners = {part.name for part in parts}
    rest = {name: source for name, source in defined.items() if source not in given and name not in learners}
    return Exercises(
        stem, title, folder, tuple(parts),
        imports=_imported(free, used),
        all_imports="\n".join(ast.unparse(node) for node in free),
        given="\n\n\n".join(given),
        helpers=rest,
    )  # fmt: skip


def _called(call: ast.Call) -> str:
    return (
        call.func.id
        if isinstance(call.func, ast.Name)
        else call.func.attr
        if isinstance(call.func, ast.Attribute)
        else ""
    )


def _source(text: str, node: ast.stmt) -> str:
    lines = text.splitlines()
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _part(call: ast.Call, defined: Mapping[str, str]) -> tuple[Part, set[str]]:
    """One `Exercise(...)`, and the names of the functions that belong to it alone."""
    given = {word.arg: word.value for word in call.keywords if word.arg}
    name = str(ast.literal_eval(given["name"]))
    own = set()

    def function(node: ast.expr) -> str:
        """The source under the learner's name; one that uses the solution brings it along under another name."""
        if not isinstance(node, ast.Name) or node.id not in defined:
            raise ValueError(f"{name}: expected the name of a function of this file, came {ast.unparse(node)}")
        own.add(node.id)
        source, right, before = defined[node.id], ast.unparse(given["solution"]), ""
        if node.id != right and right in _names(ast.parse(source)):
            source = _renamed(source, right, f"right_{right}")
            before = _renamed(defined[right], right, f"right_{right}") + "\n\n\n"
        return before + _renamed(source, node.id, name)

    def pairs(key: str) -> list[tuple[str, ast.expr]]:
        table = given.get(key)
        if table is None:
            return []
        if not isinstance(table, ast.Dict):
            raise ValueError(f"{name}: expected {key} to be written as a dict")
        return [(str(ast.literal_eval(k)), v) for k, v in zip(table.keys, table.values, strict=True) if k is not None]

    mutants = {}
    for what, value in pairs("mutants"):
        if not isinstance(value, ast.Tuple) or len(value.elts) != 2:
            raise ValueError(f"{name}: expected the mutant {what!r} to be (function, check)")
        mutants[what] = (function(value.elts[0]), str(ast.literal_eval(value.elts[1])))
    part = Part(
        name=name,
        title=str(ast.literal_eval(given["title"])),
        task=inspect.cleandoc(ast.literal_eval(given["task"])),
        hints=tuple(inspect.cleandoc(hint) for hint in ast.literal_eval(given["hints"])),
        why=inspect.cleandoc(ast.literal_eval(given["why"])),
        stub=function(given["stub"]),
        solution=function(given["solution"]),
        mutants=mutants,
        others={what: function(value) for what, value in pairs("others")},
    )
    if isinstance(given.get("check"), ast.Name):
        own.add(given["check"].id)  # type: ignore[attr-defined]
    return part, own


def _renamed(source: str, old: str, new: str) -> str:
    r"""The source of a function in which a name is another one: where it is a name, not in words or keywords.

    >>> _renamed("def f(x):\n    return g(x, f=f)", "f", "h")
    'def h(x):\n    return g(x, f=h)'
    """
    lines = [line.encode() for line in source.splitlines()]
    places = []  # lines and columns in bytes, as `ast` counts
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id == old:
            places.append((node.lineno - 1, node.col_offset))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == old:
            row = node.lineno - 1
            places.append((row, lines[row].index(old.encode(), node.col_offset + len("def "))))
    for row, column in sorted(places, reverse=True):
        lines[row] = lines[row][:column] + new.encode() + lines[row][column + len(old.encode()) :]
    return b"\n".join(lines).decode()


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _names_of(sources: Sequence[str]) -> set[str]:
    return set().union(*(_names(ast.parse(source)) for source in sources))


def _closure(sources: Sequence[str], defined: Mapping[str, str]) -> list[str]:
    """What the sources use of what is defined, and what that uses, in the order of the file."""
    wanted: set[str] = set()
    while more := (_names_of([*sources, *(defined[name] for name in wanted)]) & defined.keys()) - wanted:
        wanted |= more
    return [source for name, source in defined.items() if name in wanted]


def _imported(nodes: Sequence[ast.Import | ast.ImportFrom], used: set[str]) -> str:
    """The imports that bind a name that is used."""
    lines = []
    for node in nodes:
        kept = [alias for alias in node.names if (alias.asname or alias.name).split(".")[0] in used]
        if kept:
            new = ast.Import(kept) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, kept, node.level)
            lines.append(ast.unparse(new))
    return "\n".join(lines)


def plain(markdown: str) -> str:
    r"""A task's Markdown as it reads in a terminal or a docstring.

    >>> plain("Weights are $\\text{softmax}(QK^\\top)$, as in `attend`.")
    'Weights are softmax(QKᵀ), as in attend.'
    """
    text = re.sub(r"\\(text|mathrm|mathbf|operatorname|mathcal|mathbb)\{([^{}]*)\}", r"\2", markdown)
    text = re.sub(r"\\sym\{[^{}]*\}\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1)/(\2)", text)
    text = re.sub(r"\\sqrt\{([^{}]*)\}", r"√(\1)", text)
    text = re.sub(r"\^\\top\b", "ᵀ", text)
    words = {r"\cdot": "·", r"\times": "×", r"\sum": "Σ", r"\log": "log", r"\exp": "exp", r"\le": "≤", r"\ge": "≥", r"\to": "→",
             r"\infty": "∞", r"\partial": "∂", r"\sigma": "σ", r"\alpha": "α", r"\beta": "β", r"\theta": "θ", r"\odot": "⊙", r"\bar": "",
             r"\lfloor": "⌊", r"\rfloor": "⌋", r"\,": " ", r"\;": " ", r"\quad": "  ", r"\left": "", r"\right": "", r"\max": "max",
             r"\min": "min", r"\ne": "≠", r"\in": "∈", r"\dots": "…", r"\ldots": "…", r"\top": "ᵀ"}  # fmt: skip
    text = re.sub(r"\\([A-Za-z]+|[,;])", lambda found: words.get(found[0], found[0]), text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return text.replace("$$", "").replace("$", "").replace("`", "").replace("**", "")


# ------------------------------------------------------------------------------------------- the learner's file


def stub_text(stem: str) -> str:
    """The text of a topic's stubs."""
    return find(stem).stub_text()


def file_of(stem: str) -> Path:
    """Where the learner's file is, or will be."""
    return exercises_folder() / f"{stem}.py"


def opened(exercises: Exercises) -> tuple[Path, str]:
    """The learner's file, made from the stubs where it is missing."""
    file = file_of(exercises.stem)
    if not file.exists():
        write_text(file, exercises.stub_text())
    return file, text_of(file)


def text_of(file: Path) -> str:
    """The text of a learner's file.

    Raises:
        WorldError: it cannot be read, it is no text, or there is too much of it.
    """
    try:
        if file.exists() and not file.is_file():  # a pipe or a device may never end
            raise WorldError(f"{file} cannot be read: expected a file of Python, came a folder or a device")
        with file.open("rb") as reading:
            data = reading.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise WorldError(
                f"{file} has more than {LARGEST:,} bytes; expected a file of exercises, which has some thousands"
            )
        return tidy(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise WorldError(f"{file} is no text in UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise WorldError(f"{file} cannot be read: {error.strerror or error}") from error


def tidy(text: str) -> str:
    r"""The text without what editors of other systems add: a mark in front, a carriage return at each line's end.

    >>> tidy("\ufeffx = 1\r\n")
    'x = 1\n'
    """
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def hash_of(text: str) -> str:
    """What two equal texts have in common and no others."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def save(exercises: Exercises, text: str, seen: str) -> str:
    """Write the learner's file; the new hash.

    Args:
        seen: the hash of the text that was changed.

    Raises:
        Conflict: the file is another by now, changed in an editor say. Nothing is written.
    """
    file, text = file_of(exercises.stem), tidy(text)
    if file.exists() and hash_of(old := text_of(file)) not in (seen, hash_of(text)):
        raise Conflict(f"{file.name} was changed elsewhere since it was read ({len(old.splitlines())} lines now); "
                       "choose one of the two versions")  # fmt: skip
    write_text(file, text)
    return hash_of(text)


def reset(exercises: Exercises) -> tuple[str, Path | None]:
    """Begin anew: the stubs take the file's place. The stubs, and where the old file is kept."""
    file = file_of(exercises.stem)
    backup = None
    if file.exists() and (old := text_of(file)) != exercises.stub_text():
        numbers = (number for number in range(1, 10_000))
        backup = next(
            path for number in numbers if not (path := file.with_name(f"{exercises.stem}.old-{number}.py")).exists()
        )
        write_text(backup, old)
    write_text(file, exercises.stub_text())
    return exercises.stub_text(), backup


# --------------------------------------------------------------------------------------- what has been done so far


def record(stem: str) -> dict[str, dict[str, Any]]:
    """For each part of a topic, what is remembered: {"hints": 2, "passed": true}."""
    try:
        everything = json.loads(_record_file().read_text(encoding="utf-8"))
        found = everything.get(stem, {})
        return {name: row for name, row in found.items() if isinstance(row, dict)} if isinstance(found, dict) else {}
    except (
        OSError,
        ValueError,
        AttributeError,
    ):  # missing or damaged: nothing is remembered, and nothing is lost but that
        return {}


def remember(stem: str, name: str, **values: Any) -> None:
    """Keep something about a part."""
    try:
        everything = json.loads(_record_file().read_text(encoding="utf-8"))
        if not isinstance(everything, dict):
            raise ValueError
    except (OSError, ValueError):
        everything = {}
    row = record(stem).get(name, {}) | values
    if not isinstance(everything.get(stem), dict):
        everything[stem] = {}
    if everything[stem].get(name) == row:
        return
    everything[stem][name] = row
    write_json(_record_file(), everything)


def note_verdict(exercises: Exercises, verdict: Mapping[str, Any], home: Path) -> None:
    """Keep which parts passed, beside the learner's files as they stand now, and in the progress for good."""
    from learnable.course.progress import Progress

    checks: dict[str, list[bool]] = {}
    for check in verdict["checks"]:
        checks.setdefault(check["exercise"], []).append(check["passed"])
    progress = Progress(home)
    for part in exercises.parts:
        if part.name in checks:
            passed = all(checks[part.name])
            remember(exercises.stem, part.name, passed=passed)
            if any(check["exercise"] == part.name and check["name"] != WRITTEN for check in verdict["checks"]):
                progress.attempt(exercises.stem, part.name, passed)


def next_hint(exercises: Exercises, name: str) -> tuple[int, str]:
    """The next hint of a part, counted from 1; after the last one, the last one."""
    part = exercises.part(name)
    count = record(exercises.stem).get(name, {}).get("hints", 0)
    number = min((count if isinstance(count, int) else 0) + 1, len(part.hints))
    remember(exercises.stem, name, hints=number)
    return number, part.hints[number - 1]


def _record_file() -> Path:
    return exercises_folder() / "done.json"
