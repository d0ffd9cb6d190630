"""Labs over a WebSocket, with a real server in a thread and a real client: what the page sees, whatever the lab does."""

import asyncio
import contextlib
import json
import os
import socket as sockets
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from learnable.web.labs import Outbox, Pool, Worker, code_of_today, reason, router

DEMO = Path(__file__).parents[1] / "course" / "demo_lesson"


class Server:
    """A bare application with the router and a pool, on a free port."""

    def __init__(self, **settings: Any):
        lessons = {"demo": DEMO, "broken": settings.pop("broken", DEMO)}

        @contextlib.asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            self.loop = asyncio.get_running_loop()
            self.pool = app.state.labs = Pool(lessons, **settings)
            yield  # without spares, which cost seconds each; their own test starts them
            await self.pool.close()

        app = FastAPI(lifespan=lifespan)
        app.include_router(router)
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, log_level="critical"))
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> "Server":
        self.thread.start()
        wait(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *error: object) -> None:
        self.server.should_exit = True
        self.thread.join()

    def open(self, name: str, stem: str = "demo") -> "Page":
        return Page(f"ws://127.0.0.1:{self.port}/labs/{stem}/{name}")

    def processes(self) -> list[psutil.Process]:
        """The workers that live."""
        return [psutil.Process(worker.process.pid) for worker in self.pool.workers()]


class Page:
    def __init__(self, address: str):
        self.opening = connect(address, max_size=2**23, compression=None)

    def __enter__(self) -> "Page":
        self.connection: ClientConnection = self.opening.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.opening.__exit__(*error)

    def send(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def next(self, key: str, where: Callable[[dict[str, Any]], bool] = lambda message: True) -> dict[str, Any]:
        """The next message of a kind; others are passed over."""
        while True:
            message = json.loads(self.connection.recv(timeout=60))
            if key in message and where(message):
                return message

    def answer(self, n: int, **values: Any) -> str:
        """Set, and the text of the last view that answers it."""
        self.send(set=values, n=n)
        return text(self.next("views", lambda message: message.get("n") == n))


def text(message: dict[str, Any]) -> str:
    return message["views"][-1]["text"]


def wait(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(pause=3600.0) as running:  # no spares: nothing else takes the processor
        yield running


def test_a_control_is_answered(server: Server):
    with server.open("square") as page:
        assert page.next("state") == {"state": "ready"}
        assert text(page.next("views")) == "9"
        assert page.answer(1, size=5) == "25"


def test_every_control_crosses_the_socket_at_its_ends(server: Server):
    from learnable.course import labs

    with server.open("everything") as page:
        number = 0
        for control in labs.find("demo", "everything", DEMO).controls:
            for end in control.ends():
                number += 1
                assert page.answer(number, **{control.name: end})


def test_of_a_flood_the_last_one_is_answered(server: Server):
    with server.open("square") as page:
        for n in range(2000):
            page.send(set={"size": n % 9 + 1}, n=n)
        assert page.answer(2000, size=2) == "4"


def test_a_lab_plays_is_paused_stepped_and_begun_anew(server: Server):
    with server.open("three") as page:
        assert text(page.next("views")) == "0 3"
        page.send(do="step")
        assert text(page.next("views")) == "1 3"
        page.send(do="play")
        assert text(page.next("views")) == "2 3" and page.next("state") == {"state": "ended"}
        page.send(do="reset")
        assert text(page.next("views")) == "0 3" and page.next("state") == {"state": "ready"}


def test_two_labs_answer_while_both_are_open(server: Server):
    with server.open("large") as one, server.open("square") as other:
        one.next("views")
        one.send(do="play")
        one.next("views", lambda message: message["frame"] > 0)
        for n in range(1, 9):
            assert other.answer(n, size=n) == str(n * n)
        one.send(do="pause")
        assert one.next("state", lambda message: message["state"] != "playing") == {"state": "paused"}


def test_what_a_lab_raises_is_told_and_it_goes_on(server: Server):
    with server.open("raises") as page:
        page.send(set={"size": 5}, n=1)
        told = page.next("error")
        assert told["error"] == "ZeroDivisionError: division by zero" and "lab.py" in told["trace"]
        assert page.answer(2, size=3) == "fine"


@pytest.mark.parametrize("size, said", [(9, "exit code 3"), (8, "SIGSEGV: a crash in compiled code")])
def test_a_worker_that_dies_is_told_and_a_fresh_one_starts(server: Server, size: int, said: str):
    with server.open("exits") as page:
        page.next("views")
        page.send(set={"size": size})
        assert said in page.next("error")["error"]
        assert page.answer(2, size=4) == "4"


def test_a_fresh_worker_begins_where_the_controls_stand(server: Server):
    with server.open("everything") as page:
        assert page.answer(1, size=7, word="blue") == "7 blue False Ada 0"
        page.send(do="stop")
        assert page.next("state", lambda message: message["state"] != "ready") == {"state": "ended"}
        assert page.answer(2, on=True) == "7 blue True Ada 0"


def test_a_lab_that_hangs_is_told_and_can_be_begun_anew():
    with Server(hang=0.5, pause=3600.0) as server, server.open("hangs") as page:
        page.next("views")
        (worker,) = server.processes()
        page.send(set={"size": 9})
        assert "no answer for 0.5 s" in page.next("error")["error"]
        page.send(set={"size": 4}, n=2)
        page.send(do="reset")
        assert text(page.next("views")) == "4", "the fresh worker has what was set last"
        assert not worker.is_running()


def test_stop_ends_whatever_it_does(server: Server):
    with server.open("hangs") as page:
        page.next("views")
        page.send(set={"size": 9})
        page.send(do="stop")
        assert page.next("state")["state"] == "ended"
        assert page.answer(3, size=2) == "2"


@pytest.mark.parametrize(
    "message, said",
    [
        ("no json", "expected a message as JSON"),
        ("[" * 100_000, "expected a message as JSON"),
        ("[]", 'expected {"set"'),
        ('{"set": 3}', 'expected {"set"'),
        ('{"do": "fly"}', 'expected {"set"'),
        ('{"do": ["play"]}', 'expected {"set"'),
        ('{"open": {"stem": "lenet"}}', 'expected {"set"'),
        ('{"set": {}, "n": "7"}', "expected a whole number n"),
        ('{"set": {}, "n": 1e400}', "expected a whole number n"),
        ('{"set": {"size": NaN}}', "size: expected a number from 1 to 9"),
        ('{"set": {"size": 1e999}}', "size: expected a number from 1 to 9"),
        ('{"set": {"size": "3"}}', "size: expected a number from 1 to 9"),
        ('{"set": {"name": "' + "x" * 300_000 + '"}}', "at most 256 kB"),
        ('{"set": {"other": 3}}', "expected a control of size"),
        (b"\x00\xff", "came bytes"),
    ],
)
def test_a_malformed_message_is_refused_and_the_socket_stays_open(server: Server, message: Any, said: str):
    with server.open("square") as page:
        page.connection.send(message)
        assert said in page.next("error")["error"]
        assert page.answer(1, size=2) == "4"


def test_an_unknown_lab_is_refused(server: Server):
    for stem, name in (("demo", "sqare"), ("nothing", "square"), ("demo", "x" * 500)):
        with server.open(name, stem) as page, pytest.raises(ConnectionClosed) as closed:
            page.connection.recv(timeout=60)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4404
        assert closed.value.rcvd.reason.startswith("no ")
    assert len(reason("é" * 200).encode()) <= 123


def test_a_broken_lesson_is_told(tmp_path: Path):
    (tmp_path / "lab.py").write_text("1 / 0\n")
    with Server(broken=tmp_path) as server, server.open("any", "broken") as page:
        assert "ZeroDivisionError" in page.next("error")["error"]
        with pytest.raises(ConnectionClosed):
            page.next("views")


def test_closing_the_page_ends_a_lab_that_computes(server: Server):
    with server.open("hangs") as page:
        page.next("views")
        worker = one_worker(server)
        page.send(set={"size": 9})
    wait(lambda: not worker.alive)


def test_closing_the_page_pauses_a_lab_that_plays(server: Server):
    with server.open("large") as page:
        page.next("views")
        worker = one_worker(server)
        page.send(do="play")
        page.next("views", lambda message: message["frame"] > 1)
    wait(lambda: server.pool.parked is worker and not worker.busy)
    with server.open("large") as page:
        assert page.next("views")["frame"] == 0, "a page that comes back begins anew"
        assert one_worker(server) is worker


def one_worker(server: Server) -> Worker:
    (worker,) = [seat.worker for seat in server.pool.seats if seat.worker]
    return worker


def test_a_page_that_comes_back_finds_its_lab_prepared(server: Server):
    with server.open("prepared") as page:
        first = text(page.next("views"))
        assert page.answer(1, size=9) == first
    wait(lambda: server.pool.parked is not None and server.pool.parked.key[:2] == ("demo", "prepared"))
    with server.open("prepared") as page:
        assert text(page.next("views")) == first, "the same process"
    wait(lambda: server.pool.parked is not None)
    with server.open("square") as page:
        page.next("views")
        assert server.pool.parked is None and int(first) not in psutil.pids(), "another lab gets another process"


def test_a_worker_that_failed_or_knows_old_code_is_not_used_again(server: Server, tmp_path: Path):
    with server.open("raises") as page:
        page.send(set={"size": 5})
        page.next("error")
        worker = one_worker(server)
        wait(lambda: not worker.busy)
    wait(lambda: not worker.alive)
    (tmp_path / "lab.py").write_text("LABS = {}\n")
    before = code_of_today(tmp_path)
    os.utime(tmp_path / "lab.py", ns=(2**62, 2**62))
    assert code_of_today(tmp_path) > before


def test_the_lab_idle_for_longest_makes_room():
    with Server(limit=2, pause=3600.0) as server, server.open("square") as one, server.open("everything") as two:
        one.next("views"), two.next("views")
        wait(lambda: all(not seat.worker.busy for seat in server.pool.seats if seat.worker))
        assert one.answer(1, size=2) == "4"
        wait(lambda: all(not seat.worker.busy for seat in server.pool.seats if seat.worker))
        with server.open("hangs") as three:
            three.next("views")
            assert "only 2 compute at a time" in two.next("error")["error"]
            assert one.answer(2, size=3) == "9"
            wait(lambda: all(not seat.worker.busy for seat in server.pool.seats if seat.worker))
            assert two.answer(1, size=5) == "5 red False Ada 0", "it comes back with the next change"
            assert len(server.processes()) == 2


def test_labs_that_compute_are_not_taken_away():
    with Server(limit=1, pause=3600.0) as server, server.open("large") as one:
        one.next("views")
        one.send(do="play")
        one.next("views", lambda message: message["frame"] > 0)
        with server.open("square") as two:
            assert "1 labs compute already" in two.next("error")["error"]
            one.connection.close()
            wait(lambda: not server.pool.seats)
            assert two.answer(1, size=4) == "16"


def test_a_browser_that_does_not_read_makes_nothing_grow(server: Server):
    """A lab that sends a megabyte a frame, and a client whose socket stands still."""
    with sockets.socket() as raw:
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        raw.sendall(
            b"GET /labs/demo/large HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 101")
        play = b'{"do":"play"}'
        raw.sendall(bytes([0x81, 0x80 | len(play), 0, 0, 0, 0]) + play)
        wait(lambda: any(seat.worker and seat.worker.warm for seat in server.pool.seats))
        (seat,) = server.pool.seats
        taken: list[int] = []
        put = seat.outbox.put

        def count(word: str, said: str) -> None:
            taken.append(len(said))
            put(word, said)

        wait(lambda: seat.worker is not None)
        seat.worker.listener = count
        wait(lambda: len(taken) > 5)
        before = psutil.Process().memory_info().rss
        wait(lambda: len(taken) > 45)
        grown = psutil.Process().memory_info().rss - before
        assert sum(taken) > 30e6 and grown < 15e6, f"{sum(taken) / 1e6:.0f} MB came, {grown / 1e6:.0f} MB more"
        assert len(seat.outbox.waiting) <= 4
    wait(lambda: seat not in server.pool.seats)


def test_of_each_kind_the_newest_waits():
    async def run() -> list[str]:
        outbox = Outbox()
        for number in range(100):
            outbox.put("views", f"views {number}")
            outbox.put("state", f"state {number}")
        outbox.put("error", "error")
        outbox.put("views", "the last")
        return [await outbox.take() for _ in range(3)]

    assert asyncio.run(run()) == ["state 99", "error", "the last"]


def test_spares_are_started_used_and_replaced_and_all_end_with_the_server():
    pids: list[int] = []

    async def run() -> None:
        pool = Pool({"demo": DEMO}, pause=0.0)
        await pool.start()
        try:
            spare = pool.spares[True]
            while not all(worker.warm for worker in pool.spares.values()):
                await asyncio.sleep(0.01)
            seat: Any = type("Seat", (), {"worker": None})()
            worker = await pool.take(seat, ("demo", "square"), bare=True)
            assert worker is spare and worker.warm
            while True not in pool.spares:
                await asyncio.sleep(0.01)
            assert pool.spares[True] is not spare
            pids.extend(worker.process.pid for worker in pool.workers())
        finally:
            await pool.close()
        assert await pool.take(seat, (), True) is None

    asyncio.run(run())
    assert len(pids) == 3 and not any(psutil.pid_exists(pid) for pid in pids)


def test_a_dead_spare_is_not_given_out():
    async def run() -> None:
        pool = Pool(pause=3600.0)
        pool.spares[True] = dead = await Worker.start(bare=True)
        dead.process.kill()
        await dead.reading
        seat: Any = type("Seat", (), {"worker": None})()
        worker = await pool.take(seat, (), bare=True)
        assert worker is not dead and worker is not None and worker.alive
        await pool.close()

    asyncio.run(run())


def test_a_worker_ends_with_a_server_that_was_killed(tmp_path: Path):
    code = (
        "import asyncio, os, signal\nfrom learnable.web.labs import Worker\n"
        "async def run():\n    worker = await Worker.start(bare=True)\n"
        "    while not worker.warm: await asyncio.sleep(0.01)\n"
        "    print(worker.process.pid, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(run())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid = int(done.stdout)
    wait(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_the_server_does_not_import_torch():
    code = "import sys, learnable.web.labs; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr
