"""The cards of all lessons, and when each is asked again: FSRS, without chance in it.

A card enters when the page of its lesson is done, or when its panel on the page was used. New cards come at most
`NEW_A_DAY` a day; in the panel of a lesson, where they were asked for, as many as it has. A card that was known is
due on a *day*, from that day's beginning on the learner's own calendar; one that was not known is due in ten minutes.

Browser and command line call the same three functions (`asked`, `rate`, `upcoming`), so the schedule is the same.
"""

import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from learnable import catalog
from learnable.course import page as pages
from learnable.course.progress import DAY, CardRow, Progress, local_day, new_card
from learnable.errors import CallError, unknown

if TYPE_CHECKING:
    from fsrs import Scheduler

NEW_A_DAY = 10
RATINGS = ("again", "hard", "good", "easy")
STATES = {1: "learning", 2: "review", 3: "relearning"}
STEP = timedelta(minutes=10)  # until a card that was not known is asked again
RETENTION = 0.9  # the share of cards that one should still know when they are due
LONGEST = 365  # days
SECONDS_A_CARD = 20


class Flash(NamedTuple):
    """A card as its lesson has it."""

    stem: str
    id: str
    front: str  # Markdown with $maths$
    back: str


class Asked(NamedTuple):
    """A card with where it stands."""

    flash: Flash
    row: CardRow
    due: bool


# ---------------------------------------------------------------------------------------------- the lessons' cards


def lesson_cards(stem: str) -> tuple[Flash, ...]:
    """The cards of a lesson, in its order; none where it has none.

    Raises:
        CallError: no such topic, or a mistake in its cards.toml.
    """
    file = pages.folder(stem) / "cards.toml"
    try:
        return _read(stem, file, file.stat().st_mtime_ns)
    except FileNotFoundError:
        return ()


@lru_cache(maxsize=512)
def _read(stem: str, file: Path, changed: int) -> tuple[Flash, ...]:
    return read_cards(stem, file.read_text(encoding="utf-8"))


def read_cards(stem: str, text: str) -> tuple[Flash, ...]:
    r"""The cards in the text of a cards.toml.

    >>> read_cards("lenet", '[[card]]\nid = "why"\nfront = "Why?"\nback = "Because."')[0].id
    'why'

    Raises:
        CallError: a mistake in it; the message names the card.
    """

    def wrong(what: str) -> CallError:
        return CallError(f"cards.toml of {stem}: {what}")

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise wrong(f"no TOML ({error})") from None
    rows = content.get("card")
    if set(content) != {"card"} or not isinstance(rows, list) or not rows:
        raise wrong("expected [[card]] with id, front and back, and nothing else")
    found: dict[str, Flash] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or set(row) != {"id", "front", "back"}:
            came = ", ".join(row) if isinstance(row, dict) else repr(row)
            raise wrong(f"card {number}: expected id, front and back, came {came[:80]}")
        id = row["id"]
        if not isinstance(id, str) or pages.slug(id) != id or len(id) > 60:
            raise wrong(f"card {number}: expected an id of lower-case words with hyphens, came {id!r}")
        for side in ("front", "back"):
            if not isinstance(row[side], str) or not row[side].strip():
                raise wrong(f"card {id!r}: expected text on its {side}")
            if row[side].replace("\\$", "").count("$") % 2:
                raise wrong(f"card {id!r}: a $ on its {side} has no partner")
        if id in found:
            raise wrong(f"two cards with the id {id!r}")
        found[id] = Flash(stem, id, row["front"].strip(), row["back"].strip())
    return tuple(found.values())


def deck(stem: str | None = None) -> dict[tuple[str, str], Flash]:
    """The cards of one lesson, or of all that are written, in the order of the course."""
    stems: Iterable[str] = (catalog.find(stem).stem,) if stem is not None else pages.lessons()
    return {(flash.stem, flash.id): flash for one in stems for flash in lesson_cards(one)}


@lru_cache(maxsize=1024)
def html(text: str) -> str:
    """A side of a card as HTML; formulas are left to the page, as on the lesson's."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    md = MarkdownIt("commonmark", {"html": False})
    md.use(dollarmath_plugin, allow_space=False, double_inline=True)

    def fence(tokens: Any, at: int, *_: Any) -> str:
        language = (tokens[at].info.split() or [""])[0]
        return f'<pre class="code" tabindex="0"><code>{pages.colored(tokens[at].content, language)}</code></pre>\n'

    rules = {"math_inline": pages.math_inline, "math_block": pages.math_block, "math_inline_double": pages.math_block, "fence": fence,
             "code_inline": lambda tokens, at, *_: f"<code>{escape(tokens[at].content)}</code>"}  # fmt: skip
    for name, rule in rules.items():
        md.renderer.rules[name] = rule  # type: ignore[attr-defined]
    return str(md.render(text))


# ---------------------------------------------------------------------------------------------- the schedule


@lru_cache(maxsize=1)
def scheduler() -> "Scheduler":
    """FSRS with its published weights, one step of ten minutes for what was not known, and no fuzz."""
    from fsrs import Scheduler

    return Scheduler(desired_retention=RETENTION, learning_steps=(STEP,), relearning_steps=(STEP,),
                     maximum_interval=LONGEST, enable_fuzzing=False)  # fmt: skip


def answered(row: CardRow, rating: int, now: float) -> CardRow:
    """Where a card stands after an answer.

    A clock that was set back does not harm it: no time has passed then, and the next interval counts from now.

    Args:
        rating: 1 again, 2 hard, 3 good, 4 easy.
    """
    from fsrs import Card, Rating, State

    moment = datetime.fromtimestamp(now, UTC)
    before = Card(
        card_id=0, state=State(row.state), step=row.step, stability=row.stability, difficulty=row.difficulty,
        due=moment, last_review=None if row.last is None else moment - timedelta(days=nights(row.last, now)),
    )  # fmt: skip
    after, _ = scheduler().review_card(before, Rating(rating), moment)
    lapse = rating == 1 and row.state == 2
    return row._replace(
        state=int(after.state), step=after.step, stability=after.stability, difficulty=after.difficulty,
        due=after.due.timestamp(), last=now, reviews=row.reviews + 1, lapses=row.lapses + lapse,
    )  # fmt: skip


def nights(before: float, now: float) -> int:
    """Days between two times as a calendar counts them, which is how memory does: by the nights slept."""
    return max(0, (date.fromisoformat(local_day(now)) - date.fromisoformat(local_day(before))).days)


def intervals(row: CardRow, now: float) -> list[float]:
    """Seconds until the card is asked again, for each of the four answers."""
    return [(answered(row, rating, now).due or now) - now for rating in (1, 2, 3, 4)]


def is_due(row: CardRow, now: float) -> bool:
    """Whether a card that was answered before is to be asked now."""
    if row.due is None or row.last is None:
        return False
    if row.last > now + DAY:  # it was answered "in the future": the clock was wrong then, and its due date with it
        return True
    return row.due <= now or (row.state == 2 and local_day(row.due) <= local_day(now))


def asked(progress: Progress, stem: str | None = None, everything: bool = False) -> list[Asked]:
    """The cards to be asked now: what is due, the most overdue first, then new ones.

    Args:
        stem: of one lesson: its new cards without a limit, and whether or not they have entered.
        everything: also what is not due, at the end.
    """
    now = progress.clock()
    cards = deck(stem)
    rows = {key: row for key, row in progress.cards(stem).items() if key in cards}
    if stem is None:
        done = progress.done()
        fresh = [
            key for key in cards if (key in rows and not rows[key].reviews) or (key not in rows and key[0] in done)
        ]
        fresh = fresh[: new_left(progress)]
    else:
        fresh = [key for key in cards if key not in rows or not rows[key].reviews]
    due = sorted((key for key, row in rows.items() if is_due(row, now)), key=lambda key: (rows[key].due or 0.0, key))
    found = [Asked(cards[key], rows[key], True) for key in due]
    found += [Asked(cards[key], rows.get(key) or new_card(*key, now), True) for key in fresh]
    if everything:
        there = {*due, *fresh}
        found += [Asked(cards[key], rows[key], False) for key in cards if key in rows and key not in there]
    return found


def new_left(progress: Progress) -> int:
    """How many more new cards there may be today."""
    today = local_day(progress.clock())
    begun = sum(row.first and local_day(row.at) == today for row in progress.reviews())
    return max(0, NEW_A_DAY - begun)


def find(stem: str, id: str) -> Flash:
    """A card by its lesson and its id.

    Raises:
        CallError: there is none.
    """
    cards = {flash.id: flash for flash in lesson_cards(stem)}
    if id not in cards:
        raise unknown(f"card of {stem}", id, cards)
    return cards[id]


class Answered(CallError):
    """The card was answered elsewhere meanwhile."""


def rate(progress: Progress, stem: str, id: str, rating: int, seen: int | None = None) -> CardRow:
    """Answer a card.

    Args:
        seen: how many answers it had when it was shown; None: does not matter.

    Raises:
        Answered: it has more by now, given in another tab or in a terminal.
        CallError: no such card, or no such rating.
    """
    find(stem, id)
    if rating not in (1, 2, 3, 4):
        raise CallError(f"expected a rating from 1 (again) to 4 (easy), came {rating}")

    def change(row: CardRow) -> CardRow:
        if seen is not None and row.reviews != seen:
            raise Answered("this card was answered meanwhile, in another tab or in a terminal; it goes on from there")
        return answered(row, rating, progress.clock())

    return progress.review(stem, id, rating, change)


def enter(progress: Progress, stem: str) -> None:
    """Let the cards of a lesson into the schedule."""
    progress.enter(stem, [flash.id for flash in lesson_cards(stem)])


def upcoming(progress: Progress, stem: str | None = None) -> float | None:
    """When the next card will be due that is not due now; None: there is none."""
    now = progress.clock()
    cards = deck(stem)
    waiting = [
        row.due for key, row in progress.cards(stem).items() if key in cards and row.due and not is_due(row, now)
    ]
    held = stem is None and not new_left(progress) and _waiting_new(progress, cards)
    return min([*waiting, *([_tomorrow(now)] if held else [])], default=None)


def _waiting_new(progress: Progress, cards: dict[tuple[str, str], Flash]) -> bool:
    rows, done = progress.cards(), progress.done()
    return any((key in rows and not rows[key].reviews) or (key not in rows and key[0] in done) for key in cards)


def _tomorrow(now: float) -> float:
    day = datetime.fromtimestamp(now).astimezone().date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day).astimezone().timestamp()


def words(seconds: float) -> str:
    """A time to wait, as people say it.

    >>> words(600), words(2 * 86400), words(86400), words(100 * 86400)
    ('10 min', '2 days', '1 day', '3 months')
    """
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min"
    if seconds < 20 * 3600:
        return _count(round(seconds / 3600), "hour")
    days = max(1, round(seconds / DAY))
    if days < 60:
        return _count(days, "day")
    return _count(round(days / 30.4), "month") if days < 360 else _count(round(days / 365), "year")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def moment(at: float | None) -> str | None:
    """A time as JSON says it, in UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def to_json(one: Asked, now: float) -> dict[str, Any]:
    """A card for a page or a program."""
    flash, row = one.flash, one.row
    waits = intervals(row, now)
    return {
        "stem": flash.stem, "title": catalog.find(flash.stem).title, "id": flash.id,
        "front": html(flash.front), "back": html(flash.back), "front_text": flash.front, "back_text": flash.back,
        "state": STATES[row.state] if row.reviews else "new", "reviews": row.reviews, "due": moment(row.due),
        "is_due": one.due, "intervals": [words(wait) for wait in waits], "seconds": [round(wait) for wait in waits],
    }  # fmt: skip


def summary(progress: Progress, stem: str | None = None, everything: bool = False) -> dict[str, Any]:
    """What the route and `learnable review --json` answer."""
    now = progress.clock()
    found = asked(progress, stem, everything)
    return {
        "cards": [to_json(one, now) for one in found], "due": sum(one.due for one in found),
        "new_left": new_left(progress), "new_a_day": NEW_A_DAY, "next": moment(upcoming(progress, stem)),
    }  # fmt: skip


def recorded(stem: str) -> dict[str, Any]:
    """A lesson's cards for a static page, where they are turned and nothing is remembered."""
    title = catalog.find(stem).title
    return {"cards": [
        {"stem": stem, "title": title, "id": flash.id, "front": html(flash.front), "back": html(flash.back), "reviews": 0, "intervals": []}
        for flash in lesson_cards(stem)
    ]}  # fmt: skip
