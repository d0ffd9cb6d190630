"""`exercise`, `check`, `hint`, `solution`: write, be told what is wrong and why, be helped, and compare."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learnable.cli.show import ACCENT, console, emit, note, say, table
from learnable.course import exercises as course
from learnable.errors import LearnableError
from learnable.home import home


def split(target: str) -> tuple[course.Exercises, tuple[str, ...]]:
    """`STEM` or `STEM/name`: the topic's exercises, and the one that is named.

    Raises:
        CallError: there is no such topic, or no such exercise.
    """
    stem, _, name = target.partition("/")
    exercises = course.find(stem)
    return exercises, (exercises.part(name).name,) if name else ()


def exercise(target: str, json: bool) -> None:
    """Make the learner's file if it is missing, and say where it is and what to do."""
    exercises, names = split(target)
    file, _ = course.opened(exercises)
    parts = [part for part in exercises.parts if not names or part.name in names]
    if json:
        emit({
            "stem": exercises.stem, "file": str(file), "stub": exercises.stub_text(),
            "parts": [{"name": part.name, "title": part.title, "task": part.task, "hints": len(part.hints),
                       "passed": bool(course.record(exercises.stem).get(part.name, {}).get("passed"))} for part in parts],
        })  # fmt: skip
        return
    done = course.record(exercises.stem)
    out = console()
    out.print(f"[bold {ACCENT}]{exercises.title}[/]")
    for part in parts:
        tick = "✓" if done.get(part.name, {}).get("passed") else " "
        out.print(f"\n{tick} {part.name}: {part.title}\n", style="bold", markup=False)
        out.print(course.plain(part.task), markup=False)
    say(f"\nWrite it in   {file}")
    say(f"Check it      learnable check {target} --watch        (checks at every save)")
    say(f"A hint        learnable hint {target}")


def check(target: str, file: Path | None, json: bool, watch: bool) -> int:
    """Check a file; the exit code."""
    from learnable.course.grader.grader import Grader

    exercises, names = split(target)
    own = file is None
    if file is None:
        file, _ = course.opened(exercises)
    text = course.text_of(file)
    with Grader() as grader:
        if watch:
            _watch(grader, exercises, names, file, json, own)
        verdict = grader.check(exercises, text, names)
    if own:
        course.note_verdict(exercises, verdict, home())
    _show(exercises, verdict, file, json)
    return 0 if verdict["passed"] else 1


def _watch(grader: Any, exercises: course.Exercises, names: Sequence[str], file: Path, json: bool, own: bool) -> None:
    """Check now and at every save, until Ctrl-C."""
    from watchfiles import watch

    seen: str | None = None

    def once() -> None:
        nonlocal seen
        try:
            text = course.text_of(file)
            if text == seen:
                return
            seen = text
            verdict = grader.check(exercises, text, names)
            if own:
                course.note_verdict(exercises, verdict, home())
        except LearnableError as error:  # between two saves, or broken for now
            note(str(error))
            return
        if not json and sys.stdout.isatty():
            console().clear()
        _show(exercises, verdict, file, json)
        if not json:
            note(f"\nwatching {file}; Ctrl-C ends it" if not verdict["passed"] else "\nall passed; Ctrl-C ends it")

    once()
    # The folder is watched, not the file: most editors put a new file in the old one's place.
    for changes in watch(file.parent, step=50, debounce=200, recursive=False, raise_interrupt=True):
        if any(Path(path).name == file.name for _, path in changes):
            once()
    raise KeyboardInterrupt  # the watcher ends quietly where it was asked to by a signal


def _show(exercises: course.Exercises, verdict: Mapping[str, Any], file: Path, json: bool) -> None:
    if json:
        emit(verdict)
        return
    out = console()
    shown: set[str] = set()
    opened = False
    counts = Counter(row["exercise"] for row in verdict["checks"])
    wrong = {row["exercise"] for row in verdict["checks"] if not row["passed"]}
    for row in verdict["checks"]:
        if row["exercise"] and row["exercise"] not in wrong and wrong:  # done: one line, so that the rest is found
            if row["exercise"] not in shown:
                shown.add(row["exercise"])
                out.print(f"[green]✓[/] {row['exercise']}  [dim]all {counts[row['exercise']]} checks[/]")
            continue
        if row["exercise"] not in shown:
            shown.add(row["exercise"])
            title = exercises.part(row["exercise"]).title if row["exercise"] else file.name
            out.print(
                f"{row['exercise']}  [dim]{_escaped(title)}[/]" if row["exercise"] else f"[dim]{_escaped(title)}[/]"
            )
        if row["passed"]:
            out.print(f"  [green]✓[/] {_escaped(row['name'])}")
            continue
        out.print(f"  [red]✗[/] [bold]{_escaped(row['name'])}[/]")
        if not opened or row["name"] == course.WRITTEN:
            for line in row["message"].splitlines():
                out.print(f"      {line}", markup=False)
        opened = True
    if verdict["output"].strip():
        out.print("[dim]printed[/]")
        lines = verdict["output"].rstrip().splitlines()
        for line in lines[:40]:
            out.print(f"      {line}", style="dim", markup=False)
        if len(lines) > 40:
            out.print(f"      … and {len(lines) - 40} lines more", style="dim", markup=False)
    if verdict["not_held_back"]:
        note(f"This system does not hold back: {', '.join(verdict['not_held_back'])}. Check only code that you trust.")
    failed = next((row for row in verdict["checks"] if not row["passed"]), None)
    if failed is None:
        say(f"\nAll right. Compare with ours: learnable solution {exercises.stem}")
    else:
        where = f"{exercises.stem}/{failed['exercise']}" if failed["exercise"] else exercises.stem
        say(f"\nStuck? learnable hint {where}        Your file: {file}")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(str(text))


def hint(target: str, everything: bool, json: bool) -> None:
    """The next hint, or all of them so far and to come."""
    exercises, names = split(target)
    name = names[0] if names else _first_open(exercises)
    part = exercises.part(name)
    if everything:
        course.remember(exercises.stem, name, hints=len(part.hints))
        numbers = range(1, len(part.hints) + 1)
    else:
        number, _ = course.next_hint(exercises, name)
        numbers = range(number, number + 1)
    if json:
        emit({"stem": exercises.stem, "name": name, "hints": [{"number": n, "text": part.hints[n - 1]} for n in numbers],
              "count": len(part.hints)})  # fmt: skip
        return
    for number in numbers:
        console().print(f"[bold {ACCENT}]{name}, hint {number} of {len(part.hints)}[/]")
        say(course.plain(part.hints[number - 1]))
    if not everything and numbers[-1] == len(part.hints):
        say(f"\nThat was the last one. learnable solution {exercises.stem}/{name}")


def _first_open(exercises: course.Exercises) -> str:
    done = course.record(exercises.stem)
    return next(
        (part.name for part in exercises.parts if not done.get(part.name, {}).get("passed")), exercises.parts[-1].name
    )


def solution(target: str, yes: bool, json: bool) -> None:
    """Our solution and a word on why; whoever has not passed yet is asked first."""
    exercises, names = split(target)
    parts = [part for part in exercises.parts if not names or part.name in names]
    if json:
        emit([{"name": part.name, "solution": exercises.with_solution(part.name), "why": part.why} for part in parts])
        return
    done = course.record(exercises.stem)
    still = [part.name for part in parts if not done.get(part.name, {}).get("passed")]
    if still and not yes and sys.stdin.isatty() and sys.stdout.isatty():
        import typer

        if not typer.confirm(f"Not solved yet: {', '.join(still)}. Show the solution?"):
            note(f"it stays closed; 'learnable hint {exercises.stem}/{still[0]}' helps a little")
            return
    out = console()
    for part in parts:
        source = exercises.with_solution(part.name)
        out.print(f"[bold {ACCENT}]{part.name}[/]  {_escaped(part.title)}\n")
        if sys.stdout.isatty():
            from rich.syntax import Syntax

            out.print(Syntax(source, "python", theme="ansi_dark", background_color="default"))
        else:
            say(source)
        say(course.plain(part.why) + "\n")


def list_exercises(json: bool) -> None:
    """Every exercise, and whether it is solved."""
    rows = []
    for stem in course.stems():
        exercises, done = course.find(stem), course.record(stem)
        rows += [{"exercise": f"{stem}/{part.name}", "title": part.title, "passed": bool(done.get(part.name, {}).get("passed"))}
                 for part in exercises.parts]  # fmt: skip
    if json:
        emit(rows)
        return
    table(
        ("exercise", "title", "solved"), [(row["exercise"], row["title"], "✓" if row["passed"] else "") for row in rows]
    )
