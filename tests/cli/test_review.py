import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from learnable.course import cards
from learnable.course.plain import plain
from learnable.course.progress import Progress


class Terminal:
    """`learnable review` at a terminal of its own."""

    def __init__(self, *words: str):
        import pty  # not on Windows

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

    def end(self, key: str = "") -> int:
        """Its exit code; the key is pressed until it is heard, for a terminal forgets what comes too early."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if key:
                with contextlib.suppress(OSError):
                    self.type(key)
            if select.select([self.handle], [], [], 0.3)[0]:
                with contextlib.suppress(OSError):  # the other side is closed
                    self.text += os.read(self.handle, 65536).decode(errors="replace")
            gone, status = os.waitpid(self.pid, os.WNOHANG)
            if gone:
                os.close(self.handle)
                return os.waitstatus_to_exitcode(status)
        pytest.fail(f"it does not end; came {self.text!r}")


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Terminals that are closed at the end, also of a test that failed."""
    made: list[Terminal] = []

    def begin(*words: str) -> Terminal:
        made.append(Terminal(*words))
        return made[-1]

    yield begin
    for one in made:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)


def test_cards_are_asked_and_answered_at_a_terminal(home: Path, terminal: Callable[..., Terminal]):
    ids = [flash.id for flash in cards.lesson_cards("lenet")]
    fronts = {flash.id: plain(flash.front) for flash in cards.lesson_cards("lenet")}
    screen = terminal("review", "--stem", "lenet")
    screen.until(f"1 of {len(ids)}")
    screen.until(fronts[ids[0]][:30])
    screen.type("\n")
    screen.until("1 again 10 min   2 hard 15 min   3 good 2 days   4 easy 8 days   q quit: ")
    screen.type("7\n")
    screen.until("1, 2, 3, 4 or q: ")
    screen.type("3\n")
    screen.until(f"2 of {len(ids)}")
    screen.type("\n")
    screen.until("q quit: ")
    screen.type("1\n")
    screen.until(f"2 of {len(ids)}")
    for number in range(2, len(ids)):
        screen.until(fronts[ids[number]][:30])
        screen.type("\n")
        screen.until("q quit: ")
        screen.type("4\n")
    screen.until(f"{len(ids)} of {len(ids)}")
    screen.until(fronts[ids[1]][:30])  # what was not known comes once more
    screen.type("\n")
    screen.until("q quit: ")
    screen.type("q\n")
    screen.until("Nothing is due now. The next card comes in 10 min.")
    assert screen.end() == 0
    progress = Progress(home)
    rows = progress.cards()
    assert [rows["lenet", id].state for id in ids[:3]] == [2, 1, 2]
    assert [row.rating for row in progress.reviews()] == [3, 1, *[4] * (len(ids) - 2)]


def test_ctrl_d_and_ctrl_c_end_it_without_a_traceback(home: Path, terminal: Callable[..., Terminal]):
    for key, codes in (
        ("\x04", (0,)),
        ("\x03", (130, -signal.SIGINT)),
    ):  # the second one meets a process that is ending
        screen = terminal("review", "--stem", "lenet")
        screen.until("1 of")
        assert screen.end(key) in codes
        assert "Traceback" not in screen.text


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
