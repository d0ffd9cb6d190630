"""Where the learner is, and what to do next: for the start page and for `learnable today`.

Everything is read from the catalog, from `progress.db` and from the runs' own JSON, so that nothing heavy is imported.
Addresses have no slash at their beginning: a page puts its root before them.
"""

import contextlib
import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from learnable import catalog
from learnable.course import cards
from learnable.course import page as pages
from learnable.course.progress import Progress
from learnable.errors import CallError, unknown
from learnable.runs.lock import busy

PATH = "whole-course"  # until another one is chosen: it has every topic
MINUTES = 30
SHORTEST = 5  # minutes for which it is worth while to begin a page
RUNS = 5


def today(home: Path, minutes: int = MINUTES) -> list[dict[str, Any]]:
    """What to do now, in order: what is due, what was begun, then the next topic of the path; as much as fits.

    Raises:
        CallError: less than a minute, or more than a day has.
    """
    if not 1 <= minutes <= 24 * 60:
        raise CallError(f"expected 1 to {24 * 60} minutes, came {minutes}")
    return plan(Progress(home), minutes)


def plan(progress: Progress, minutes: int, asked: list[cards.Asked] | None = None) -> list[dict[str, Any]]:
    """The same for a learner's progress, where the cards to be asked may be known already."""
    items: list[dict[str, Any]] = []
    left = minutes
    for item in [
        *_cards(cards.asked(progress) if asked is None else asked, minutes),
        *_begun(progress),
        *_exercises(progress),
        *_next(progress),
    ]:
        place = item["href"].partition("#")[0]
        if item["kind"] == "topic" and any(place == other["href"].partition("#")[0] for other in items):
            continue
        if item["minutes"] > left:
            if left < min(SHORTEST, minutes) or item["kind"] == "exercise":
                continue
            item["why"] += f"; {left} of its {item['minutes']} min"
            item["minutes"] = left
        items.append(item)
        left -= item["minutes"]
    return items


def _item(kind: str, title: str, href: str, minutes: float, why: str, command: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "title": title,
        "href": href,
        "minutes": max(1, math.ceil(minutes)),
        "why": why,
        "command": command,
    }


def _cards(asked: list[cards.Asked], minutes: int) -> list[dict[str, Any]]:
    if not asked:
        return []
    fresh = sum(not one.row.reviews for one in asked)
    old = len(asked) - fresh
    fit = max(1, min(len(asked), minutes * 60 // cards.SECONDS_A_CARD))
    said = [f"{old} due" if old else "", f"{fresh} new" if fresh else ""]
    why = f"{' and '.join(filter(None, said))}: what is asked just before it is forgotten, stays"
    title = f"{fit} of {len(asked)} cards" if fit < len(asked) else f"{fit} card{'s' if fit > 1 else ''}"
    return [_item("cards", title, "cards", fit * cards.SECONDS_A_CARD / 60, why, "learnable review")]


def _begun(progress: Progress) -> list[dict[str, Any]]:
    """The page in the middle of which one is: the latest."""
    found = resume(progress)
    if found is None:
        return []
    row = catalog.find(found["stem"])
    rest = (1 - found["position"]) * row.minutes.reading
    where = f"at “{found['section']}”" if found["section"] else f"{found['position']:.0%} read"
    return [
        _item(
            "page",
            found["title"],
            found["href"],
            rest,
            f"you are in the middle of it, {where}",
            f"learnable open {row.stem}",
        )
    ]


def _exercises(progress: Progress) -> list[dict[str, Any]]:
    """Those that were tried and not passed, of topics that are there; the latest first."""
    items = []
    written = frozenset(pages.lessons())
    for row in sorted(progress.exercises(), key=lambda row: row.tried, reverse=True):
        if row.passed is None and row.stem in written:
            topic = catalog.find(row.stem)
            times = f"{row.attempts} attempt{'s' if row.attempts > 1 else ''}"
            items.append(_item("exercise", f"{topic.title}: {row.name}", f"topics/{row.stem}#exercise", topic.minutes.exercise,
                               f"begun and not passed yet, {times}", f"learnable check {row.stem}/{row.name}"))  # fmt: skip
    return items


def _next(progress: Progress) -> list[dict[str, Any]]:
    """The topics of the path that stand and are not done."""
    way = chosen(progress)
    done, written = progress.done(), frozenset(pages.lessons())
    begun = {row.stem for row in progress.pages()}
    items: list[dict[str, Any]] = []
    for stem in (stem for leg in way.legs for stem in leg.topics):
        if stem in done or stem not in written:
            continue
        row = catalog.find(stem)
        missing = [one for one in row.prerequisites if one in written and one not in done]
        why = f"next on the path “{way.title}”" if not items else f"after that on “{way.title}”"
        if stem in begun:
            why = f"begun, and not done yet, on the path “{way.title}”"
        if missing and not items:
            why += f"; it builds on {', '.join(missing)}"
        items.append(
            _item(
                "topic",
                row.title,
                f"topics/{stem}",
                row.minutes.total - row.minutes.cards,
                why,
                f"learnable open {stem}",
            )
        )
    return items


def _written(stem: str) -> bool:
    """Whether there is such a topic, with a lesson to read."""
    try:
        return pages.has_lesson(stem)
    except CallError:  # progress of another version of the course
        return False


@lru_cache(maxsize=1)
def _paths() -> dict[str, catalog.Path]:
    """The paths; they belong to the package, and do not change while it runs."""
    return catalog.paths()


def chosen(progress: Progress) -> catalog.Path:
    """The learner's path; the whole course until one is chosen."""
    paths = _paths()
    return paths.get(progress.setting("path") or PATH) or paths[PATH]


def choose(progress: Progress, name: str) -> None:
    """Choose a path.

    Raises:
        CallError: there is no such one.
    """
    if name not in _paths():
        raise unknown("path", name, _paths())
    progress.choose("path", name)


def resume(progress: Progress) -> dict[str, Any] | None:
    """Where one stopped reading: the latest page that is not done. None: there is none."""
    for row in progress.pages():
        if row.done is None and row.position < 0.99 and _written(row.stem):
            id, title = _section(row.stem, row.section, row.position)
            href = f"topics/{row.stem}" + (f"#{id}" if id else "")
            return {"stem": row.stem, "title": catalog.find(row.stem).title, "section": title, "position": row.position, "href": href,
                    "percent": round(100 * row.position)}  # fmt: skip
    return None


def _section(stem: str, section: str, position: float) -> tuple[str, str]:
    """The heading under which one was: the one that was named, else by how far down it is."""
    try:
        sections = [one for one in pages.page(stem).sections if one.id]
    except CallError:  # a mistake in the lesson; its own page names it
        return "", ""
    for one in sections:
        if one.id == section:
            return one.id, one.title
    words = [len(one.text.split()) for one in sections]
    passed = 0.0
    for one, count in zip(sections, words, strict=True):
        passed += count
        if position and passed >= position * sum(words):
            return one.id, one.title
    return "", ""


# ---------------------------------------------------------------------------------------------- pages


def start_context(home: Path | None, minutes: int = MINUTES) -> dict[str, Any]:
    """What start.html shows; without a home (the static site) nobody's progress is."""
    progress = Progress(home) if home is not None else None
    done = progress.done() if progress else frozenset()
    standing = pages.lessons()
    found = runs(home) if home is not None else []
    way = chosen(progress) if progress else _paths()[PATH]
    asked = cards.asked(progress) if progress else []
    return {
        "continue": resume(progress) if progress else None,
        "today": plan(progress, minutes, asked) if progress else [],
        "minutes": minutes,
        "path": path_json(way, done),
        "paths": paths_json(way.name),
        "counts": {
            "topics": len(standing), "done": len(done & set(standing)), "planned": len(catalog.topics()) - len(standing),
            "cards_due": len(asked), "runs": len(found),
            "days": len(progress.days()) if progress else 0,
        },
        "recent_runs": found[:RUNS],
        "notice": progress.notice() if progress else None,
    }  # fmt: skip


def path_context(home: Path | None, name: str) -> dict[str, Any]:
    """What path.html shows.

    Raises:
        CallError: there is no such path.
    """
    paths = _paths()
    if name not in paths:
        raise unknown("path", name, paths)
    progress = Progress(home) if home is not None else None
    way = chosen(progress) if progress else paths[PATH]
    return {"path": path_json(paths[name], progress.done() if progress else frozenset()), "paths": paths_json(way.name),
            "chosen": way.name}  # fmt: skip


def path_json(way: catalog.Path, done: frozenset[str]) -> dict[str, Any]:
    """A path with what is done and what comes next."""
    written = frozenset(pages.lessons())
    legs = []
    ahead = next((stem for leg in way.legs for stem in leg.topics if stem in written and stem not in done), None)
    for leg in way.legs:
        rows = []
        for stem in leg.topics:
            row = catalog.find(stem)
            rows.append({
                "stem": stem, "title": row.title, "stands": stem in written, "done": stem in done, "next": stem == ahead,
                "minutes": row.minutes.total, "weight": row.weight, "href": f"topics/{stem}",
            })  # fmt: skip
        legs.append({"title": leg.title, "hours": leg.hours, "topics": rows})
    return {"name": way.name, "title": way.title, "whom": way.whom, "hours": way.hours, "days": way.days,
            "assumes": list(way.assumes), "legs": legs}  # fmt: skip


def paths_json(chosen_name: str) -> list[dict[str, Any]]:
    """All paths, in a row each."""
    return [
        {"name": way.name, "title": way.title, "whom": way.whom, "hours": way.hours, "chosen": way.name == chosen_name,
         "href": f"paths/{way.name}"}
        for way in _paths().values()
    ]  # fmt: skip


def runs(home: Path) -> list[dict[str, Any]]:
    """What was trained, the latest first, by the runs' own JSON; what cannot be read is left out."""
    found = []
    for file in (home / "runs").glob("*/*/run.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            record = json.loads(file.read_text(encoding="utf-8"))
            recipe, when = file.parent.parent.name, file.parent.name
            metric, value = next(iter((record.get("metrics") or {}).items()), (None, None))
            status = str(record["status"])
            if status == "running" and not busy(file.parent):
                status = "interrupted"
            found.append({
                "name": f"{recipe}/{when}", "recipe": recipe, "when": when, "status": status, "metric": metric, "value": value,
                "seconds": record.get("seconds"), "started": str(record.get("started", "")), "href": f"runs#{recipe}/{when}",
            })  # fmt: skip
    return sorted(found, key=lambda run: (run["when"], run["recipe"]), reverse=True)
