import datetime
import re

import pytest

from learnable.data.dates import FIRST, LAST, Form, date_pairs, forms
from learnable.errors import CallError

DAY = datetime.date(1999, 3, 5)


@pytest.mark.parametrize(
    "form, text",
    [
        (("{m} {d}, {y}", "English", "plain", "full", "{}"), "March 5, 1999"),
        (("the {d} of {m}, {y}", "short.", "word", "'99", "{}"), "the fifth of Mar., '99"),
        (("{d}. {m} {y}", "German", "padded", "99", "upper"), "05. MÄRZ 99"),
        (("{m}/{d}/{y}", "plain", "padded", "full", "{}"), "3/05/1999"),
        (("{y}{m}{d}", "padded", "padded", "full", "{}"), "19990305"),
    ],
)
def test_a_form_writes_a_date(form, text):
    assert Form(*form) in forms()
    assert Form(*form).write(DAY) == text


@pytest.mark.parametrize(
    "day, word, ordinal",
    [(1, "first", "1st"), (11, "eleventh", "11th"), (12, "twelfth", "12th"), (20, "twentieth", "20th"),
     (22, "twenty-second", "22nd"), (23, "twenty-third", "23rd"), (30, "thirtieth", "30th"), (31, "thirty-first", "31st")],
)  # fmt: skip
def test_days_in_words_and_as_ordinals(day, word, ordinal):
    date = datetime.date(2001, 1, day)
    for style, expected in (("word", word), ("ordinal", ordinal)):
        assert Form("{d} {m} {y}", "English", style, "full", "{}").write(date) == f"{expected} January 2001"


def test_two_digits_of_a_year_mean_one_year():
    form = Form("{m} {d} {y}", "English", "plain", "99", "{}")
    assert [form.tells(datetime.date(year, 1, 1)) for year in (1968, 1969, 2068, 2069)] == [False, True, True, False]


def test_no_text_means_two_days():
    """Else there would be nothing to learn: whatever is written can be read in one way only."""
    meaning: dict[str, datetime.date] = {}
    days = [FIRST + datetime.timedelta(days=i) for i in range(0, (LAST - FIRST).days, 5003)]
    days += [datetime.date(2001, 2, 3), datetime.date(2003, 2, 1), datetime.date(2002, 1, 3), datetime.date(1903, 2, 1)]
    for form in forms():
        for day in days:
            if form.tells(day):
                assert meaning.setdefault(form.write(day), day) == day, form


def test_parts_share_neither_days_nor_texts_nor_forms():
    parts = date_pairs((1000, 100, 100))
    days = [{target for _, target in part} for part in parts]
    assert not days[0] & days[1] and not days[0] & days[2] and not days[1] & days[2]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", target) for part in parts for _, target in part)
    assert [len(part) for part in parts] == [1000, 100, 100]


def test_every_choice_of_the_test_part_was_seen_in_training():
    """What is new is how choices are combined."""
    train, _, test = date_pairs((8000, 1, 300))
    letters = {letter for text, _ in train for letter in text}
    words = {word for text, _ in train for word in re.findall(r"[^\W\d]+", text)}
    assert {letter for text, _ in test for letter in text} <= letters
    assert {word for text, _ in test for word in re.findall(r"[^\W\d]+", text)} <= words
    assert len({text for text, _ in test} & {text for text, _ in train}) == 0


def test_a_seed_makes_the_same_pairs():
    assert date_pairs((5, 5, 5), seed=1) == date_pairs((5, 5, 5), seed=1) != date_pairs((5, 5, 5), seed=2)


def test_a_part_needs_a_date():
    with pytest.raises(CallError, match="at least 1 date"):
        date_pairs((5, 0, 5))
