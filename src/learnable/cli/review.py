"""Flash cards in the terminal: the front, Enter, the back, and how well one knew it."""

import sys
from collections import deque

from learnable import catalog
from learnable.cli.show import ACCENT, console, emit, note, say, table
from learnable.course import cards
from learnable.course.plain import plain
from learnable.course.progress import Progress


def review(stem: str | None, json: bool) -> None:
    """Ask what is due; without a terminal at both ends, list it."""
    from learnable.home import home

    progress = Progress(home())
    notice = progress.notice()
    if notice:
        note(notice)
    if json:
        emit(cards.summary(progress, stem))
        return
    asked = cards.asked(progress, stem)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        table(("card", "state", "front"), [_row(one) for one in asked])
    elif asked:
        _ask(progress, asked)
    if not asked or sys.stdout.isatty():
        say(closing(progress, stem, bool(asked)))


def _row(one: cards.Asked) -> tuple[str, str, str]:
    state = cards.STATES[one.row.state] if one.row.reviews else "new"
    return f"{one.flash.stem}/{one.flash.id}", state, " ".join(plain(one.flash.front).split())


def closing(progress: Progress, stem: str | None, some: bool) -> str:
    """When the next card comes, and where cards come from."""
    at = cards.upcoming(progress, stem)
    left = len(cards.asked(progress, stem))
    if some and left:
        return f"{left} card{'s are' if left > 1 else ' is'} still due."
    if at is not None:
        return f"Nothing is due now. The next card comes in {cards.words(at - progress.clock())}."
    return "Nothing is due now. Cards enter when a lesson is done, or at once: learnable review --stem STEM"


def _ask(progress: Progress, asked: list[cards.Asked]) -> None:
    """One card after the other; those that were not known come again at the end."""
    out = console()
    waiting = deque(one.flash for one in asked)
    known, count = 0, len(asked)
    out.print(f"{count} card{'s' if count > 1 else ''}. Enter shows the back, q ends.", style="dim")
    while waiting:
        flash = waiting.popleft()
        out.print(f"\n[bold {ACCENT}]{known + 1} of {count}[/]  ", end="")
        out.print(catalog.find(flash.stem).title, style="dim", markup=False)
        out.print(plain(flash.front), markup=False)
        if _line("") in ("q", "quit"):
            return
        row = progress.cards(flash.stem).get((flash.stem, flash.id)) or cards.new_card(
            flash.stem, flash.id, progress.clock()
        )
        out.print(plain(flash.back) + "\n", markup=False)
        waits = cards.intervals(row, progress.clock())
        choices = zip(cards.RATINGS, waits, strict=True)
        shown = "   ".join(
            f"{number} {name} {cards.words(wait)}" for number, (name, wait) in enumerate(choices, start=1)
        )
        answer = _line(f"{shown}   q quit: ")
        while answer not in ("1", "2", "3", "4", "q", "quit"):
            answer = _line("1, 2, 3, 4 or q: ")
        if answer.startswith("q"):
            return
        try:
            cards.rate(progress, flash.stem, flash.id, int(answer), seen=row.reviews)
        except cards.Answered as error:
            note(str(error))
        if answer == "1":
            waiting.append(flash)
        else:
            known += 1


def _line(prompt: str) -> str:
    try:
        return input(prompt).strip().lower()
    except EOFError:
        print()
        return "q"
