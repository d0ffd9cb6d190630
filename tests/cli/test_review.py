import os
import pty
import select
import sys
import time
from pathlib import Path

import pytest

from learnable.course import cards
from learnable.course.plain import plain
from learnable.course.progress import Progress


class Terminal:
    """`learnable review` at a terminal of its own."""

    def __init__(self, *words: str):
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            os.environ.update(NO_COLOR="1", TERM="dumb", COLUMNS="400")
            os.execv(sys.executable, [sys.executable, "-m", "learnable", *words])
        self.text = ""

    def until(self, words: str) -> str:
        """Read until the words come; what was read."""
        end = time.monotonic() + 60
        while words not in self.text:
            if not select.select([self.handle], [], [], end - time.monotonic())[0]:
                pytest.fail(f"{words!r} did not come; came {self.text!r}")
            try:
                data = os.read(self.handle, 65536)
            except OSError:
                data = b""
            if not data:
                pytest.fail(f"ended before {words!r}; came {self.text!r}")
            self.text += data.decode()
        before, _, self.text = self.text.partition(words)
        return before

    def type(self, text: str) -> None:
        os.write(self.handle, text.encode())

    def end(self) -> int:
        try:
            while os.read(self.handle, 65536):
                pass
        except OSError:
            pass
        os.close(self.handle)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_cards_are_asked_and_answered_at_a_terminal(home: Path):
    ids = [flash.id for flash in cards.lesson_cards("lenet")]
    fronts = {flash.id: plain(flash.front) for flash in cards.lesson_cards("lenet")}
    terminal = Terminal("review", "--stem", "lenet")
    terminal.until(f"1 of {len(ids)}")
    terminal.until(fronts[ids[0]][:30])
    terminal.type("\n")
    terminal.until("1 again 10 min   2 hard 15 min   3 good 2 days   4 easy 8 days   q quit: ")
    terminal.type("7\n")
    terminal.until("1, 2, 3, 4 or q: ")
    terminal.type("3\n")
    terminal.until(f"2 of {len(ids)}")
    terminal.type("\n")
    terminal.until("q quit: ")
    terminal.type("1\n")
    terminal.until(f"2 of {len(ids)}")
    terminal.type("q\n")
    terminal.until(f"{len(ids) - 2} cards are still due.")
    assert terminal.end() == 0
    progress = Progress(home)
    rows = progress.cards()
    assert [rows["lenet", id].state for id in ids[:2]] == [2, 1] and [row.rating for row in progress.reviews()] == [
        3,
        1,
    ]


def test_ctrl_d_and_ctrl_c_end_it_without_a_traceback(home: Path):
    for key, code in (("\x04", 0), ("\x03", 130)):
        terminal = Terminal("review", "--stem", "lenet")
        terminal.until("1 of")
        terminal.until("\n")
        time.sleep(0.3)
        terminal.type(key)
        assert terminal.end() == code
        assert "Traceback" not in terminal.text


def test_piped_it_lists(learnable, home):
    said = learnable("review", "--stem", "lenet")
    lines = said.out.splitlines()
    assert said.code == 0 and lines[0] == "card\tstate\tfront" and len(lines) == 1 + len(cards.lesson_cards("lenet"))
    assert "$" not in said.out and not Progress(home).file.exists(), "looking makes no file"


def test_json_is_what_the_page_gets(learnable, home):
    found = learnable("review", "--stem", "lenet", "--json").json[0]
    now = time.time()
    assert [card["id"] for card in found["cards"]] == [flash.id for flash in cards.lesson_cards("lenet")]
    assert found["new_a_day"] == 10 and found["cards"][0]["intervals"][2] == "2 days" and now > 0


def test_without_cards_it_says_where_they_come_from(learnable):
    assert "Cards enter when a lesson is done" in learnable("review").out
    assert learnable("review", "--json").json[0]["cards"] == []


def test_an_unknown_lesson(learnable):
    said = learnable("review", "--stem", "lenett")
    assert said.code == 2 and "did you mean 'lenet'" in said.error
