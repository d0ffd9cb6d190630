"""The grader as server and command line use it: warm once, then a check takes some hundredths of a second.

Nothing here imports torch; it runs in the processes of `zygote`.
"""

import asyncio
import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from learnable.course.exercises import Exercises, tidy
from learnable.course.grader.zygote import FORKS, IMPORTS, TOGETHER, command, environment
from learnable.errors import CallError, WorldError

TEXT = 500_000  # characters of a learner's file
STARTING = 120.0  # seconds for torch to be imported, on a machine that is busy


class NotStarted(EOFError):
    """The process that was kept ready is no more."""


class Grader:
    """Checks learner's files; may be used from several threads.

    Args:
        forks: whether to fork from a process that has torch, which Linux can do safely; elsewhere one spare process is kept.
    """

    def __init__(self, forks: bool = FORKS):
        self.forks = forks
        self._lock = threading.Lock()
        self._zygote: subprocess.Popen | None = None
        self._socket: socket.socket | None = None
        self._spare: subprocess.Popen | None = None
        self._closed = False

    def __enter__(self) -> "Grader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def warm(self) -> None:
        """Start what will be needed, and come back at once; the first check waits for it."""
        with self._lock:
            if self.forks:
                self._start_zygote()
            elif self._spare is None:
                self._spare = self._start_spare()

    def check(self, exercises: Exercises, text: str, names: Sequence[str] = ()) -> dict[str, Any]:
        """The verdict on a learner's file: {"passed", "checks": [{"name", "passed", "message", "exercise", "line"}], ...}.

        Args:
            names: the parts to check; all, if none is named.

        Raises:
            CallError: no such part, or the file is too long.
            WorldError: the checking process cannot be started, or broke down.
        """
        text = tidy(text)
        if len(text) > TEXT:
            raise CallError(f"expected at most {TEXT:,} characters, came {len(text):,}")
        wanted = [exercises.part(name).name for name in names] or [part.name for part in exercises.parts]
        request = {"folder": str(exercises.folder), "text": text, "names": wanted, "imports": exercises.all_imports}
        begun = time.monotonic()
        for attempt in (1, 2):
            self.warm()
            zygote = self._zygote
            try:
                verdict = self._ask(request)
                break
            except TimeoutError as error:  # once is enough
                self._stop(self._zygote)
                raise WorldError(f"the check took longer than {TOGETHER} s and was ended") from error
            except (OSError, EOFError) as error:
                dead = isinstance(error, NotStarted) or (zygote is not None and not _lives(zygote))
                if dead and attempt == 1 and not self._closed:  # what was warm is no more: once again with a new one
                    self._stop(zygote)
                    continue
                raise WorldError(f"the checking process ended ({error or 'no reason given'}); check again") from error
        if "fault" in verdict:
            raise WorldError(f"the exercise of {exercises.stem} itself is at fault, not your code:\n{verdict['fault']}")
        return verdict | {"seconds": round(time.monotonic() - begun, 3)}

    def close(self) -> None:
        """End what was started; nothing new is."""
        self._closed = True
        self._stop()

    def _stop(self, only: subprocess.Popen | None = None) -> None:
        """End what is warm; or only this zygote, if another thread has not replaced it yet."""
        with self._lock:
            if only is not None and only is not self._zygote:
                return
            if self._socket is not None:
                self._socket.close()  # a zygote hears this, and ends its children and their folders first
            for process, patience in ((self._zygote, 3), (self._spare, 0)):
                if process is not None:
                    process.terminate()  # heard only while it starts
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(patience)
                    process.kill()
                    process.wait()
                    for pipe in (process.stdin, process.stdout):
                        if pipe is not None:
                            with contextlib.suppress(OSError):
                                pipe.close()
            self._zygote = self._spare = self._socket = None

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        data = json.dumps(request).encode()
        with self._line(request["imports"]) as (reading, writing):
            view = memoryview(len(data).to_bytes(8, "little") + data)
            while view:
                view = view[os.write(writing, view) :]
            until = time.monotonic() + TOGETHER + 10
            length = int.from_bytes(_exactly(reading, 8, until), "little")
            verdict: dict[str, Any] = json.loads(_exactly(reading, length, until))
            return verdict

    @contextlib.contextmanager
    def _line(self, imports: str) -> Iterator[tuple[int, int]]:
        """Descriptors of a new examiner: to read from, to write to."""
        if self.forks:
            ours, theirs = socket.socketpair()
            with ours:
                with theirs, self._lock:
                    socket.send_fds(self._start_zygote(), [b"#\n" + imports.encode()[: IMPORTS - 2]], [theirs.fileno()])
                yield ours.fileno(), ours.fileno()
            return
        with self._lock:
            process, self._spare = self._spare or self._start_spare(), None
        assert process.stdin is not None and process.stdout is not None
        try:
            if process.stdout.read(1) != b"!":
                raise NotStarted("it did not start")
            yield process.stdout.fileno(), process.stdin.fileno()
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            if not self._closed:
                self.warm()

    def _start_zygote(self) -> socket.socket:
        if self._socket is not None and self._zygote is not None and self._zygote.poll() is None:
            return self._socket
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._zygote = _started(command("zygote"), stdin=theirs, stdout=subprocess.DEVNULL)
        if self._socket is not None:
            self._socket.close()
        self._socket = ours
        return ours

    def _start_spare(self) -> subprocess.Popen:
        return _started(command("spare"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


def _started(what: list[str], **options: Any) -> subprocess.Popen:
    try:
        return subprocess.Popen(what, env=environment(), start_new_session=os.name == "posix", **options)
    except OSError as error:
        raise WorldError(f"the checking process cannot be started: {error.strerror or error}") from error


def _lives(process: subprocess.Popen) -> bool:
    try:
        process.wait(0.2)  # its line may close a moment before it is gone
    except subprocess.TimeoutExpired:
        return True
    return False


def _exactly(handle: int, count: int, until: float) -> bytes:
    data = b""
    while len(data) < count:
        if os.name != "nt" and not select.select([handle], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError("it gave no verdict in time")
        piece = os.read(handle, count - len(data))
        if not piece:
            raise EOFError("it gave no verdict")
        data += piece
    return data


class AsyncGrader:
    """The same for a server: checks run beside the event loop, two at a time, as a small machine has cores."""

    def __init__(self, together: int = 2):
        self._grader = Grader()
        self._turns = asyncio.Semaphore(together)

    async def start(self) -> None:
        await asyncio.to_thread(self._grader.warm)

    async def check(self, exercises: Exercises, text: str, names: Sequence[str] = ()) -> dict[str, Any]:
        async with self._turns:
            return await asyncio.to_thread(self._grader.check, exercises, text, names)

    async def close(self) -> None:
        await asyncio.to_thread(self._grader.close)


__all__ = ["AsyncGrader", "Grader", "Path"]
