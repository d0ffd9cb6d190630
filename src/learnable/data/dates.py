"""Dates as people write them, each beside the one way in which machines do: the smallest translation there is.

    the fifth of March, 1999    ->  1999-03-05
    5. MÄRZ '99                 ->  1999-03-05

A form is a choice at five places: the order, how month, day and year are written, and the case. There are some 1,000. The
forms of the test part are never seen in training, each only of parts that are, and neither are its days: what is asked for
is not a memory but the rule.
"""

import datetime
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

import torch

from learnable.errors import CallError

FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)

ENGLISH = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip
GERMAN = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
          "Dezember")  # fmt: skip
FRENCH = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
          "décembre")  # fmt: skip
UNITS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
         "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth")  # fmt: skip

ORDERS = {  # in words the month speaks for itself; in numbers, slashes have it first and dots have it second
    "words": ("{m} {d}, {y}", "{m} {d} {y}", "{d} {m} {y}", "{d} {m}, {y}", "{d} of {m}, {y}", "{d} of {m} {y}",
              "{y} {m} {d}", "{y}, {m} {d}", "the {d} of {m}, {y}", "{d}-{m}-{y}"),
    "German": ("{d}. {m} {y}", "den {d}. {m} {y}"),
    "French": ("{d} {m} {y}", "le {d} {m} {y}"),
    "numbers": ("{m}/{d}/{y}", "{d}.{m}.{y}", "{d}. {m}. {y}"),
    "year first": ("{y}/{m}/{d}", "{y}.{m}.{d}", "{y} {m} {d}", "{y}{m}{d}"),
}  # fmt: skip
# Of each kind of order: how month, day and year may be written.
STYLES = {
    "words": (("English", "short", "short."), ("plain", "padded", "ordinal", "word"), ("full", "'99", "99")),
    "German": (("German",), ("plain", "padded"), ("full", "'99", "99")),
    "French": (("French",), ("plain", "padded"), ("full", "'99", "99")),
    "numbers": (("plain", "padded"), ("plain", "padded"), ("full", "99")),
    "year first": (("padded",), ("padded",), ("full",)),
}
CASES = ("{}", "lower", "upper")


class Form(NamedTuple):
    """One way to write a date."""

    order: str
    month: str
    day: str
    year: str
    case: str

    def write(self, date: datetime.date) -> str:
        """A date in this form.

        >>> Form("{d} of {m}, {y}", "short.", "ordinal", "'99", "{}").write(datetime.date(1999, 3, 5))
        "5th of Mar., '99"
        """
        year = {"full": str(date.year), "'99": f"'{date.year % 100:02}", "99": f"{date.year % 100:02}"}[self.year]
        text = self.order.format(d=_day(date.day, self.day), m=_month(date.month, self.month), y=year)
        return {"lower": text.lower(), "upper": text.upper()}.get(self.case, text)

    def tells(self, date: datetime.date) -> bool:
        """Whether it can be read back: two digits of a year mean 1969 to 2068, as in the C library."""
        return self.year == "full" or 1969 <= date.year <= 2068


@cache
def forms() -> tuple[Form, ...]:
    """All forms, in a fixed order."""
    return tuple(_forms())


def _forms() -> Iterator[Form]:
    for kind, orders in ORDERS.items():
        for order, month, day, year, case in product(orders, *STYLES[kind], CASES):
            if kind in ("numbers", "year first") and case != "{}":
                continue  # digits have no case
            if order.startswith("{y}") and year != "full":
                continue  # 02 March 03: which is the year?
            yield Form(order, month, day, year, case)


def _month(month: int, style: str) -> str:
    names = {"German": GERMAN, "French": FRENCH}.get(style, ENGLISH)
    return {"short": names[month - 1][:3], "short.": f"{names[month - 1][:3]}.", "plain": str(month),
            "padded": f"{month:02}"}.get(style, names[month - 1])  # fmt: skip


def _day(day: int, style: str) -> str:
    if style == "word":
        tens = {20: "twentieth", 30: "thirtieth"}
        if day < 20:
            return UNITS[day - 1]
        return tens.get(day) or f"{'twenty' if day < 30 else 'thirty'}-{UNITS[day % 10 - 1]}"
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return {"padded": f"{day:02}", "ordinal": f"{day}{ending}"}.get(style, str(day))


def date_pairs(counts: tuple[int, int, int], seed: int = 0) -> tuple[list[tuple[str, str]], ...]:
    """So many pairs (as written, ISO) for training, validation and test; no two parts share a day or a form.

    Raises:
        CallError: a count below 1.

    >>> train, valid, test = date_pairs((3, 1, 1))
    >>> len(train), len(test[0][1])
    (3, 10)
    """
    if min(counts) < 1:
        raise CallError(f"expected at least 1 date in each part, came {counts}")
    cut = torch.Generator().manual_seed(0)  # which days and forms are for testing does not depend on the seed
    days = torch.randperm((LAST - FIRST).days + 1, generator=cut).tolist()
    ways = torch.randperm(len(forms()), generator=cut).tolist()
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for part, count in enumerate(counts):
        mine, own = _share(days, part), _share(ways, part)
        pairs: list[tuple[str, str]] = []
        while len(pairs) < count:
            one, two = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
            date = FIRST + datetime.timedelta(days=mine[int(one * len(mine))])
            form = forms()[own[int(two * len(own))]]
            if form.tells(date):
                pairs.append((form.write(date), date.isoformat()))
        parts.append(pairs)
    return tuple(parts)


def _share(numbers: list[int], part: int) -> list[int]:
    """Eight tenths, one tenth, one tenth."""
    first, second = len(numbers) * 8 // 10, len(numbers) * 9 // 10
    return (numbers[:first], numbers[first:second], numbers[second:])[part]
