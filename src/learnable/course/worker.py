"""The process in which one lab computes: `python -m learnable.course.worker [--bare]`.

The server speaks to it by lines of JSON, and it answers by lines that begin with a word for the server, so that the
server passes megabytes on without reading them:

    in      {"open": {"stem", "name", "folder"}}    {"set": {control: value}, "n": 7}    {"do": "play"}
    out     warm {...}       torch is there (not with --bare, which starts ten times faster)
            views {...}      for the page; a newer one replaces one that was not sent yet
            progress, state, error {...}            for the page
            idle 12          twelve lines were read, all are answered, nothing runs

What a lab prints cannot disturb this: both ends are moved away from the standard streams before any of its code runs.
One thread computes, another reads, so that a knob can be turned while a lab trains, and the latest value wins.
"""

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from json import loads
from pathlib import Path
from typing import Any, BinaryIO

from learnable.course import labs
from learnable.course.lab import Knobs, Lab, Progress
from learnable.course.views import View
from learnable.errors import CallError, LearnableError

INTERVAL = 1 / 20  # seconds between two frames that are sent; the lab runs on at full speed between them
MEMORY = 4 * 2**30  # bytes of address space; torch alone reserves 0.6 GiB
ASKED = 32  # presses of a button that wait
TRACE = 4  # calls of a traceback that help: the last ones

Say = Callable[[str, Any], None]  # the word for the server, and the message for the page


@dataclass
class Turn:
    """All that came since the last look: of several values of a control the last one."""

    opened: dict[str, Any] | None = None
    values: dict[str, Any] = field(default_factory=dict)
    set: bool = False
    n: int | None = None
    asked: list[str] = field(default_factory=list)
    lines: int = 0  # read since the beginning


class Inbox:
    """What the reading thread has collected for the computing one. It stays small however much comes."""

    def __init__(self) -> None:
        self._turn = Turn()
        self._came = threading.Condition()
        self._lines = 0

    def put(self, message: dict[str, Any]) -> None:
        with self._came:
            turn, self._lines = self._turn, self._lines + 1
            if "open" in message:
                self._turn = turn = Turn(opened=message["open"])  # what came for another page is void
            elif "set" in message:
                turn.values |= message["set"]
                turn.n, turn.set = message.get("n"), True
            elif len(turn.asked) < ASKED and (message["do"] == "step" or turn.asked[-1:] != [message["do"]]):
                turn.asked.append(message["do"])  # two steps are two, two plays are one
            turn.lines = self._lines
            self._came.notify()

    def take(self, wait: bool) -> Turn:
        """What came; with `wait`, at least one message."""
        with self._came:
            if wait:
                self._came.wait_for(lambda: self._turn.lines)
            turn, self._turn = self._turn, Turn()
            turn.lines = self._lines
            return turn


class Session:
    """One lab with one page: what its controls say, how far it has played."""

    def __init__(self, lab: Lab, say: Say, state: Any = None, prepared: bool = False):
        self.lab = lab
        self.say = say
        self.values = lab.defaults()
        self.knobs = Knobs(self.values)
        self.state = state
        self.prepared = prepared
        self.playing = False
        self.frames: Iterator[list[View]] | None = None  # None: not begun, or at its end
        self.frame = -1  # the number of the current one; the first is 0
        self.held: list[View] | None = None  # computed, but too soon after the last one that was sent
        self.held_seconds = 0.0
        self.n: int | None = None  # of the last `set`
        self.shown = ""  # the views of the last picture, as text
        self.next_at = 0.0  # before this time no frame is sent

    def begin(self) -> None:
        """Prepare, if that is not done."""
        if not self.prepared:
            self.state = labs.prepare(self.lab, self._progress)
            self.prepared = True
        self.say("state", {"state": "ready"})

    def turn(self, turn: Turn, first: bool = False) -> None:
        """Do what the page asked for."""
        if turn.set:
            self.values |= self.lab.check(turn.values)
            self.n = turn.n
        if not self.prepared:  # it failed; whatever the page does is another try
            self.begin()
            first = True
        if self.lab.show is not None:
            if first or turn.set or "reset" in turn.asked:
                self._show()
            return
        self.knobs.__dict__.update(self.values)
        asked = turn.asked
        if "reset" in asked:
            asked = asked[len(asked) - asked[::-1].index("reset") :]  # what came before it is void
            self._reset()
        elif first or (turn.set and self.frame <= 0 and not self.playing):
            self._rewind()  # before the first step, a knob may change what there is to begin with
        elif turn.set and not self.playing:
            self._send(self.shown, 0.0)
        for what in asked:
            getattr(self, f"_{what}")()

    def advance(self, always: bool = False) -> None:
        """Compute one frame; send it if it is time, or `always`."""
        if self.frames is None:
            self.frames, self.frame = labs.run_play(self.lab, self.state, self.knobs), -1
        begun = time.perf_counter()
        views = next(self.frames, None)
        now = time.perf_counter()
        if views is None:
            self._flush()
            self._end()
            return
        self.frame += 1
        self.held, self.held_seconds = views, now - begun
        if always or now >= self.next_at:
            self._flush()

    def fail(self) -> None:
        """After an exception: what was playing is over."""
        self.held = None
        if self.lab.play is not None:
            self._end()

    def _show(self) -> None:
        begun = time.perf_counter()
        text = labs.encode(labs.run_show(self.lab, self.state, self.values))
        self._send(text, time.perf_counter() - begun)

    def _play(self) -> None:
        if not self.playing:
            self.playing = True
            self.say("state", {"state": "playing"})

    def _pause(self) -> None:
        self._flush()
        if self.playing:
            self.playing = False
            self.say("state", {"state": "paused"})

    def _step(self) -> None:
        self._pause()
        self.advance(always=True)
        if self.frames is not None:
            self.say("state", {"state": "paused"})

    def _reset(self) -> None:
        self._rewind()
        self.say("state", {"state": "ready"})

    def _rewind(self) -> None:
        self.playing, self.held, self.frames = False, None, None
        self.advance(always=True)

    def _end(self) -> None:
        self.playing, self.frames = False, None
        self.say("state", {"state": "ended"})

    def _flush(self) -> None:
        if self.held is None:
            return
        begun = time.perf_counter()
        text = labs.encode(self.held)
        self.held = None
        self._send(text, self.held_seconds)
        # Large pictures cost more than many small ones: at most a third of the time goes into sending.
        self.next_at = time.perf_counter() + max(INTERVAL, 2 * (time.perf_counter() - begun))

    def _send(self, text: str, seconds: float) -> None:
        self.shown = text
        rest: dict[str, Any] = {"seconds": round(seconds, 4)}
        rest |= {} if self.n is None else {"n": self.n}
        rest |= {} if self.lab.play is None else {"frame": max(self.frame, 0)}
        self.say("views", f'{{"views":{text or "[]"},{labs.compact(rest)[1:]}')

    def _progress(self, progress: Progress) -> None:
        fraction = min(max(float(progress.fraction), 0.0), 1.0)
        self.say("progress", {"progress": {"fraction": round(fraction, 3), "text": str(progress.text)[:200]}})


class Worker:
    """Takes what came and has the lab compute it; whatever the lab raises is told to the page."""

    def __init__(self, inbox: Inbox, say: Say):
        self.inbox = inbox
        self.say = say
        self.session: Session | None = None
        self.opened: dict[str, Any] = {}

    def serve(self) -> None:
        """For ever: the process ends when the server closes its end, or kills it."""
        while True:
            playing = self.session is not None and self.session.playing
            turn = self.inbox.take(wait=not playing)
            lines = turn.lines
            try:
                lines = self.do(turn)
            except BaseException as error:  # also SystemExit: the lab's code must not end the process unheard
                self.say("error", failure(error, turn.n))
                if self.session is not None:
                    self.session.fail()
            if self.session is None or not self.session.playing:
                self.say("idle", lines)

    def do(self, turn: Turn) -> int:
        """One turn, and one frame if the lab plays; the number of lines that are answered then."""
        if turn.opened is not None:
            self.open(turn.opened)
            assert self.session is not None
            self.session.begin()
            # What the page asked for while the lab was being prepared is in its first picture.
            late = self.inbox.take(wait=False)
            turn.values |= late.values
            turn.set, turn.n = turn.set or late.set, late.n if late.set else turn.n
            turn.asked += late.asked
            turn.lines = late.lines
            self.session.turn(turn, first=True)
        elif self.session is None:
            raise CallError("expected a lab to be opened first")
        else:
            self.session.turn(turn)
        if self.session.playing:
            self.session.advance()
        return turn.lines

    def open(self, opened: dict[str, Any]) -> None:
        """The same lab again keeps what it prepared; a worker never changes to another lab."""
        old = self.session
        if old is not None and opened == self.opened:
            self.session = Session(old.lab, self.say, old.state, old.prepared)
            return
        folder = Path(opened["folder"]) if opened.get("folder") else None
        lab = labs.find(opened["stem"], opened["name"], folder)
        self.opened, self.session = opened, Session(lab, self.say)


def failure(error: BaseException, n: int | None = None) -> dict[str, Any]:
    """What the page is told of an exception."""
    said: dict[str, Any] = {"error": labs.sentence(error)}
    if not isinstance(error, LearnableError):
        ours = {__file__, labs.__file__}
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in ours][-TRACE:]
        said["trace"] = "\n".join(
            f"{'/'.join(Path(frame.filename).parts[-3:])}, line {frame.lineno}, in {frame.name}\n    {frame.line}"
            for frame in frames
        )
    return said if n is None else said | {"n": n}


def private_streams() -> tuple[BinaryIO, BinaryIO]:
    """The two ends to the server, moved away from the standard streams: a lab prints to stderr, and reads nothing."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")


def read(incoming: BinaryIO, inbox: Inbox) -> None:
    """Collect messages until the server closes its end; then nobody waits for this process any more."""
    for line in incoming:
        inbox.put(loads(line))
    os._exit(0)


def talk(outgoing: BinaryIO) -> Say:
    """How the computing thread says something."""

    def say(word: str, message: Any) -> None:
        text = message if isinstance(message, str) else labs.compact(message)
        try:
            outgoing.write(f"{word} {text}\n".encode())
            outgoing.flush()
        except OSError:
            os._exit(0)  # the server is gone

    return say


def warm_up() -> None:
    """What takes seconds the first time, before anybody waits for it: torch, one thread, its first optimizer."""
    import torch

    torch.set_num_threads(1)
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)  # the first one imports torch._dynamo
    weight.square().sum().backward()
    optimizer.step()


def limit_memory(size: int = MEMORY) -> None:
    """A lab that takes too much gets a MemoryError and not the machine. Only where the system can: Linux, without CUDA,
    which reserves far more address space than it uses."""
    if sys.platform != "linux":
        return
    import resource

    torch = sys.modules.get("torch")
    if torch is None or (torch.version.cuda is None and torch.version.hip is None):
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # if the machine runs out, this goes before the browser
        Path("/proc/self/oom_score_adj").write_text("500")


def main(arguments: list[str]) -> None:
    incoming, outgoing = private_streams()
    inbox, say = Inbox(), talk(outgoing)
    threading.Thread(target=read, args=(incoming, inbox), daemon=True).start()
    if "--bare" not in arguments:
        warm_up()
    limit_memory()
    say("warm", {})
    Worker(inbox, say).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
