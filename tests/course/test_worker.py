"""A worker process: what it answers, and that no lab can disturb what it says."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from learnable.course import labs
from learnable.course.worker import Inbox, Session, Turn, Worker
from learnable.errors import CallError

DEMO = Path(__file__).with_name("demo_lesson")


class Child:
    """A worker, as the server sees it."""

    def __init__(self, *arguments: str):
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "learnable.course.worker", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(os.environ) | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.lines: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, _, text = line.decode().partition(" ")
            self.lines.put((word, json.loads(text)))
        self.lines.put(("end", None))

    def send(self, **message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def open(self, name: str) -> None:
        self.send(open={"stem": "demo", "name": name, "folder": str(DEMO)})

    def until(self, word: str) -> list[tuple[str, Any]]:
        """All that it says up to a word."""
        said = []
        while not said or said[-1][0] != word:
            said.append(self.lines.get(timeout=60))
            assert said[-1][0] != "end" or word == "end", said
        return said

    def next(self, word: str) -> Any:
        return self.until(word)[-1][1]

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.reader.join()
        self.process.stdout.close()


@pytest.fixture
def child() -> Iterator[Child]:
    worker = Child("--bare")
    yield worker
    worker.close()


def text(message: dict[str, Any]) -> str:
    return message["views"][-1]["text"]


def test_a_show_answers_each_control_with_its_number(child: Child):
    child.open("square")
    said = child.until("idle")
    assert [word for word, _ in said] == ["warm", "state", "views", "idle"] and said[-1][1] == 1
    assert said[1][1] == {"state": "ready"} and text(said[2][1]) == "9" and "n" not in said[2][1]
    child.send(set={"size": 4}, n=7)
    answer = child.next("views")
    assert text(answer) == "16" and answer["n"] == 7 and answer["seconds"] >= 0
    assert child.next("idle") == 2


def test_what_a_lab_prints_never_reaches_the_server(child: Child):
    """Not even what it writes to the descriptor: the lab `square` forges a line with its every answer."""
    child.open("square")
    for size in range(1, 6):
        child.send(set={"size": size}, n=size)
        while (answer := child.next("views")).get("n") != size:
            pass
        assert text(answer) == str(size * size)


def test_it_prepares_and_tells_how_far_it_is(child: Child):
    child.open("prepared")
    child.send(set={"size": 5}, n=1)
    said = child.until("idle")
    assert [message["progress"]["text"] for word, message in said if word == "progress"] == [
        "part 0", "part 1", "part 2",
    ]  # fmt: skip
    assert text(said[-2][1]) == str(child.process.pid) and said[-2][1]["n"] == 1
    assert len([word for word, _ in said if word == "views"]) == 1, "what was set meanwhile is in the first picture"
    child.open("prepared")  # a page that was loaded again
    said = child.until("idle")
    assert [word for word, _ in said] == ["state", "views", "idle"] and "n" not in said[1][1]


def test_an_exception_is_told_and_the_next_value_works(child: Child):
    child.open("raises")
    child.send(set={"size": 5}, n=2)
    told = child.next("error")
    assert told["error"] == "ZeroDivisionError: division by zero" and told["n"] == 2
    assert (
        told["trace"].endswith("in raises\n    return [Text(text=str(1 / 0))]")
        and "demo_lesson/lab.py" in told["trace"]
    )
    child.send(set={"size": 4}, n=3)
    assert child.next("error")["error"] == "the lab's code tried to end the process"
    child.send(set={"size": 3}, n=4)
    assert text(child.next("views")) == "fine"


@pytest.mark.parametrize(
    "name, values, said",
    [("too_large", {"size": 9}, "at most 4 MB"), ("no_views", {"size": 3}, "came str"),
     ("square", {"size": 99}, "size: expected a number from 1 to 9"), ("nothing", {}, "no lab 'nothing'")],
)  # fmt: skip
def test_what_cannot_be_shown_is_told(child: Child, name: str, values: dict[str, Any], said: str):
    child.open(name)
    child.send(set=values, n=1)
    told = child.next("error")
    assert said in told["error"] and "trace" not in told


def test_numbers_that_are_not_finite_become_null_and_a_warning(child: Child):
    child.open("not_finite")
    heat, warning, bars = child.next("views")["views"]
    assert heat["values"] == [[None] * 3] * 2 and bars["values"] == [None, 1.0]
    assert warning["tone"] == "warning" and "“scores” has no finite number" in warning["text"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_too_much_memory_is_an_error_and_not_the_end(child: Child):
    child.open("greedy")
    child.send(set={"size": 9}, n=1)
    assert child.next("error")["error"] == "it needs more memory than a lab may have"
    child.send(set={"size": 4}, n=2)
    assert text(child.next("views")) == "4"


def test_a_play_is_played_paused_stepped_and_begun_anew(child: Child):
    child.open("three")
    assert [word for word, _ in child.until("idle")] == ["warm", "state", "views", "idle"]
    child.send(do="step")
    step = child.next("views")
    assert (text(step), step["frame"]) == ("1 3", 1) and child.next("state") == {"state": "paused"}
    child.send(set={"size": 7}, n=4)
    assert (answer := child.next("views"))["n"] == 4 and text(answer) == "1 3", "the next frame will show it"
    child.send(do="step")
    assert text(child.next("views")) == "2 7"
    child.send(do="step")
    while child.next("state") != {"state": "ended"}:
        pass
    child.send(do="reset")
    again = child.next("views")
    assert (text(again), again["frame"]) == ("0 7", 0) and child.next("state") == {"state": "ready"}
    child.send(do="play")
    said = child.until("idle")
    while said[-1][1] != 7:
        said += child.until("idle")
    assert [message["state"] for word, message in said if word == "state"] == ["playing", "ended"]
    assert text([message for word, message in said if word == "views"][-1]) == "2 7", "the last frame is never left out"


def test_a_knob_before_the_first_step_changes_the_first_picture(child: Child):
    child.open("three")
    child.next("views")
    child.send(set={"size": 8}, n=1)
    answer = child.next("views")
    assert (text(answer), answer["n"], answer["frame"]) == ("0 8", 1, 0)


def test_an_exception_while_playing_ends_the_play(child: Child):
    child.open("breaks")
    child.next("views")
    child.send(do="play")
    said = child.until("error") + child.until("idle")
    assert "it broke while it played" in str(said) and said[-2] == ("state", {"state": "ended"})


def test_a_failed_preparation_is_tried_again(child: Child):
    child.open("prepare_fails")
    assert child.next("error")["error"] == "RuntimeError: no data"
    child.send(set={"size": 4}, n=1)
    told = child.next("error")
    assert told["error"] == "RuntimeError: no data" and told["n"] == 1


def test_it_ends_when_the_server_is_gone_even_while_it_computes(child: Child):
    child.open("hangs")
    child.next("views")
    child.send(set={"size": 9})
    child.close()
    assert child.process.returncode == 0


def test_torch_is_warm_has_one_thread_and_a_knob_turns_while_it_trains():
    child = Child()
    try:
        child.open("threads")
        assert text(child.next("views")) == "1 1"
    finally:
        child.close()
    child = Child()
    try:
        child.open("train")
        child.next("views")
        child.send(do="play")
        shown = [child.next("views"), child.next("views")]
        while shown[-1]["frame"] == shown[-2]["frame"] + 1:  # it runs on between the frames that are sent
            shown.append(child.next("views"))
        assert all(text(one) == str(one["frame"]) for one in shown), "each step adds a rate of 1"
        child.send(set={"rate": 0}, n=9)
        while (stands := child.next("views")).get("n") != 9:
            pass
        child.send(do="pause")
        said = child.until("idle")
        last = [message for word, message in said if word == "views"][-1:] or [stands]
        assert last[0]["frame"] >= stands["frame"] and text(last[0]) == text(stands), "the rate is 0 now"
        child.send(do="reset")
        child.send(set={"rate": 1}, n=10)
        while child.next("views").get("n") != 10:
            pass
        child.send(do="step")
        child.send(do="step")
        steps = [child.next("views"), child.next("views")]
        again = json.loads(labs.encode(frame_two()))
        assert steps[-1]["views"] == again, "the same seed, the same numbers, in another process"
    finally:
        child.close()


def frame_two():
    from learnable.course.lab import Knobs

    frames = labs.run_play(labs.find("demo", "train", DEMO), None, Knobs({"rate": 1}))
    next(frames), next(frames)
    return next(frames)


# Within one process: what cannot be seen from outside without asserting a time.


def test_of_many_values_the_last_one_is_taken():
    inbox = Inbox()
    for size in range(1000):
        inbox.put({"set": {"size": size}, "n": size})
        inbox.put({"do": "play"})
    turn = inbox.take(wait=True)
    assert turn == Turn(values={"size": 999}, set=True, n=999, asked=["play"], lines=2000)
    assert inbox.take(wait=False) == Turn(lines=2000)
    for _ in range(500):
        inbox.put({"do": "step"})
        inbox.put({"do": "reset"})
    assert len(inbox.take(wait=True).asked) == 32


def test_a_page_that_opens_the_lab_again_does_not_get_what_the_last_one_set():
    inbox = Inbox()
    inbox.put({"set": {"size": 9}})
    inbox.put({"open": {"stem": "demo"}})
    assert inbox.take(wait=True) == Turn(opened={"stem": "demo"}, lines=2)


def test_frames_that_come_too_fast_are_held_and_the_last_is_not_lost():
    said: list[tuple[str, Any]] = []
    session = Session(labs.find("demo", "three", DEMO), lambda word, message: said.append((word, message)))
    session.turn(Turn(), first=True)
    session.next_at = float("inf")
    session.turn(Turn(asked=["play"]))
    session.advance()
    assert [word for word, _ in said if word == "views"] == ["views"], "the first picture; the frame is held"
    session.turn(Turn(asked=["pause"]))
    assert json.loads([message for word, message in said if word == "views"][-1])["frame"] == 1


def test_what_came_before_a_reset_is_void():
    said: list[tuple[str, Any]] = []
    session = Session(labs.find("demo", "three", DEMO), lambda word, message: said.append((word, message)))
    session.turn(Turn(), first=True)
    session.turn(Turn(asked=["step"]))
    said.clear()
    session.turn(Turn(values={"size": 8}, set=True, n=3, asked=["play", "reset", "step"]))
    shown = [json.loads(message) for word, message in said if word == "views"]
    assert [(text(one), one["n"]) for one in shown] == [("0 8", 3), ("1 8", 3)] and not session.playing


def test_a_message_before_a_lab_is_open_is_refused():
    worker = Worker(Inbox(), lambda word, message: None)
    with pytest.raises(CallError, match="opened first"):
        worker.do(Turn(set=True))
