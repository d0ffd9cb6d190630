"""What was done, what to do now, and where something is said."""

import json as json_text
from pathlib import Path

from learnable.cli.show import ACCENT, console, duration, emit, note, say, table
from learnable.course.progress import FORMAT, Progress, local_day, read_export
from learnable.errors import CallError, WorldError


def opened() -> Progress:
    """The learner's progress; if its file was damaged, that is said."""
    from learnable.home import home

    progress = Progress(home())
    notice = progress.notice()
    if notice:
        note(notice)
    return progress


def today(minutes: int, json: bool) -> None:
    """What is due, what was begun, what comes next."""
    from learnable.course.today import plan

    items = plan(opened(), minutes)
    if json:
        emit({"minutes": minutes, "items": items})
    elif not items:
        say("Nothing is due, and every topic that stands on your path is done; learnable path shows the others")
    else:
        table(("do", "minutes", "what", "why"), [(i["command"], i["minutes"], i["title"], i["why"]) for i in items],
              numbers=("minutes",))  # fmt: skip


def progress(export: Path | None, import_: Path | None, json: bool) -> None:
    """Show it, write it to a file, or take a file in."""
    if export is not None and import_ is not None:
        raise CallError("expected --export or --import, came both")
    kept = opened()
    if export is not None:
        _export(kept, export, json)
    elif import_ is not None:
        _import(kept, import_, json)
    else:
        _show(kept, json)


def _show(kept: Progress, json: bool) -> None:
    from learnable.course import cards
    from learnable.course.today import chosen

    pages, exercises, days = kept.pages(), kept.exercises(), kept.days()
    schedule = [row for row in kept.cards().values() if row.reviews]
    if json:
        emit({
            "path": chosen(kept).name, "pages": [row._asdict() for row in pages],
            "exercises": [row._asdict() for row in exercises], "days": [row._asdict() for row in days],
            "cards": len(schedule), "cards_due": len(cards.asked(kept)), "reviews": len(kept.reviews()),
        })  # fmt: skip
        return
    out = console()
    out.print(f"[bold {ACCENT}]{chosen(kept).title}[/]")
    out.print(f"days      {len(days)}" + (f", the last one {days[-1].day}" if days else ""), markup=False)
    out.print(f"pages     {sum(row.done is not None for row in pages)} done, {len(pages)} opened, "
              f"{duration(sum(row.seconds for row in pages))}", markup=False)  # fmt: skip
    out.print(
        f"exercises {sum(row.passed is not None for row in exercises)} passed, {len(exercises)} tried", markup=False
    )
    out.print(f"cards     {len(schedule)} learned, {len(cards.asked(kept))} to be asked now", markup=False)
    if pages:
        out.print()
        said = [(row.stem, f"{row.position:.0%}", duration(row.seconds), local_day(row.last), local_day(row.done) if row.done else "")
                for row in pages]  # fmt: skip
        table(("page", "read", "time", "last", "done"), said, numbers=("read", "time"))


def _export(kept: Progress, file: Path, json: bool) -> None:
    from learnable.files import write_json

    value = kept.export()
    if str(file) == "-":
        emit(value)
        return
    if file.exists() and not _is_export(file):
        raise WorldError(f"{file} exists and is no export of progress; choose another name")
    write_json(file, value)
    if json:
        emit({"file": str(file)})
    else:
        say(f"{file}: {len(value['pages'])} pages, {len(value['exercises'])} exercises, {len(value['cards'])} cards")


def _is_export(file: Path) -> bool:
    try:
        value = read_export(file.read_text(encoding="utf-8"))
    except (CallError, OSError, UnicodeDecodeError):
        return False
    return isinstance(value, dict) and value.get("format") == FORMAT


def _import(kept: Progress, file: Path, json: bool) -> None:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WorldError(f"there is no file {file}") from None
    except OSError as error:
        raise WorldError(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CallError(
            f"expected {file} to be the JSON that 'learnable progress --export' writes; it is no text"
        ) from None
    changed = kept.merge(read_export(text))
    if json:
        emit({"changed": changed})
    else:
        news = ", ".join(f"{count} {name}" for name, count in changed.items() if count)
        say(f"Taken in: {news}" if news else "Nothing in it is new")


def search(words: list[str], limit: int, json: bool) -> None:
    """Where something is said."""
    from learnable.course import search as searching

    found = searching.search(" ".join(words), limit)
    if json:
        emit(found)
    elif not found:
        say(f"Nothing speaks of {json_text.dumps(' '.join(words), ensure_ascii=False)}")
    else:
        table(("where", "kind", "title", "heading"), [(e["href"], e["kind"], e["title"], e["heading"]) for e in found])
