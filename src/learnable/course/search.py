"""Search over everything there is to read: topics, the sections of lessons, their code, cards and resources.

`index` is what the page's own search looks through; `search` is the same for the command line. A word is found by its
beginning, and with one or two letters wrong. An answer has as many words of the question as any has; a title counts
more than text.
"""

import contextlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from learnable import catalog
from learnable.course import cards, source
from learnable.course import page as pages
from learnable.course.plain import plain
from learnable.errors import CallError

KINDS = ("topic", "section", "code", "card", "resource")
WEIGHTS = {"title": 6.0, "heading": 4.0, "text": 1.0}
FAVOR = {"topic": 1.5, "section": 1.2, "code": 1.0, "card": 0.8, "resource": 0.7}
PLANNED = 0.5  # of the score, for what cannot be read yet

Entry = dict[str, Any]


def index() -> list[Entry]:
    """All entries {stem, title, heading, text, href, kind}; made again when a lesson has changed.

    An address has no slash at its beginning, or it is a whole one, of a resource that serves the whole course.
    """
    return list(_index(_state()).entries)


class _Index(NamedTuple):
    entries: tuple[Entry, ...]
    words: dict[str, list[tuple[int, float]]]  # word -> entries that have it, with the weight of the place


def _state() -> tuple[tuple[str, int], ...]:
    files: list[Path] = []
    for stem in pages.lessons():
        folder = pages.folder(stem)
        files += [folder / name for name in ("lesson.md", "cards.toml")]
        for target in quoted(folder):
            try:
                files.append(source.module_file(target.partition(":")[0]))
            except CallError:  # the lesson's own page names it
                continue
    return tuple((str(file), file.stat().st_mtime_ns) for file in dict.fromkeys(files) if file.exists())


@lru_cache(maxsize=2)
def _index(state: tuple[tuple[str, int], ...]) -> _Index:
    entries: list[Entry] = []
    for row in catalog.topics():
        planned = "" if pages.has_lesson(row.stem) else "planned. "
        entries.append(_entry(row.stem, "topic", row.title, catalog.PARTS[row.part],
                              f"{planned}{row.stem} {row.paper} {row.year} {' '.join(row.recipes)}", f"topics/{row.stem}"))  # fmt: skip
    for stem in pages.lessons():
        entries += _lesson(stem)
    entries += _resources()
    words: dict[str, dict[int, float]] = {}
    for number, entry in enumerate(entries):
        for place, weight in WEIGHTS.items():
            if place == "title" and entry["kind"] != "topic":
                weight = 1.5  # every section of a lesson has the lesson's title
            for word in split(entry[place]):
                at = words.setdefault(word, {})
                at[number] = max(at.get(number, 0.0), weight)
    return _Index(tuple(entries), {word: list(found.items()) for word, found in words.items()})


def _entry(stem: str, kind: str, title: str, heading: str, text: str, href: str) -> Entry:
    return {
        "stem": stem,
        "title": title,
        "heading": heading,
        "text": " ".join(text.split()),
        "href": href,
        "kind": kind,
    }


def _lesson(stem: str) -> list[Entry]:
    title = catalog.find(stem).title
    entries = []
    try:
        for section in pages.page(stem).sections:
            href = f"topics/{stem}" + (f"#{section.id}" if section.id else "")
            entries.append(_entry(stem, "section", title, plain(section.title), readable(section.text), href))
    except CallError:  # a mistake in one lesson, which its own page names, does not keep the others from being found
        pass
    for target in quoted(pages.folder(stem)):
        try:
            found = source.find(target)
        except CallError:
            continue
        summary = found.text.partition('"""')[2].partition('"""')[0].strip().partition("\n")[0]
        entries.append(
            _entry(stem, "code", title, target.partition(":")[2], f"{summary} {found.path}", f"topics/{stem}")
        )
    with contextlib.suppress(CallError):
        entries += [
            _entry(stem, "card", title, plain(card.front), plain(card.back), f"topics/{stem}#cards")
            for card in cards.lesson_cards(stem)
        ]
    return entries


def _resources() -> list[Entry]:
    entries = []
    for row in catalog.resources():
        about = f"{row.author} {row.year or ''} {row.kind}. {row.why}"
        for stem in row.topics or ("",):
            title = catalog.find(stem).title if stem else "The whole course"
            href = f"topics/{stem}" if stem else row.address
            entries.append({**_entry(stem, "resource", title, row.title, about, href), "address": row.address})
    return entries


def quoted(folder: Path) -> list[str]:
    """The "module:name" of all code that a lesson quotes."""
    targets = []
    text = (folder / "lesson.md").read_text(encoding="utf-8")
    for line in re.findall(r"^:::\s+source\s+(.+)$", text, re.M):
        module = ""
        for word in line.split():
            module, name = word.split(":", 1) if ":" in word else (module, word)
            targets.append(f"{module}:{name}")
    return targets


def readable(text: str) -> str:
    """A section's words with what is left of its TeX taken out."""
    return re.sub(r"\\[A-Za-z]+|[{}]", " ", text)


def split(text: str) -> list[str]:
    """The words of a text, small; parts of a name with underscores or capitals are words of their own, too.

    >>> split("Self-attention: CausalMask, d_model")
    ['self', 'attention', 'causalmask', 'causal', 'mask', 'd_model', 'model']
    """
    words: list[str] = []
    for word in re.findall(r"\w+", text):
        parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+", word)
        words += [word.lower(), *(part.lower() for part in parts if len(parts) > 1 and len(part) > 1)]
        if len(parts) == 1 and parts[0] != word and len(parts[0]) > 2:
            words.append(parts[0].lower())
    return list(dict.fromkeys(words))


def search(question: str, limit: int = 12) -> list[Entry]:
    """The entries that answer a question best, each with its score.

    Raises:
        CallError: the question has no word.
    """
    asked = re.findall(r"\w+", question.lower())[:12]
    if not asked:
        raise CallError(f"expected words to look for, came {question[:40]!r}")
    found = _index(_state())
    total: dict[int, float] = {}
    count: dict[int, int] = {}
    for word in asked:
        scores: dict[int, float] = {}
        for known, likeness in alike(word, tuple(found.words)).items():
            for number, weight in found.words[known]:
                scores[number] = max(scores.get(number, 0.0), weight * likeness)
        for number, score in scores.items():
            total[number] = total.get(number, 0.0) + score
            count[number] = count.get(number, 0) + 1
    most = max(count.values(), default=0)
    ranked = []
    for number, score in total.items():
        if count[number] < most:
            continue
        entry = found.entries[number]
        planned = entry["kind"] == "topic" and entry["text"].startswith("planned. ")
        ranked.append({**entry, "score": round(score * FAVOR[entry["kind"]] * (PLANNED if planned else 1.0), 3)})
    ranked.sort(key=lambda entry: (-entry["score"], KINDS.index(entry["kind"]), entry["href"], entry["heading"]))
    return ranked[:limit]


def alike(word: str, known: tuple[str, ...]) -> dict[str, float]:
    """The words that may be meant, with how much alike they are: the same 1, begun so 0.7, with a letter wrong less."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    scores: dict[str, float] = {}
    for one in known:
        if one.startswith(word):
            scores[one] = 1.0 if one == word else 0.5 + 0.3 * len(word) / len(one)
    wrong = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
    if wrong and not any(score >= 0.7 for score in scores.values()):
        for one, distance, _ in process.extract(word, known, scorer=OSA.distance, score_cutoff=wrong, limit=None):
            scores[one] = max(scores.get(one, 0.0), 0.5 - 0.15 * distance)
    return scores
