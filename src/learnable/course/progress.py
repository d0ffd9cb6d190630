"""What a learner has done, in one SQLite file: `<home>/progress.db`.

    pages       how far, how long, done when           exercises   attempts, passed when
    cards       where each stands in its schedule      reviews     every answer that was ever given
    days        on which something was done            settings    the chosen path, a notice

Two tabs, two servers and a command line may use it at once: every call opens the file, does one transaction and
closes it, writers wait for each other, and a reader never waits (write-ahead log). A killed process loses at most the
call that it was in. Times are seconds since 1970, so that no time zone is in the file.

A file that SQLite cannot read is set aside as `progress.db.damaged-<when>`; what can still be read of it is carried
over, and `Progress.notice` tells the learner. Where nothing can be written, reading still works.
"""

import contextlib
import json
import math
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from learnable.errors import CallError, WorldError

FILE = "progress.db"
SCHEMA = 1
FORMAT = "learnable-progress"
PATIENCE = 10.0  # seconds that a writer waits for another
DAY = 86_400.0
NOTICE_DAYS = 2
FUTURE = 2 * DAY  # by how much another machine's clock may be ahead of ours
LARGEST = 50_000_000  # characters of an import
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")

Row = dict[str, Any]
Result = TypeVar("Result")
SQLITE_CODE = 0xFF  # the primary part of SQLite's error codes


class PageRow(NamedTuple):
    """How far one has come with a page."""

    stem: str
    section: str  # the heading's address, "" at the top
    position: float  # 0 at the top, 1 at the end
    seconds: float
    first: float
    last: float
    done: float | None


class ExerciseRow(NamedTuple):
    """How one has done with an exercise."""

    stem: str
    name: str
    attempts: int
    tried: float
    passed: float | None


class CardRow(NamedTuple):
    """Where a card stands in its schedule; before the first review stability, difficulty, due and last are None."""

    stem: str
    id: str
    state: int  # 1 learning, 2 review, 3 relearning
    step: int | None
    stability: float | None
    difficulty: float | None
    due: float | None
    last: float | None
    reviews: int
    lapses: int
    entered: float


class ReviewRow(NamedTuple):
    """One answer to one card."""

    stem: str
    id: str
    at: float
    rating: int  # 1 again, 2 hard, 3 good, 4 easy
    first: int  # 1: the card was new


class DayRow(NamedTuple):
    """A day, as the learner's own calendar counts, on which something was done."""

    day: str
    seconds: float
    reviews: int


class SettingRow(NamedTuple):
    """Something that was chosen."""

    key: str
    value: str
    at: float


class Table(NamedTuple):
    """A table of the file: the form of its rows, what tells two apart, and what two of the same become."""

    row: type[Any]
    key: tuple[str, ...]
    merge: Callable[[Row, Row], Row]


def _newest(by: str, *, most: Sequence[str] = (), least: Sequence[str] = ()) -> Callable[[Row, Row], Row]:
    """The row that is newer by one column, with the largest of some columns, and the smallest of others."""

    def merge(old: Row, new: Row) -> Row:
        # Equal times: the larger row in any fixed order, so that it does not matter which one came first.
        rank = lambda row: (row[by] is not None, row[by] or 0.0, json.dumps(row, sort_keys=True))
        merged = dict(max(old, new, key=rank))
        for columns, choose in ((most, max), (least, min)):
            for column in columns:
                known = [row[column] for row in (old, new) if row[column] is not None]
                merged[column] = choose(known) if known else None
        return merged

    return merge


TABLES = {
    "pages":     Table(PageRow, ("stem",), _newest("last", most=("seconds",), least=("first",))),
    "exercises": Table(ExerciseRow, ("stem", "name"), _newest("tried", most=("attempts",), least=("passed",))),
    "cards":     Table(CardRow, ("stem", "id"), _newest("last", least=("entered",))),
    "reviews":   Table(ReviewRow, ("stem", "id", "at"), _newest("at")),
    "days":      Table(DayRow, ("day",), _newest("day", most=("seconds", "reviews"))),
    "settings":  Table(SettingRow, ("key",), _newest("at")),
}  # fmt: skip

TYPES = {
    "str": "TEXT NOT NULL",
    "int": "INTEGER NOT NULL",
    "float": "REAL NOT NULL",
    "int | None": "INTEGER",
    "float | None": "REAL",
}


class Progress:
    """The progress of the learner whose home this is. Making one touches nothing.

    Args:
        clock: seconds since 1970; tests have their own.
        patience: seconds that a writer waits for another.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     progress = Progress(Path(folder))
    ...     progress.visit("lenet", position=0.5, seconds=60)
    ...     progress.page("lenet").position
    0.5
    """

    def __init__(self, home: Path, clock: Callable[[], float] = time.time, patience: float = PATIENCE):
        self.home = home
        self.file = home / FILE
        self.clock = clock
        self.patience = patience

    # ------------------------------------------------------------------------------------------ pages

    def page(self, stem: str) -> PageRow | None:
        """How far one has come with a page; None: it was never opened."""
        return next(iter(self.pages(stem)), None)

    def pages(self, stem: str | None = None) -> list[PageRow]:
        """The pages that were opened, the latest first."""
        found = [PageRow(**row) for row in self._rows("pages", stem)]
        return sorted(found, key=lambda row: row.last, reverse=True)

    def done(self) -> frozenset[str]:
        """The stems of the pages that are done."""
        return frozenset(row.stem for row in self.pages() if row.done is not None)

    def visit(
        self, stem: str, position: float | None = None, seconds: float = 0.0, done: bool | None = None,
        section: str | None = None,
    ) -> None:  # fmt: skip
        """Note that a page is being read.

        Args:
            position: how far down, 0 to 1; None: as before.
            seconds: since the last such note.
            done: None: as before.
            section: the heading's address.
        """
        now = self.clock()

        def work(db: sqlite3.Connection) -> None:
            old = _one(db, "pages", (stem,)) or {
                "stem": stem, "section": "", "position": 0.0, "seconds": 0.0, "first": now, "last": now, "done": None,
            }  # fmt: skip
            new = {**old, "last": now, "seconds": old["seconds"] + seconds}
            new |= {} if position is None else {"position": position}
            new |= {} if section is None else {"section": section}
            if done is not None:
                new["done"] = (old["done"] or now) if done else None
            _put(db, "pages", new)
            _active(db, now, seconds=seconds)

        self.write(work)

    # ------------------------------------------------------------------------------------------ exercises

    def exercises(self, stem: str | None = None) -> list[ExerciseRow]:
        """The exercises that were tried."""
        return [ExerciseRow(**row) for row in self._rows("exercises", stem)]

    def attempt(self, stem: str, name: str, passed: bool) -> None:
        """Note that an exercise was checked. Once passed it stays so."""
        now = self.clock()

        def work(db: sqlite3.Connection) -> None:
            old = _one(db, "exercises", (stem, name)) or {"attempts": 0, "passed": None}
            when = old["passed"] or (now if passed else None)
            _put(db, "exercises",
                 {"stem": stem, "name": name, "attempts": old["attempts"] + 1, "tried": now, "passed": when})  # fmt: skip
            _active(db, now)

        self.write(work)

    # ------------------------------------------------------------------------------------------ cards

    def cards(self, stem: str | None = None) -> dict[tuple[str, str], CardRow]:
        """The cards that have entered the schedule."""
        return {(row["stem"], row["id"]): CardRow(**row) for row in self._rows("cards", stem)}

    def reviews(self, stem: str | None = None) -> list[ReviewRow]:
        """Every answer that was ever given, the oldest first."""
        return sorted((ReviewRow(**row) for row in self._rows("reviews", stem)), key=lambda row: row.at)

    def enter(self, stem: str, ids: Sequence[str]) -> None:
        """Let cards into the schedule, as new ones; those that are there stay as they are."""
        now = self.clock()

        def work(db: sqlite3.Connection) -> None:
            for id in ids:
                if _one(db, "cards", (stem, id)) is None:
                    _put(db, "cards", new_card(stem, id, now)._asdict())

        if set(ids) - {id for _, id in self.cards(stem)}:
            self.write(work)

    def review(self, stem: str, id: str, rating: int, change: Callable[[CardRow], CardRow]) -> CardRow:
        """Answer a card: read where it stands, let `change` move it, write it and the log, all in one step.

        Args:
            change: may refuse by raising; then nothing is written.
        """
        now = self.clock()

        def work(db: sqlite3.Connection) -> CardRow:
            old = _one(db, "cards", (stem, id))
            before = CardRow(**old) if old else new_card(stem, id, now)
            after = change(before)
            _put(db, "cards", after._asdict())
            at = now
            while _one(db, "reviews", (stem, id, at)):  # a clock that was set back, or a very coarse one
                at += 0.001
            _put(db, "reviews", {"stem": stem, "id": id, "at": at, "rating": rating, "first": int(not before.reviews)})
            _active(db, now, reviews=1)
            return after

        return self.write(work)

    # ------------------------------------------------------------------------------------------ days and settings

    def days(self) -> list[DayRow]:
        """The days on which something was done, in order."""
        return sorted(DayRow(**row) for row in self._rows("days"))

    def setting(self, key: str) -> str | None:
        """What was chosen."""
        found = self.read(lambda db: _one(db, "settings", (key,)))
        return found["value"] if found else None

    def choose(self, key: str, value: str) -> None:
        """Choose something: the path."""
        now = self.clock()
        self.write(lambda db: _put(db, "settings", {"key": key, "value": value, "at": now}))

    def notice(self) -> str | None:
        """What the learner should be told of the file itself, for two days after it happened."""
        found = self.read(lambda db: _one(db, "settings", ("notice",)))
        return found["value"] if found and abs(self.clock() - found["at"]) < NOTICE_DAYS * DAY else None

    # ------------------------------------------------------------------------------------------ out and in

    def export(self) -> dict[str, Any]:
        """All of it, as JSON says it; `merge` takes it in again, here or on another machine."""

        def work(db: sqlite3.Connection) -> dict[str, Any]:
            return {name: _all(db, name) for name in TABLES}

        tables = self.read(work)
        tables["settings"] = [row for row in tables["settings"] if row["key"] in CHOICES]
        when = datetime.fromtimestamp(self.clock()).astimezone().isoformat(timespec="seconds")
        return {"format": FORMAT, "version": SCHEMA, "exported": when, **tables}

    def merge(self, value: object) -> dict[str, int]:
        """Take in what `export` gave: of two rows on the same thing the newest wins, and twice is as once.

        Returns:
            How many rows of each table were new or changed something.

        Raises:
            CallError: it is no export, or a row in it is impossible; nothing is taken in then.
        """
        rows = checked(value, self.clock())
        return self.write(lambda db: _merge(db, rows))

    # ------------------------------------------------------------------------------------------ the file

    def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do something that only reads, in one transaction.

        Raises:
            WorldError: the file can be neither read nor set aside.
        """
        return self._attempt(work, write=False)

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do something in one transaction: all of it happens, or nothing.

        Raises:
            WorldError: the disk is full, the folder is read-only, or another process holds the file for too long.
        """
        return self._attempt(work, write=True)

    def _rows(self, table: str, stem: str | None = None) -> list[Row]:
        return self.read(lambda db: _all(db, table, stem))

    def _attempt(self, work: Callable[[sqlite3.Connection], Result], write: bool) -> Result:
        deadline = time.monotonic() + self.patience
        damages = 0
        while True:
            try:
                with contextlib.closing(self._connect(write)) as db:
                    db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                    try:
                        result = work(db)
                        db.execute("COMMIT")
                        return result
                    except BaseException:
                        with contextlib.suppress(sqlite3.Error):
                            db.execute("ROLLBACK")
                        raise
            except (_Damaged, sqlite3.Error) as error:
                if is_damage(error) and damages < 2:
                    damages += 1
                    try:
                        self._set_aside()
                    except WorldError:
                        if write:
                            raise
                        with contextlib.closing(_empty()) as db:  # read-only and damaged: a page can still be read
                            return work(db)
                elif _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() < deadline:
                    time.sleep(0.02)
                else:
                    raise self._plain(error) from error

    def _connect(self, write: bool) -> sqlite3.Connection:
        if write:
            if not self.file.exists() or self.file.stat().st_size == 0:
                self._create()
            db = self._opened("rw")
            try:
                if _version(db) == 0:
                    db.close()
                    self._create()
                    db = self._opened("rw")
                _check_schema(db, self.file)
            except BaseException:
                db.close()
                raise
            return db
        try:
            exists = self.file.exists()
        except OSError:
            exists = False
        if not exists:
            return _empty()
        # The write-ahead log's index lies beside the file. Where it cannot be made the file is read as it stands.
        for mode in ("rw", "ro", "ro&immutable=1"):
            db = self._opened(mode)
            try:
                if _version(db) == 0 and not _tables(db):  # somebody is just making it
                    db.close()
                    return _empty()
                _check_schema(db, self.file)
                return db
            except sqlite3.Error as error:
                db.close()
                if is_damage(error) or _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                last: Exception = error
            except BaseException:
                db.close()
                raise
        raise last

    def _opened(self, mode: str) -> sqlite3.Connection:
        address = f"{self.file.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=self.patience, isolation_level=None)

    def _create(self) -> None:
        with self._alone():
            db = sqlite3.connect(self.file, timeout=self.patience, isolation_level=None)
            with contextlib.closing(db):
                if _version(db) == 0 and not _tables(db):
                    db.execute("PRAGMA journal_mode = WAL")
                    _make_tables(db)
                elif _version(db) == 0:
                    raise _Damaged(f"{self.file} is another program's database")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time makes the file, or sets it aside."""
        from filelock import FileLock, Timeout

        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with FileLock(self.home / f".{FILE}.lock", timeout=self.patience):
                yield
        except Timeout:
            raise WorldError(f"another process is making {self.file} and does not come to an end; try again") from None
        except OSError as error:
            raise WorldError(f"{self.home} cannot be written to ({error.strerror or error}), so nothing is remembered; "
                             "make room, mend its permissions, or set LEARNABLE_HOME to a folder of your own") from error  # fmt: skip

    def _set_aside(self) -> None:
        with self._alone():
            if not self.file.exists() or _sound(self.file):  # another process was faster
                return
            when = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(self.clock()))
            place = self.file.with_name(f"{FILE}.damaged-{when}")
            number = 1
            while place.exists():
                number += 1
                place = self.file.with_name(f"{FILE}.damaged-{when}-{number}")
            self.file.rename(place)
            for end in ("-wal", "-shm"):  # they belong to the file that they were written for
                with contextlib.suppress(FileNotFoundError):
                    self.file.with_name(FILE + end).rename(place.with_name(place.name + end))
            rows = salvage(place, self.clock())
            kept = sum(map(len, rows.values()))
            told = (f"Your progress could not be read: the file is damaged. It was set aside as {place.name}, and "
                    + (f"{kept} entries that could still be read were carried over." if kept else "an empty one was begun.")
                    + " If you have an export: learnable progress --import FILE")  # fmt: skip
            db = sqlite3.connect(self.file, timeout=self.patience, isolation_level=None)
            with contextlib.closing(db):
                db.execute("PRAGMA journal_mode = WAL")
                _make_tables(db)
                db.execute("BEGIN IMMEDIATE")
                _merge(db, rows)
                _put(db, "settings", {"key": "notice", "value": told, "at": self.clock()})
                db.execute("COMMIT")

    def _plain(self, error: Exception) -> Exception:
        """SQLite's errors in words."""
        code = _code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return WorldError(
                f"another process has been holding {self.file} for {self.patience:g} s; end it, or try again"
            )
        if code == sqlite3.SQLITE_FULL:
            return WorldError(f"the disk is full: {self.file} was not changed. Make room, then try again.")
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return WorldError(f"{self.file} cannot be written to, so nothing is remembered; mend the permissions of "
                              f"{self.home}, or set LEARNABLE_HOME to a folder of your own")  # fmt: skip
        if code == sqlite3.SQLITE_IOERR:
            return WorldError(f"{self.file} cannot be read or written ({error}); is the disk full, or failing?")
        if is_damage(error):
            return WorldError(f"{self.file} is damaged and could not be set aside ({error}); move it away")
        return error


class _Damaged(Exception):
    """SQLite can read the file, and it is not what it should be."""


def new_card(stem: str, id: str, now: float) -> CardRow:
    """A card that nobody has answered yet."""
    return CardRow(stem, id, 1, 0, None, None, None, None, 0, 0, now)


def local_day(at: float) -> str:
    """The day on the learner's own calendar."""
    return datetime.fromtimestamp(at).astimezone().date().isoformat()


# ---------------------------------------------------------------------------------------------- what may come in


def read_export(text: str) -> object:
    """The JSON of an export.

    Raises:
        CallError: it is too large, or no JSON.
    """
    if len(text) > LARGEST:
        raise CallError(f"expected an export of at most {LARGEST:,} characters, came {len(text):,}")

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise CallError(
            f"expected the JSON that 'learnable progress --export' writes; it cannot be read: {error}"
        ) from None


def checked(value: object, now: float) -> dict[str, list[Row]]:
    """The rows of an export, each of them possible.

    Raises:
        CallError: one is not; the message names it.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise CallError(f'expected an export of progress, an object with "format": "{FORMAT}"')
    version = value.get("version")
    if type(version) is not int or version < 1:
        raise CallError(f"expected a version from 1 to {SCHEMA}, came {str(version)[:40]!r}")
    if version > SCHEMA:
        raise CallError(f"the export has version {version} and this Learnable reads up to {SCHEMA}; update Learnable")
    found: dict[str, list[Row]] = {}
    for name in TABLES:
        rows = value.get(name, [])
        if not isinstance(rows, list):
            raise CallError(f"{name}: expected a list, came {type(rows).__name__}")
        found[name] = []
        for number, row in enumerate(rows, start=1):
            try:
                found[name].append(check_row(name, row, now))
            except CallError as error:
                raise CallError(f"{name}, row {number}: {error}; nothing was taken in") from None
    return found


def check_row(table: str, row: object, now: float) -> Row:
    """One row, if it is possible.

    Raises:
        CallError: it is not.
    """
    form = TABLES[table].row
    columns: Mapping[str, Any] = form.__annotations__
    if not isinstance(row, dict) or set(row) != set(columns):
        raise CallError(f"expected an object with {', '.join(columns)}")
    for column, kind in columns.items():
        value = row[column]
        optional = "None" in str(kind)
        if value is None and optional:
            continue
        if kind is str:
            if not isinstance(value, str) or len(value) > 400:
                raise CallError(f"{column}: expected a short text, came {str(value)[:40]!r}")
            if column in ("stem", "id", "name", "key") and not NAME.fullmatch(value):
                raise CallError(f"{column}: expected letters, digits and hyphens, came {value[:40]!r}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise CallError(f"{column}: expected a number, came {str(value)[:40]!r}")
        elif "int" in str(kind) and not isinstance(value, int):
            raise CallError(f"{column}: expected a whole number, came {str(value)[:40]!r}")
        elif value < 0 or (value > now + FUTURE and column in TIMES):
            raise CallError(f"{column}: expected a time that is past, or is this machine's clock wrong? Came {value:g}")
        elif value > LIMITS.get(column, 2**40):
            raise CallError(f"{column}: expected at most {LIMITS.get(column, 2**40):g}, came {value:g}")
    _check_together(table, row)
    return {column: float(row[column]) if "float" in str(kind) and row[column] is not None else row[column]
            for column, kind in columns.items()}  # fmt: skip


CHOICES = ("path",)  # what a learner chooses; a notice belongs to one file and does not travel
TIMES = frozenset({"first", "last", "done", "tried", "passed", "entered", "at"})
LIMITS = {"position": 1, "state": 3, "step": 9, "stability": 40_000, "difficulty": 10, "rating": 4, "attempts": 10**9,
          "reviews": 10**9, "lapses": 10**9, "due": 1e11, "seconds": 1e10}  # fmt: skip


def _check_together(table: str, row: Row) -> None:
    """What the columns of a row say of each other."""
    if table == "cards":
        fresh = row["last"] is None
        if any((row[column] is None) != fresh for column in ("stability", "difficulty", "due")):
            raise CallError("expected stability, difficulty, due and last together, or none of them")
        if row["state"] == 0 or (row["state"] == 2) != (row["step"] is None):
            raise CallError("expected a step in the states 1 and 3, and none in the state 2")
        if fresh and row["state"] != 1:
            raise CallError("expected state 1 of a card that was never answered")
        if not fresh and (row["stability"] < 0.001 or row["difficulty"] < 1):
            raise CallError("expected a stability from 0.001 and a difficulty from 1")
    if table == "settings" and row["key"] not in CHOICES:
        raise CallError(f"key: expected {', '.join(CHOICES)}, came {row['key']!r}")
    if table == "reviews" and not row["rating"]:
        raise CallError("expected a rating from 1 to 4")
    if table == "days":
        try:
            datetime.strptime(row["day"], "%Y-%m-%d")
        except ValueError:
            raise CallError(f"day: expected YYYY-MM-DD, came {row['day'][:40]!r}") from None


def salvage(file: Path, now: float) -> dict[str, list[Row]]:
    """What can still be read of a damaged file, from its beginning and from its end: the rows that are possible."""
    found: dict[str, list[Row]] = {name: [] for name in TABLES}
    for name, table in TABLES.items():
        for direction in ("ASC", "DESC"):
            with contextlib.suppress(sqlite3.Error, OSError):
                db = sqlite3.connect(file, timeout=1.0, isolation_level=None)
                with contextlib.closing(db):
                    db.text_factory = lambda text: text.decode("utf-8", "replace")
                    columns = list(table.row.__annotations__)
                    for values in db.execute(f"SELECT {', '.join(columns)} FROM {name} ORDER BY rowid {direction}"):
                        with contextlib.suppress(CallError):
                            found[name].append(check_row(name, dict(zip(columns, values, strict=True)), now))
    return {
        name: [dict(items) for items in dict.fromkeys(tuple(row.items()) for row in rows)]
        for name, rows in found.items()
    }


# ---------------------------------------------------------------------------------------------- SQL


def _make_tables(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    for name, table in TABLES.items():
        columns = [f"{column} {TYPES[_name(kind)]}" for column, kind in table.row.__annotations__.items()]
        db.execute(f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(table.key)}))")
    db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _empty() -> sqlite3.Connection:
    """A file in memory, for reading where there is none."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    _make_tables(db)
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _tables(db: sqlite3.Connection) -> frozenset[str]:
    return frozenset(name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))


def _check_schema(db: sqlite3.Connection, file: Path) -> None:
    version = _version(db)
    if version > SCHEMA and set(TABLES) <= _tables(db):
        raise WorldError(f"{file} was written by a newer Learnable (schema {version}, this one knows {SCHEMA}); "
                         "update Learnable, or set LEARNABLE_HOME to another folder")  # fmt: skip
    if version != SCHEMA or not set(TABLES) <= _tables(db):
        raise _Damaged(f"{file} is not a file of this course")


def _sound(file: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=1.0, isolation_level=None)) as db:
            if _version(db) == 0 and not _tables(db):
                return True
            _check_schema(db, file)
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except _Damaged:
        return False
    except sqlite3.Error as error:
        return not is_damage(error)


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & SQLITE_CODE


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is broken."""
    return isinstance(error, _Damaged) or _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _all(db: sqlite3.Connection, table: str, stem: str | None = None) -> list[Row]:
    columns = list(TABLES[table].row.__annotations__)
    where, values = (" WHERE stem = ?", (stem,)) if stem is not None else ("", ())
    order = ", ".join(TABLES[table].key)
    found = db.execute(f"SELECT {', '.join(columns)} FROM {table}{where} ORDER BY {order}", values)
    return [dict(zip(columns, row, strict=True)) for row in found]


def _one(db: sqlite3.Connection, table: str, key: Sequence[Any]) -> Row | None:
    columns = list(TABLES[table].row.__annotations__)
    where = " AND ".join(f"{column} = ?" for column in TABLES[table].key)
    found = db.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", tuple(key)).fetchone()
    return dict(zip(columns, found, strict=True)) if found else None


def _put(db: sqlite3.Connection, table: str, row: Row) -> None:
    columns = list(TABLES[table].row.__annotations__)
    marks = ", ".join("?" * len(columns))
    db.execute(
        f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})", [row[column] for column in columns]
    )


def _active(db: sqlite3.Connection, now: float, seconds: float = 0.0, reviews: int = 0) -> None:
    day = local_day(now)
    old = _one(db, "days", (day,)) or {"seconds": 0.0, "reviews": 0}
    _put(db, "days", {"day": day, "seconds": old["seconds"] + seconds, "reviews": old["reviews"] + reviews})


def _merge(db: sqlite3.Connection, rows: Mapping[str, Sequence[Row]]) -> dict[str, int]:
    changed = {}
    for name, table in TABLES.items():
        changed[name] = 0
        for row in rows.get(name, ()):
            old = _one(db, name, [row[column] for column in table.key])
            new = table.merge(old, row) if old else row
            if new != old:
                _put(db, name, new)
                changed[name] += 1
    return changed
