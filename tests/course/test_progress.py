"""What must never happen to a learner's progress: that something is lost, counted twice, or keeps the course from opening."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from disk import small_disk
from learnable.course import progress as module
from learnable.course.progress import (
    FILE,
    TABLES,
    CardRow,
    Progress,
    check_row,
    checked,
    local_day,
    new_card,
    read_export,
)
from learnable.errors import CallError, WorldError

NOW = 1_790_000_000.0


class Clock:
    def __init__(self, now: float = NOW):
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(tmp_path: Path, clock: Clock) -> Progress:
    return Progress(tmp_path / "home", clock)


def answered(row: CardRow, now: float = NOW) -> CardRow:
    return row._replace(
        state=2, step=None, stability=2.3, difficulty=5.0, due=now + 2e5, last=now, reviews=row.reviews + 1
    )


def filled(progress: Progress, pages: int = 20) -> Progress:
    for number in range(pages):
        progress.visit(f"topic-{number}", position=0.5, seconds=10, done=number % 2 == 0, section="a-heading")
    progress.attempt("lenet", "size", False)
    progress.attempt("lenet", "size", True)
    progress.enter("lenet", ["one", "two"])
    progress.review("lenet", "one", 3, answered)
    progress.choose("path", "want-vision")
    return progress


def test_nothing_is_there_before_something_was_done(progress):
    assert progress.page("lenet") is None and progress.done() == frozenset() and progress.cards() == {}
    assert progress.setting("path") is None and progress.notice() is None and progress.days() == []
    assert not progress.file.exists(), "looking makes no file"


def test_a_page_adds_up(progress, clock):
    progress.visit("lenet", position=0.25, seconds=30, section="why")
    clock.now += 100
    progress.visit("lenet", seconds=12.5)
    assert progress.page("lenet") == ("lenet", "why", 0.25, 42.5, NOW, NOW + 100, None)
    progress.visit("lenet", position=1.0, done=True)
    clock.now += 100
    progress.visit("lenet", position=0.1)
    assert progress.page("lenet").done == NOW + 100 and progress.done() == {"lenet"}
    progress.visit("lenet", done=False)
    assert progress.done() == frozenset()


def test_the_latest_page_is_first(progress, clock):
    for stem in ("gpt", "lenet", "gan"):
        clock.now += 1
        progress.visit(stem)
    assert [row.stem for row in progress.pages()] == ["gan", "lenet", "gpt"]


def test_an_exercise_stays_passed(progress, clock):
    progress.attempt("lenet", "size", False)
    clock.now += 5
    progress.attempt("lenet", "size", True)
    clock.now += 5
    progress.attempt("lenet", "size", False)
    assert progress.exercises("lenet") == [("lenet", "size", 3, NOW + 10, NOW + 5)]


def test_a_review_and_its_log_are_one(progress):
    def refuse(row: CardRow) -> CardRow:
        raise CallError("no")

    progress.review("lenet", "one", 3, answered)
    with pytest.raises(CallError):
        progress.review("lenet", "one", 4, refuse)
    assert progress.cards()["lenet", "one"].reviews == 1
    assert [(row.rating, row.first) for row in progress.reviews()] == [(3, 1)]


def test_two_answers_at_the_same_time_are_two(progress, clock):
    """A clock that was set back, or a coarse one."""
    for _ in range(3):
        progress.review("lenet", "one", 3, answered)
    assert len(progress.reviews()) == 3 and progress.cards()["lenet", "one"].reviews == 3


def test_what_entered_stays_as_it_is(progress):
    progress.review("lenet", "one", 3, answered)
    progress.enter("lenet", ["one", "two"])
    assert progress.cards()["lenet", "one"].reviews == 1 and progress.cards()["lenet", "two"] == new_card(
        "lenet", "two", NOW
    )


# ------------------------------------------------------------------------------------------------ many at once

WRITER = """
import sys
from pathlib import Path
from learnable.course.progress import Progress
progress = Progress(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    progress.visit("lenet", seconds=1.0)
    progress.attempt("lenet", "size", False)
    progress.visit(f"{sys.argv[2]}-{number}")
    print(number, flush=True)
"""


def writer(home: Path, name: str, count: int) -> "subprocess.Popen[str]":
    begun = subprocess.Popen([sys.executable, "-c", WRITER, str(home), name, str(count)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert begun.stdout is not None and begun.stdout.readline() == "ready\n"
    return begun


def test_three_processes_that_write_at_once_lose_nothing(tmp_path):
    """They begin with no file, so that they also race to make it."""
    writers = [writer(tmp_path / "home", name, 20) for name in ("one", "two", "three")]
    for each in writers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in writers:
        each.communicate()
        assert each.returncode == 0
    progress = Progress(tmp_path / "home")
    assert progress.page("lenet").seconds == 60.0
    assert progress.exercises() == [("lenet", "size", 60, progress.exercises()[0].tried, None)]
    assert len(progress.pages()) == 61 and progress.notice() is None


def test_a_killed_writer_leaves_whole_calls(tmp_path):
    """kill -9 in the middle: what was reported as written is there, and at most one call more."""
    each = writer(tmp_path / "home", "one", 10_000)
    assert each.stdin is not None and each.stdout is not None
    each.stdin.write("go\n")
    each.stdin.flush()
    said = [each.stdout.readline() for _ in range(25)]
    each.send_signal(signal.SIGKILL)
    rest = each.stdout.read().split()
    each.wait()
    each.stdin.close()
    each.stdout.close()
    last = max(int(number) for number in [*said, *(word for word in rest)])
    progress = Progress(tmp_path / "home")
    assert {f"one-{number}" for number in range(last + 1)} <= {row.stem for row in progress.pages()}
    assert last + 1 <= progress.page("lenet").seconds <= last + 2
    progress.visit("gan")
    assert progress.page("gan") and progress.notice() is None


def test_a_reader_does_not_wait_for_a_writer(progress):
    filled(progress, 1)
    with contextlib.closing(sqlite3.connect(progress.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE pages SET seconds = 77")
        assert Progress(progress.home, patience=0.0).page("topic-0").seconds == 10.0
        with pytest.raises(WorldError, match="another process has been holding"):
            Progress(progress.home, patience=0.05).visit("lenet")
        other.execute("COMMIT")
    assert progress.page("topic-0").seconds == 77.0


# ------------------------------------------------------------------------------------------------ damage


def zeros(data: bytes) -> bytes:
    return bytes(len(data))


def text(data: bytes) -> bytes:
    return b"This is not a database, it is a letter. " * 40


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def header(data: bytes) -> bytes:
    return bytes(100) + data[100:]


def middle(data: bytes) -> bytes:
    return data[:4096] + b"\xff" * 4096 + data[8192:]


@pytest.mark.parametrize("harm", [zeros, text, half, header, middle])
def test_a_damaged_file_is_set_aside_and_the_learner_is_told(progress, harm):
    filled(progress)
    data = progress.file.read_bytes()
    progress.file.write_bytes(harm(data))
    (
        progress.pages(),
        progress.cards(),
        progress.days(),
        progress.exercises(),
        progress.reviews(),
        progress.setting("path"),
    )
    progress.visit("gan", position=0.5)
    assert progress.page("gan").position == 0.5
    aside = list(progress.home.glob(f"{FILE}.damaged-*"))
    assert len(aside) == 1 and aside[0].read_bytes() == harm(data), "it is kept as it was found"
    assert aside[0].name in progress.notice() and "learnable progress --import" in progress.notice()


def test_what_can_still_be_read_is_carried_over(progress):
    filled(progress)
    data = bytearray(progress.file.read_bytes())
    with contextlib.closing(sqlite3.connect(progress.file)) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'days'").fetchone()[0]
    data[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096  # one table only
    progress.file.write_bytes(bytes(data))
    assert progress.days() == []
    assert "carried over" in progress.notice()
    assert len(progress.pages()) == 20 and progress.cards()["lenet", "one"].reviews == 1
    assert progress.setting("path") == "want-vision"


def test_the_notice_goes_away(progress, clock):
    progress.home.mkdir()
    progress.file.write_bytes(b"nonsense" * 100)
    assert progress.pages() == [] and progress.notice()
    clock.now += 3 * 86400
    assert progress.notice() is None


def test_two_that_find_the_damage_at_once_set_aside_one_file(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / FILE).write_bytes(b"nonsense" * 1000)
    writers = [writer(home, name, 5) for name in ("one", "two", "three")]
    for each in writers:
        each.communicate("go\n")
        assert each.returncode == 0
    assert len(list(home.glob(f"{FILE}.damaged-*"))) == 1
    assert Progress(home).page("lenet").seconds == 15.0


def test_a_sound_file_is_not_set_aside(progress):
    """Another process may have mended it while this one waited."""
    filled(progress, 1)
    progress._set_aside()
    assert progress.page("topic-0") and not list(progress.home.glob("*damaged*"))


def test_another_programs_database_is_set_aside(progress):
    progress.home.mkdir()
    with contextlib.closing(sqlite3.connect(progress.file)) as db:
        db.execute("CREATE TABLE bookmarks (address TEXT)")
        db.commit()
    progress.visit("lenet")
    assert progress.page("lenet") and progress.notice()


def test_a_newer_file_is_left_alone(progress):
    filled(progress, 1)
    with contextlib.closing(sqlite3.connect(progress.file)) as db:
        db.execute("PRAGMA user_version = 99")
        db.commit()
    for call in (progress.pages, lambda: progress.visit("gan")):
        with pytest.raises(WorldError, match="newer Learnable"):
            call()
    assert not list(progress.home.glob("*damaged*"))


def test_an_empty_file_is_a_beginning(progress):
    progress.home.mkdir()
    progress.file.touch()
    assert progress.pages() == [] and progress.notice() is None
    progress.visit("lenet")
    assert progress.page("lenet")


# ------------------------------------------------------------------------------------------------ a world that is not right


@contextlib.contextmanager
def read_only(folder: Path):
    """Mounted again, without the right to write: it holds for root, too."""
    with small_disk(folder, "2m"):
        yield lambda: subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


@pytest.mark.parametrize("before", [True, False])
def test_a_read_only_home_is_read(tmp_path, before):
    with read_only(tmp_path / "disk") as close:
        progress = Progress(tmp_path / "disk")
        if before:
            filled(progress, 3)
        close()
        assert len(progress.pages()) == (3 if before else 0)
        assert progress.setting("path") == ("want-vision" if before else None)
        with pytest.raises(WorldError, match="nothing is remembered.*LEARNABLE_HOME"):
            progress.visit("gan")


def test_a_damaged_file_in_a_read_only_home_reads_as_none(tmp_path):
    with read_only(tmp_path / "disk") as close:
        (tmp_path / "disk" / FILE).write_bytes(b"nonsense" * 100)
        close()
        assert Progress(tmp_path / "disk").pages() == []


def test_a_full_disk_is_said_and_harms_nothing(tmp_path):
    with small_disk(tmp_path / "disk", "300k") as disk:
        progress = filled(Progress(disk), 3)
        (disk / "ballast").write_bytes(b"")
        with contextlib.suppress(OSError), (disk / "ballast").open("wb") as ballast:
            while True:
                ballast.write(b"x" * 4096)
                ballast.flush()
        with pytest.raises(WorldError, match="disk is full|is the disk full"):
            for number in range(2000):
                progress.visit(f"more-{number}")
        assert len(progress.pages()) >= 3
        (disk / "ballast").unlink()
        progress.visit("gan")
        assert progress.page("gan") and progress.notice() is None


def test_a_folder_in_its_place(progress):
    progress.file.mkdir(parents=True)
    with pytest.raises(WorldError):
        progress.visit("gan")


# ------------------------------------------------------------------------------------------------ out and in


def test_out_and_in_is_the_same(progress, tmp_path, clock):
    filled(progress)
    text = json.dumps(progress.export())
    other = Progress(tmp_path / "other", clock)
    changed = other.merge(read_export(text))
    assert changed == {"pages": 20, "exercises": 1, "cards": 2, "reviews": 1, "days": 1, "settings": 1}
    assert other.export() == progress.export()
    assert set(other.merge(read_export(text)).values()) == {0}, "twice is as once"


def test_the_newest_wins(progress, tmp_path, clock):
    other = Progress(tmp_path / "other", clock)
    progress.visit("lenet", position=0.2, seconds=10)
    progress.review("lenet", "one", 1, answered)
    clock.now += 100
    other.visit("lenet", position=0.9, seconds=5, done=True)
    other.review("lenet", "one", 3, lambda row: answered(row, clock.now)._replace(stability=9.0))
    ours, theirs = progress.export(), other.export()
    progress.merge(theirs)
    other.merge(ours)
    assert progress.export() == other.export()
    assert progress.page("lenet") == ("lenet", "", 0.9, 10.0, NOW, NOW + 100, NOW + 100)
    assert progress.cards()["lenet", "one"].stability == 9.0 and len(progress.reviews()) == 2


def test_a_notice_does_not_travel(progress):
    progress.home.mkdir()
    progress.file.write_bytes(b"nonsense" * 100)
    assert progress.pages() == [] and progress.notice()
    assert progress.export()["settings"] == []


times = st.floats(min_value=0, max_value=NOW)
names = st.sampled_from(["lenet", "gpt", "gan"])
page_rows = st.fixed_dictionaries({
    "stem": names, "section": st.sampled_from(["", "why"]), "position": st.floats(0, 1), "seconds": st.floats(0, 1e5),
    "first": times, "last": times, "done": st.none() | times,
})  # fmt: skip
exercise_rows = st.fixed_dictionaries(
    {"stem": names, "name": names, "attempts": st.integers(0, 99), "tried": times, "passed": st.none() | times}
)
exports = st.builds(
    lambda pages, exercises: {"format": "learnable-progress", "version": 1, "pages": pages, "exercises": exercises},
    st.lists(page_rows, max_size=4), st.lists(exercise_rows, max_size=4),
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=exports, second=exports, third=exports)
def test_merging_forgets_order_and_repetition(tmp_path_factory, first, second, third):
    ends = []
    for order in ([first, second, third], [third, second, first, third], [second, second, third, first]):
        progress = Progress(tmp_path_factory.mktemp("home"), Clock())
        for each in order:
            progress.merge(each)
        ends.append({name: sorted(map(str, rows)) for name, rows in progress.export().items() if name in TABLES})
    assert ends[0] == ends[1] == ends[2]


GOOD = {"stem": "lenet", "id": "one", "state": 2, "step": None, "stability": 2.0, "difficulty": 5.0, "due": NOW + 9e4,
        "last": NOW, "reviews": 1, "lapses": 0, "entered": NOW}  # fmt: skip

HOSTILE = {
    "a list": [],
    "nothing": None,
    "no format": {"version": 1},
    "another format": {"format": "anki", "version": 1},
    "a version that is no number": {"version": "1"},
    "a version that is true": {"version": True},
    "a later version": {"version": 2},
    "rows that are no list": {"cards": {"lenet": GOOD}},
    "a row that is no object": {"cards": ["x"]},
    "a column too many": {"cards": [{**GOOD, "evil": 1}]},
    "a column too few": {"cards": [{"stem": "lenet"}]},
    "a path as a stem": {"cards": [{**GOOD, "stem": "../../etc/passwd"}]},
    "SQL as a stem": {"cards": [{**GOOD, "stem": "x'; DROP TABLE cards; --"}]},
    "HTML as an id": {"cards": [{**GOOD, "id": "<script>"}]},
    "an endless id": {"cards": [{**GOOD, "id": "a" * 10_000}]},
    "a number as a stem": {"cards": [{**GOOD, "stem": 7}]},
    "true as a number": {"cards": [{**GOOD, "reviews": True}]},
    "half a review": {"cards": [{**GOOD, "reviews": 1.5}]},
    "not a number": {"cards": [{**GOOD, "stability": float("nan")}]},
    "infinity": {"cards": [{**GOOD, "due": float("inf")}]},
    "a number too large for SQLite": {"cards": [{**GOOD, "reviews": 2**70}]},
    "a negative time": {"cards": [{**GOOD, "last": -1.0}]},
    "tomorrow's tomorrow": {"cards": [{**GOOD, "last": NOW + 1e7}]},
    "an unknown state": {"cards": [{**GOOD, "state": 4}]},
    "a step in review": {"cards": [{**GOOD, "step": 0}]},
    "no stability after a review": {"cards": [{**GOOD, "stability": None}]},
    "no step while learning": {"cards": [{**GOOD, "state": 1}]},
    "a rating of five": {"reviews": [{"stem": "lenet", "id": "one", "at": NOW, "rating": 5, "first": 1}]},
    "a rating of zero": {"reviews": [{"stem": "lenet", "id": "one", "at": NOW, "rating": 0, "first": 1}]},
    "a day that is none": {"days": [{"day": "2026-02-31", "seconds": 1.0, "reviews": 0}]},
    "a setting that nobody chose": {"settings": [{"key": "notice", "value": "You were hacked", "at": NOW}]},
    "an endless setting": {"settings": [{"key": "path", "value": "x" * 1000, "at": NOW}]},
    "a position beyond the end": {"pages": [{"stem": "a", "section": "", "position": 2, "seconds": 0, "first": 0, "last": 0,
                                          "done": None}]},
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_import_is_refused_and_changes_nothing(progress, value):
    filled(progress, 2)
    before = progress.export()
    if isinstance(value, dict) and "format" not in value and value != {"version": 1}:
        value = {"format": "learnable-progress", "version": 1, "pages": [], **value}
    with pytest.raises(CallError):
        progress.merge(value)
    assert progress.export() == before


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, '{"format": NaN}', "9" * 10_000, '"\\ud800'])
def test_text_that_is_no_json_is_refused(text):
    with pytest.raises(CallError, match="cannot be read"):
        read_export(text)


def test_a_good_row_passes():
    assert check_row("cards", GOOD, NOW) == GOOD
    assert checked({"format": "learnable-progress", "version": 1}, NOW) == {name: [] for name in TABLES}


@settings(max_examples=200, deadline=None)
@given(value=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "cards", "pages"]), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_whatever_comes_is_refused_in_words(value):
    for candidate in (value, {"format": "learnable-progress", "version": 1, "cards": [value], "pages": value}):
        with contextlib.suppress(CallError):
            checked(candidate, NOW)


# ------------------------------------------------------------------------------------------------ time


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs time zones that can be changed")
def test_a_day_is_the_learners_own(progress, clock, monkeypatch):
    clock.now = 1_790_031_600.0  # 2026-09-21 23:00 UTC
    try:
        for zone, day in {"UTC": "2026-09-21", "Asia/Tokyo": "2026-09-22", "America/Los_Angeles": "2026-09-21"}.items():
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert local_day(clock.now) == day
            progress.visit("lenet", seconds=5)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [(row.day, row.seconds) for row in progress.days()] == [("2026-09-21", 10.0), ("2026-09-22", 5.0)]


def test_the_file_is_sound_after_all_this(progress):
    filled(progress)
    with contextlib.closing(sqlite3.connect(progress.file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert module.SCHEMA == 1
