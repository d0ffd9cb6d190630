import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.course import cards, page
from learnable.course.cards import (
    Answered,
    answered,
    asked,
    deck,
    intervals,
    is_due,
    lesson_cards,
    rate,
    read_cards,
    upcoming,
    words,
)
from learnable.course.progress import DAY, Progress, check_row, new_card
from learnable.errors import CallError

NOON = 1_790_078_400.0  # 2026-09-22 12:00 UTC


class Clock:
    def __init__(self, now: float = NOON):
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lessons of our own: call it with a stem and a number of cards."""
    monkeypatch.setattr(page, "folder", lambda stem: tmp_path / "lessons" / stem)
    monkeypatch.setattr(page, "_pages", {})

    def write(stem: str, count: int) -> None:
        folder = tmp_path / "lessons" / stem
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lesson.md").write_text("# Title\n\nText.\n")
        rows = [
            f'[[card]]\nid = "card-{number}"\nfront = "Front {number} $x_{number}$"\nback = "Back"\n'
            for number in range(count)
        ]
        (folder / "cards.toml").write_text("\n".join(rows))

    return write


@pytest.fixture
def progress(tmp_path: Path, clock: Clock) -> Progress:
    return Progress(tmp_path / "home", clock)


# ------------------------------------------------------------------------------------------------ cards.toml

GOOD = '[[card]]\nid = "why"\nfront = "Why $x$?"\nback = "Because."\n'


@pytest.mark.parametrize(
    "text, said",
    {
        "": "expected \\[\\[card\\]\\]",
        "card = 1": "expected \\[\\[card\\]\\]",
        "[[card": "no TOML",
        GOOD + "extra = 1": "came id, front, back, extra",
        "deck = 1\n" + GOOD: "nothing else",
        GOOD.replace('back = "Because."', ""): "expected id, front and back",
        GOOD.replace('"why"', '"Why not"'): "lower-case words",
        GOOD.replace('"why"', "7"): "lower-case words",
        GOOD.replace("Because.", "  "): "text on its back",
        GOOD.replace("$x$", "$x"): "has no partner",
        GOOD + GOOD: "two cards with the id 'why'",
    }.items(),
)
def test_a_mistake_in_the_cards_is_named(text, said):
    with pytest.raises(CallError, match=f"cards.toml of lenet: .*{said}"):
        read_cards("lenet", text)


def test_a_side_is_markdown_with_formulas_and_no_html():
    assert (
        cards.html("*So* $a < b$, `c`")
        == '<p><em>So</em> <span class="math inline">a &lt; b</span>, <code>c</code></p>\n'
    )
    assert "<script>" not in cards.html("<script>alert(1)</script>")


def test_the_cards_that_stand_are_right():
    """Those of the course itself: read, and every side can be shown."""
    for flash in deck().values():
        assert cards.html(flash.front) and cards.html(flash.back)
    assert all(6 <= len(lesson_cards(stem)) <= 12 for stem in {stem for stem, _ in deck()})


def test_cards_are_read_again_when_they_change(lessons):
    lessons("lenet", 1)
    assert len(lesson_cards("lenet")) == 1
    time.sleep(0.01)
    lessons("lenet", 2)
    assert len(lesson_cards("lenet")) == 2 and lesson_cards("gpt") == ()


# ------------------------------------------------------------------------------------------------ the schedule


def test_a_card_that_was_known_is_asked_two_days_later():
    row = answered(new_card("lenet", "a", NOON), 3, NOON)
    assert (row.due - NOON) / DAY == 2 and row.state == 2
    assert not is_due(row, NOON + DAY)
    assert is_due(row, NOON + 2 * DAY - 11 * 3600), "from the beginning of its day on"


def test_the_four_answers_lead_ever_further():
    row = new_card("lenet", "a", NOON)
    assert [words(wait) for wait in intervals(row, NOON)] == ["10 min", "15 min", "2 days", "8 days"]
    for _ in range(6):
        row = answered(row, 3, row.due or NOON)
        waits = intervals(row, row.due)
        assert waits == sorted(waits) and waits[0] == 600
    assert row.stability > 100 and waits[3] <= cards.LONGEST * DAY


def test_what_was_forgotten_is_a_lapse_and_comes_in_ten_minutes():
    row = answered(answered(new_card("lenet", "a", NOON), 3, NOON), 1, NOON + 2 * DAY)
    assert (row.lapses, row.state, row.due) == (1, 3, NOON + 2 * DAY + 600)
    assert not is_due(row, NOON + 2 * DAY + 599) and is_due(row, NOON + 2 * DAY + 600)


def test_there_is_no_chance_in_it():
    ends = set()
    for _ in range(3):
        row = new_card("lenet", "a", NOON)
        for rating in (3, 3, 2, 1, 3, 4):
            row = answered(row, rating, row.due or NOON)
        ends.add(row)
    assert len(ends) == 1


def test_nights_count_and_not_hours():
    """Learned at 20:00 and asked at 8:00 two days later: two nights, whatever the hours."""
    evening = NOON + 8 * 3600
    row = answered(new_card("lenet", "a", evening), 3, evening)
    morning, night = answered(row, 3, evening + 36 * 3600), answered(row, 3, evening + 48 * 3600)
    assert morning.stability == night.stability > row.stability


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.floats(min_value=-400 * DAY, max_value=400 * DAY)), max_size=15))
def test_whatever_the_clock_does_the_card_stays_possible(answers):
    """Set back by a year, or ahead: every row could be imported, and the card comes again within a year of its answer."""
    row, now = new_card("lenet", "a", NOON), NOON + 1000 * DAY
    for rating, later in answers:
        now = max(NOON, now + later)
        row = answered(row, rating, now)
        assert check_row("cards", row._asdict(), now) == row._asdict()
        assert 599 < row.due - now < cards.LONGEST * DAY + 1


def test_a_clock_that_was_wrong_does_not_hide_a_card():
    row = answered(new_card("lenet", "a", NOON), 4, NOON + 700 * DAY)
    assert is_due(row, NOON), "it was answered in the future"
    assert not is_due(answered(row, 3, NOON), NOON)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati"])
def test_in_every_time_zone_a_card_is_due_at_its_days_beginning(zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    row = answered(new_card("lenet", "a", NOON), 3, NOON)
    turns = [hour for hour in range(72) if is_due(row, NOON + hour * 3600)]
    assert turns == list(range(turns[0], 72)) and 24 < turns[0] <= 48
    begin = time.localtime(NOON + turns[0] * 3600)
    assert begin.tm_hour == 0 and begin.tm_min == 0


# ------------------------------------------------------------------------------------------------ what is asked


def test_cards_enter_when_their_page_is_done_or_their_panel_is_used(lessons, progress):
    lessons("lenet", 3)
    lessons("gpt", 3)
    assert asked(progress) == [] and len(asked(progress, "lenet")) == 3, "the lesson's own panel has them all"
    progress.visit("lenet", done=True)
    assert {one.flash.stem for one in asked(progress)} == {"lenet"}
    cards.enter(progress, "gpt")
    assert len(asked(progress)) == 6


def test_ten_new_ones_a_day_and_the_next_ones_tomorrow(lessons, progress, clock):
    lessons("lenet", 25)
    cards.enter(progress, "lenet")
    for turn in range(10):
        assert len(asked(progress)) == 10 - turn
        rate(progress, "lenet", asked(progress)[0].flash.id, 4)
    assert asked(progress) == [] and upcoming(progress) == NOON + DAY / 2
    assert len(asked(progress, "lenet")) == 15, "who asks for a lesson's gets them"
    clock.now += DAY
    assert len(asked(progress)) == 10


def test_the_most_overdue_is_first_and_the_new_ones_last(lessons, progress, clock):
    lessons("lenet", 3)
    rate(progress, "lenet", "card-2", 3)
    clock.now += 60
    rate(progress, "lenet", "card-1", 1)
    cards.enter(progress, "lenet")
    clock.now += 3 * DAY
    assert [one.flash.id for one in asked(progress)] == ["card-1", "card-2", "card-0"]
    assert [one.flash.id for one in asked(progress, everything=True)] == ["card-1", "card-2", "card-0"]


def test_what_is_not_due_is_there_when_everything_is_wanted(lessons, progress):
    lessons("lenet", 2)
    rate(progress, "lenet", "card-0", 3)
    assert [one.flash.id for one in asked(progress, "lenet")] == ["card-1"]
    assert [(one.flash.id, one.due) for one in asked(progress, "lenet", True)] == [("card-1", True), ("card-0", False)]
    assert upcoming(progress, "lenet") == NOON + 2 * DAY


def test_a_card_that_the_lesson_dropped_is_not_asked(lessons, progress, clock):
    lessons("lenet", 2)
    rate(progress, "lenet", "card-1", 3)
    time.sleep(0.01)
    lessons("lenet", 1)
    clock.now += 10 * DAY
    assert [one.flash.id for one in asked(progress, "lenet")] == ["card-0"] and upcoming(progress) is None
    with pytest.raises(CallError, match="no card of lenet 'card-1'; did you mean 'card-0'"):
        rate(progress, "lenet", "card-1", 3)


def test_an_answer_to_what_was_answered_elsewhere_is_refused(lessons, progress):
    lessons("lenet", 1)
    rate(progress, "lenet", "card-0", 3, seen=0)
    with pytest.raises(Answered, match="another tab"):
        rate(progress, "lenet", "card-0", 4, seen=0)
    assert len(progress.reviews()) == 1
    with pytest.raises(CallError, match="from 1"):
        rate(progress, "lenet", "card-0", 5)


def test_a_thousand_cards_take_one_look_at_the_file(lessons, progress, monkeypatch):
    """Not one for each card."""
    for number, topic in enumerate(page.catalog.topics()[:100]):
        lessons(topic.stem, 10)
        if number < 50:
            progress.write(lambda db, stem=topic.stem: [
                db.execute("INSERT INTO cards VALUES (?, ?, 2, NULL, 2.0, 5.0, ?, ?, 1, 0, 0)", (stem, f"card-{n}", NOON - n, NOON - DAY))
                for n in range(10)
            ])  # fmt: skip
    opened = []
    connect = Progress._connect
    monkeypatch.setattr(Progress, "_connect", lambda self, write: (opened.append(write), connect(self, write))[1])
    found = asked(progress)
    assert len(found) == 500 and len(opened) <= 4
    assert found == sorted(found, key=lambda one: one.row.due)


def test_times_are_said_as_people_say_them():
    said = [words(seconds) for seconds in (1, 90, 3600, 7200, DAY, 8 * DAY, 70 * DAY, 365 * DAY)]
    assert said == ["1 min", "2 min", "1 hour", "2 hours", "1 day", "8 days", "2 months", "1 year"]


def test_what_is_answered_is_json(lessons, progress):
    lessons("lenet", 1)
    found = json.loads(json.dumps(cards.summary(progress, "lenet")))
    assert found["cards"][0]["intervals"] == ["10 min", "15 min", "2 days", "8 days"]
    assert (
        found["cards"][0]["state"] == "new" and found["due"] == 1 and found["next"] is None and found["new_a_day"] == 10
    )


def test_a_static_page_gets_the_same_sides(lessons, progress):
    lessons("lenet", 3)
    there = cards.summary(progress, "lenet")["cards"]
    for fixed, live in zip(cards.recorded("lenet")["cards"], there, strict=True):
        assert (fixed["id"], fixed["front"], fixed["back"]) == (live["id"], live["front"], live["back"])
