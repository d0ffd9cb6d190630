"""Labs over a WebSocket: `/labs/<stem>/<name>`, one worker process behind each open lab.

    page      {"set": {control: value}, "n": 7}    the latest wins; the views that show it bring its n
              {"do": "play" | "pause" | "step" | "reset" | "stop"}    stop ends the process, whatever it does
    server    {"views": [...], "n": 7, "seconds": 0.01, "frame": 12}
              {"progress": {"fraction", "text"}}    {"state": "ready" | "playing" | "paused" | "ended"}
              {"error": "a sentence", "trace": "..."}

`Pool` keeps spare processes, so that a lab is usable at once, and bounds how many compute. `Seat` is one page's side: it
checks what the page says, passes on what the worker says, and starts a fresh worker when the last one died. Neither
grows: of views, states and errors that a slow browser has not fetched yet, only the newest is kept.

This process imports no torch; it does not even read the views that it passes on.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket, WebSocketDisconnect

from learnable.course import labs
from learnable.course.lab import Lab
from learnable.errors import CallError, LearnableError

LIMIT = 4  # labs that compute at the same time; a worker with torch takes some 250 MB
HANG = 20.0  # seconds without a word from a worker that owes an answer
PARKED = 300.0  # seconds that a worker waits for its page to come back
REST = 25  # times 20 ms, in which a worker may come to rest when its page has closed
PAUSE = 0.5  # seconds before the next spare is started, so that the reader's first picture has the processor
TEXT = 256_000  # characters that a page's message may have
WAITING = 1_000_000  # bytes that a worker may leave unread
LINE = 2**23  # bytes of a worker's longest line
ASKED = ("play", "pause", "step", "reset", "stop")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

router = APIRouter()


@router.websocket("/labs/{stem}/{name}")
async def open_lab(socket: WebSocket, stem: str, name: str) -> None:
    """A page has opened a lab; this lasts until it closes it."""
    await socket.accept()
    pool: Pool = socket.app.state.labs
    try:
        lab = labs.find(stem, name, pool.lessons.get(stem))
    except CallError as error:
        await socket.close(4404, reason(str(error)))
        return
    except LearnableError as error:  # the lesson's file is broken: whoever writes it wants to know how
        await socket.send_text(json.dumps({"error": str(error)}))
        await socket.close(4500, reason(str(error)))
        return
    await Seat(pool, socket, stem, name, lab).serve()


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI, lessons: Mapping[str, Path] | None = None) -> AsyncIterator["Pool"]:
    """As long as the server lives: its workers."""
    pool = app.state.labs = Pool(lessons)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def reason(text: str) -> str:
    """A reason for closing, which may have 123 bytes.

    >>> len(reason("é" * 200).encode())
    122
    """
    return text.encode()[:123].decode(errors="ignore")


class Worker:
    """The server's end of one process. `listener` gets each line for the page: its word, and its text."""

    def __init__(self, process: asyncio.subprocess.Process, bare: bool):
        self.process = process
        self.bare = bare
        self.listener: Callable[[str, str], None] = lambda word, text: None
        self.ended: Callable[[], None] = lambda: None
        self.key: tuple[Any, ...] = ()  # which lab it has opened, and of which code
        self.warm = False
        self.failed = False  # its lab raised something: not to be used again
        self.sent = 0  # lines
        self.answered = 0
        self.heard = time.monotonic()
        self.reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, bare: bool) -> "Worker":
        """A fresh process. It takes messages at once and answers when it is warm."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "learnable.course.worker", *(["--bare"] if bare else [])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a pipe that nobody reads would stop a lab that prints
            env=dict(os.environ) | dict.fromkeys(THREADS, "1"),
            limit=LINE,
            start_new_session=True,  # a Ctrl+C is for the server, which ends its workers in order
        )
        return cls(process, bare)

    @property
    def alive(self) -> bool:
        """Whether the process lives and is heard."""
        return self.process.returncode is None and not self.reading.done()

    @property
    def busy(self) -> bool:
        """Whether it owes an answer, or plays."""
        return self.sent > self.answered

    def send(self, message: Mapping[str, Any]) -> bool:
        """Pass a message on; False if the worker has left too much unread."""
        assert self.process.stdin is not None
        if self.process.stdin.is_closing() or self.process.stdin.transport.get_write_buffer_size() > WAITING:
            return False
        if not self.busy:
            self.heard = time.monotonic()
        self.sent += 1
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        return True

    async def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            # A ValueError is a line beyond the limit: it is not one of ours, something wrote into the descriptor.
            with contextlib.suppress(ValueError, OSError):
                while line := await self.process.stdout.readline():
                    self.heard = time.monotonic()
                    word, _, text = line.decode(errors="replace").rstrip("\n").partition(" ")
                    if word == "warm":
                        self.warm = True
                    elif word == "idle":
                        self.answered = int(text)
                    else:
                        self.failed |= word == "error"
                        self.listener(word, text)
        finally:
            self._signal()
        await self.process.wait()
        self.ended()

    def _signal(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.SIGKILL)  # also what the lab has started

    async def kill(self) -> None:
        """End the process; its listener hears nothing more."""
        self.listener, self.ended = lambda word, text: None, lambda: None
        if self.process.returncode is None:
            self._signal()
        if self.process.stdin is not None:
            self.process.stdin.close()
        await asyncio.wait({self.reading}, timeout=5)

    def cause(self) -> str:
        """Why it ended, in words."""
        code = self.process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            why = {"SIGKILL": ": the system may have run out of memory", "SIGSEGV": ": a crash in compiled code"}
            return f"{name}{why.get(name, '')}"
        return f"exit code {code}"


class Pool:
    """All workers of a server: one spare of each kind, those at work, and those whose page has just left.

    Args:
        lessons: stem -> folder, of lessons that are not in the course.
        limit: labs that compute at the same time.
    """

    def __init__(
        self,
        lessons: Mapping[str, Path] | None = None,
        *,
        limit: int = LIMIT,
        hang: float = HANG,
        parked_seconds: float = PARKED,
        pause: float = PAUSE,
    ):
        self.lessons = dict(lessons or {})
        self.limit = limit
        self.hang = hang
        self.parked_seconds = parked_seconds
        self.pause = pause
        self.spares: dict[bool, Worker] = {}  # bare -> worker
        self.seats: list[Seat] = []  # with a worker, the one used longest ago first
        self.parked: Worker | None = None
        self.leaving: set[Worker] = set()  # their page has closed, they compute still
        self.tasks: set[asyncio.Task[Any]] = set()
        self.lock = asyncio.Lock()
        self.closed = False

    async def start(self) -> None:
        """Start the spares; they get warm while the first page is read."""
        for bare in (False, True):
            self.spares[bare] = await Worker.start(bare)

    async def close(self) -> None:
        """End every process."""
        self.closed = True
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        workers = self.workers()
        self.spares, self.seats, self.parked = {}, [], None
        await asyncio.gather(*(worker.kill() for worker in workers))

    def workers(self) -> list[Worker]:
        """All that live, spares too."""
        every = [*self.spares.values(), *(seat.worker for seat in self.seats), self.parked, *self.leaving]
        return [worker for worker in every if worker is not None and worker.alive]

    async def take(self, seat: "Seat", key: tuple[Any, ...], bare: bool) -> Worker | None:
        """A worker for a seat, the spare if there is one; None if all places are taken by labs that compute.

        The page whose lab has been idle for longest loses its worker, and is told.
        """
        async with self.lock:
            if self.closed:
                return None
            parked, self.parked = self.parked, None
            if parked is not None and parked.alive and parked.key == key:
                self.seats.append(seat)
                seat.worker = parked
                return parked
            if parked is not None:
                await parked.kill()
            if len(self.seats) >= self.limit:
                idle = next((other for other in self.seats if other.worker and not other.worker.busy), None)
                if idle is None:
                    return None
                await idle.lose(
                    f"this lab was ended, because only {self.limit} compute at a time and another one was opened; "
                    "change a control to start it again"
                )
            spare = self.spares.pop(bare, None)
            if spare is not None and not spare.alive:
                await spare.kill()
                spare = None
            worker = spare or await Worker.start(bare)
            worker.key = key
            seat.worker = worker  # at once: if the page closes now, whoever clears up must find it
            self.seats.append(seat)
            self._later(self._refill(bare))
            return worker

    def touch(self, seat: "Seat") -> None:
        """Its page has just done something."""
        if seat in self.seats:
            self.seats.remove(seat)
            self.seats.append(seat)

    def drop(self, seat: "Seat") -> None:
        if seat in self.seats:
            self.seats.remove(seat)

    async def give_back(self, worker: Worker) -> None:
        """The page has closed. A worker that comes to rest waits a while: who reloads the page finds the lab prepared."""
        worker.listener, worker.ended = lambda word, text: None, lambda: None
        self.leaving.add(worker)
        try:
            worker.send({"do": "pause"})
            for _ in range(REST):
                if worker.busy and worker.alive:
                    await asyncio.sleep(0.02)
        finally:
            self.leaving.discard(worker)
            if self.closed or worker.busy or worker.failed or not worker.alive or not self.parked_seconds:
                leaves: Worker | None = worker
            else:
                leaves, self.parked = self.parked, worker
                self._later(self._forget(worker))
            if leaves is not None:
                await leaves.kill()

    async def _refill(self, bare: bool) -> None:
        await asyncio.sleep(self.pause)
        async with self.lock:
            if bare not in self.spares:
                self.spares[bare] = await Worker.start(bare)

    async def _forget(self, worker: Worker) -> None:
        await asyncio.sleep(self.parked_seconds)
        if self.parked is worker:
            self.parked = None
            await worker.kill()

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Outbox:
    """What the page has not fetched yet: of each kind the newest, in the order in which they came."""

    def __init__(self) -> None:
        self.waiting: dict[str, str] = {}
        self.came = asyncio.Event()

    def put(self, word: str, text: str) -> None:
        self.waiting.pop(word, None)
        self.waiting[word] = text
        self.came.set()

    async def take(self) -> str:
        while not self.waiting:
            self.came.clear()
            await self.came.wait()
        return self.waiting.pop(next(iter(self.waiting)))


class Seat:
    """One page with one lab open."""

    def __init__(self, pool: Pool, socket: WebSocket, stem: str, name: str, lab: Lab):
        self.pool = pool
        self.socket = socket
        self.stem = stem
        self.name = name
        self.lab = lab
        self.outbox = Outbox()
        self.worker: Worker | None = None
        self.values: dict[str, Any] = {}  # what the page has set: a fresh worker begins there
        self.n: int | None = None
        self.told = 0.0  # when the worker was last heard before the page was told that it hangs

    async def serve(self) -> None:
        """Until the page closes the socket."""
        tasks = [asyncio.create_task(work) for work in (self.receive(), self.send(), self.watch())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            worker, self.worker = self.worker, None
            self.pool.drop(self)
            if worker is not None:
                await self.pool.give_back(worker)
        for error in done:
            if isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect | RuntimeError):
                raise error

    async def sit(self) -> None:
        """Get a worker and open the lab in it."""
        folder = self.pool.lessons.get(self.stem)
        key = (self.stem, self.name, code_of_today(folder or labs.lesson.folder(self.stem)))
        worker = await self.pool.take(self, key, not self.lab.torch)
        if worker is None:
            self.tell_error(
                f"{self.pool.limit} labs compute already; pause or close one of them, then change a control here"
            )
            self.outbox.put("state", '{"state":"ended"}')
            return
        worker.listener = self.outbox.put
        worker.ended = self.died
        if not worker.warm:
            self.outbox.put("progress", '{"progress":{"fraction":0,"text":"starting Python"}}')
        worker.send({"open": {"stem": self.stem, "name": self.name, "folder": str(folder) if folder else None}})
        if self.values:
            worker.send({"set": self.values, "n": self.n})
        if not worker.alive:
            self.died()

    async def lose(self, why: str) -> None:
        """The worker is taken away; the next message of the page gets a new one."""
        worker, self.worker = self.worker, None
        self.pool.drop(self)
        if worker is not None:
            await worker.kill()
        self.outbox.put("state", '{"state":"ended"}')
        if why:
            self.tell_error(why)

    def died(self) -> None:
        """The worker has ended by itself: a crash, an exit, the system's memory."""
        worker, self.worker = self.worker, None
        if worker is None:
            return
        self.pool.drop(self)
        self.outbox.put("state", '{"state":"ended"}')
        self.tell_error(f"the lab's process ended ({worker.cause()}); change a control or press play to start it again")

    def tell_error(self, text: str) -> None:
        self.outbox.put("error", json.dumps({"error": text}))

    async def receive(self) -> None:
        """Take what the page says; what is wrong is refused, and the socket stays open."""
        await self.sit()
        while True:
            event = await self.socket.receive()
            if event["type"] == "websocket.disconnect":
                return
            try:
                message = self.read(event.get("text"))
            except CallError as error:
                self.tell_error(str(error))
                continue
            await self.handle(message)

    def read(self, text: str | None) -> dict[str, Any]:
        """A message of the page.

        Raises:
            CallError: it is none, or a control cannot take the value.
        """
        if text is None:
            raise CallError("expected a message as text, came bytes")
        if len(text) > TEXT:
            raise CallError(f"expected a message of at most {TEXT // 1000} kB, came {len(text) // 1000} kB")
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise CallError(f"expected a message as JSON, came {text[:80]!r}") from None
        match message:
            case {"do": str(what)} if what in ASKED and len(message) == 1:
                return {"do": what}
            case {"set": dict(values), **rest} if set(rest) <= {"n"}:
                n = rest.get("n")
                if n is not None and (isinstance(n, bool) or not isinstance(n, int) or abs(n) > 2**53):
                    raise CallError(f"expected a whole number n, came {str(n)[:80]!r}")
                return {"set": self.lab.check(values)} | ({} if n is None else {"n": n})
        raise CallError(f'expected {{"set": {{...}}}} or {{"do": one of {", ".join(ASKED)}}}, came {text[:80]!r}')

    async def handle(self, message: dict[str, Any]) -> None:
        """Pass a message on; start a worker if the last one is gone or hangs."""
        self.pool.touch(self)
        if "set" in message:
            self.values |= message["set"]
            self.n = message.get("n")
        what = message.get("do")
        if what == "stop" or (what == "reset" and self.hangs()):
            await self.lose("")
            if what == "stop":
                return
        if self.worker is None:
            await self.sit()
            if what not in ("play", "step"):
                return  # a fresh worker shows everything anyway
        if self.worker is not None and not self.worker.send(message):
            self.tell_error("the lab does not listen; press stop, then change a control")

    def hangs(self) -> bool:
        return bool(self.worker and self.worker.busy and time.monotonic() - self.worker.heard > self.pool.hang)

    async def watch(self) -> None:
        """Tell the page when its worker has owed an answer for too long."""
        while True:
            await asyncio.sleep(self.pool.hang / 10)
            if self.hangs() and self.worker is not None and self.told != self.worker.heard:
                self.told = self.worker.heard
                self.tell_error(
                    f"no answer for {self.pool.hang:g} s; it may still come. Reset ends the computation and begins anew"
                )

    async def send(self) -> None:
        """Send what waits, as fast as the browser takes it."""
        while True:
            await self.socket.send_text(await self.outbox.take())


def code_of_today(folder: Path) -> int:
    """When the lesson or the library was last changed: a worker that knows older code is not used again."""
    library = Path(labs.__file__).parents[1]
    times = [file.stat().st_mtime_ns for place in (library, folder) for file in place.rglob("*.py")]
    return max(times, default=0)
