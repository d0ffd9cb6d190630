"""Labs as a reader meets them: how soon one is there, how soon a control is answered, and what all of it weighs.

The server is a process of its own with the labs' router and its pool, asked over real sockets on this machine.
"""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from websockets.sync.client import connect

BOUNDS = {
    "socket open to first views, seconds": 0.1,
    "control's answer while another lab trains, p95, milliseconds": 50.0,
}
OPENINGS, TURNS = 7, 300
MB = 2**20

SERVER = """
import contextlib, sys
import psutil, uvicorn
from pathlib import Path
from fastapi import FastAPI
from learnable.web import labs

@contextlib.asynccontextmanager
async def lifespan(app):
    async with labs.lifespan(app, {"bench": Path(sys.argv[1])}) as pool:
        pool.parked_seconds = 0.0  # each opening takes the spare, as if another lab had been open before
        yield

app = FastAPI(lifespan=lifespan)
app.include_router(labs.router)

@app.get("/state")
async def state():
    pool, size = app.state.labs, lambda pid: psutil.Process(pid).memory_info().rss
    return {
        "warm": len(pool.spares) == 2 and all(worker.warm for worker in pool.spares.values()),
        "server": size(psutil.Process().pid),
        "workers": [size(seat.worker.process.pid) for seat in pool.seats if seat.worker],
        "torch": "torch" in sys.modules,
    }

server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws_per_message_deflate=False))
config_started = server.startup
async def startup(sockets=None):
    await config_started(sockets)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
server.startup = startup
server.run()
"""


def measure() -> dict[str, float]:
    """Seconds, milliseconds and megabytes."""
    with server() as port:
        openings = []
        for _ in range(OPENINGS):
            wait_for_spare(port)
            begun = time.perf_counter()
            with opened(port, "light") as page:
                views(page)
                openings.append(time.perf_counter() - begun)
        wait_for_spare(port)
        with opened(port, "light") as page:
            views(page)
            alone = [answer(page, number) for number in range(TURNS)]
            with opened(port, "train") as other:
                views(other)
                other.send('{"do":"play"}')
                views(other)
                wait_for_spare(port)
                beside = []
                for number in range(TURNS):
                    beside.append(answer(page, number))
                    with contextlib.suppress(TimeoutError):
                        while True:
                            other.recv(timeout=0)  # as a browser would
                now = state(port)
    return {
        "socket open to first views, seconds": median(openings),
        "socket open to first views, slowest, seconds": max(openings),
        "control's answer, p95, milliseconds": 1000 * quantiles(alone, n=20)[-1],
        "control's answer while another lab trains, p50, milliseconds": 1000 * median(beside),
        "control's answer while another lab trains, p95, milliseconds": 1000 * quantiles(beside, n=20)[-1],
        "memory of the server, MB": now["server"] / MB,
        "memory of a worker, MB": max(now["workers"]) / MB,
    }


@contextlib.contextmanager
def server() -> Iterator[int]:
    """Its port."""
    lesson = Path(__file__).with_name("lesson")
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(lesson)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def state(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/state") as answer:
        said: dict[str, Any] = json.load(answer)
    if said["torch"]:
        raise AssertionError("the server has imported torch")
    return said


def wait_for_spare(port: int) -> None:
    time.sleep(1)  # the pool starts it a moment after the last one was taken
    while not state(port)["warm"]:
        time.sleep(0.1)


def opened(port: int, name: str) -> Any:
    return connect(f"ws://127.0.0.1:{port}/labs/bench/{name}", max_size=2**23, compression=None)


def views(page: Any, n: int | None = None) -> None:
    """Wait for views, those that answer n if it is given."""
    while True:
        message = json.loads(page.recv(timeout=30))
        if "error" in message:
            raise AssertionError(message["error"])
        if "views" in message and n in (None, message.get("n")):
            return


def answer(page: Any, n: int) -> float:
    """Seconds from turning a control to its views; then a breath, as a hand on a slider takes one."""
    begun = time.perf_counter()
    page.send(json.dumps({"set": {"temperature": 0.1 + n / 100}, "n": n}))
    views(page, n)
    seconds = time.perf_counter() - begun
    time.sleep(0.02)
    return seconds


def main() -> None:
    for name, value in measure().items():
        print(f"{name}: {value:.3f}" + (f" (bound {BOUNDS[name]:.3f})" if name in BOUNDS else ""))


if __name__ == "__main__":
    main()
