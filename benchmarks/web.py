"""The course as a reader meets it: how soon a page is there, how soon it is seen, and what fifty readers at once do to it.

The server is `learnable open` itself, guard and all, asked over real sockets on this machine.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from statistics import median, quantiles
from typing import NamedTuple

BOUNDS = {
    "reading page, p50, milliseconds": 30.0,
    "first contentful paint, p50, seconds": 0.3,
    "fifty readers: errors": 0.0,
}
TURNS, VISITS, READERS, PAGES_EACH = 60, 7, 50, 6
MB = 1e6
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Server(NamedTuple):
    """A course that runs."""

    port: int
    token: str
    cookie: str
    process: "subprocess.Popen[str]"


def measure() -> dict[str, float]:
    """Milliseconds, seconds, megabytes."""
    with served() as server:
        lessons = [f"/topics/{stem}" for stem in standing()]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for path in 2 * [*lessons, "/"]:
            asked(connection, server, path)
        first = resident(server)
        before = worked(server)
        alone = [asked(connection, server, lessons[turn % len(lessons)]) for turn in range(TURNS)]
        work = (worked(server) - before) / TURNS
        start = [asked(connection, server, "/") for _ in range(TURNS // 2)]
        connection.close()
        together, errors = crowd(server, lessons)
        full = resident(server)
        paints = painted(server, lessons)
    values = {
        "reading page, p50, milliseconds": 1000 * median(alone),
        "reading page, p95, milliseconds": 1000 * quantiles(alone, n=20)[-1],
        "reading page, processor time of the server, milliseconds": 1000 * work,
        "start page, p50, milliseconds": 1000 * median(start),
        "fifty readers: errors": float(len(errors)),
        "fifty readers: page, p50, milliseconds": 1000 * median(together),
        "fifty readers: page, p95, milliseconds": 1000 * quantiles(together, n=20)[-1],
        "memory of the server, MB": first / MB,
        "memory of the server after fifty readers, MB": full / MB,
    }
    for error in sorted(set(errors))[:3]:
        print(f"  {error}", file=sys.stderr)
    if paints:
        values["first contentful paint, p50, seconds"] = median(paints) / 1000
        values["first contentful paint, slowest, seconds"] = max(paints) / 1000
    return values


def standing() -> tuple[str, ...]:
    from learnable.course.page import lessons

    return lessons()


@contextlib.contextmanager
def served() -> Iterator[Server]:
    """`learnable open` in an empty home."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "learnable", "open", "--no-browser", "--port", "0"], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, env=os.environ | {"LEARNABLE_HOME": home, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        try:
            found = re.search(r":(\d+)/\?token=(\S+)", process.stdout.readline())
            assert found is not None, "the course did not say where it is"
            port, token = int(found[1]), found[2]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", f"/?token={token}")
            cookie = (connection.getresponse().getheader("set-cookie") or "").partition(";")[0]
            connection.close()
            yield Server(port, token, cookie, process)
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def asked(connection: http.client.HTTPConnection, server: Server, path: str) -> float:
    """Seconds from the question to the last byte."""
    begun = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": server.cookie, "Accept": "text/html"})
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - begun
    if answer.status != 200 or not body.rstrip().endswith(b"</html>"):
        raise AssertionError(f"{path}: {answer.status}, {len(body)} bytes")
    return seconds


def crowd(server: Server, paths: list[str]) -> tuple[list[float], list[str]]:
    """Fifty readers who all begin at the same moment and read several pages each, one after the other."""
    times: list[float] = []
    errors: list[str] = []
    gate = threading.Barrier(READERS)

    def read(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        gate.wait()
        for turn in range(PAGES_EACH):
            try:
                times.append(asked(connection, server, paths[(number + turn) % len(paths)]))
            except (OSError, http.client.HTTPException, AssertionError) as error:
                errors.append(f"{type(error).__name__}: {error}")
                connection.close()
        connection.close()

    readers = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return times, errors


def painted(server: Server, paths: list[str]) -> list[float]:
    """Milliseconds to the first text that is seen, each time in a browser that has never been here."""
    path = os.environ.get("LEARNABLE_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        print("  the first paint is not measured: there is no Chromium, or no playwright", file=sys.stderr)
        return []
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
        )
        for visit in range(VISITS + 1):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{server.port}{paths[visit % len(paths)]}?token={server.token}")
            said = None
            while not said:  # the page's policy lets Playwright wait for no string of JavaScript
                said = page.evaluate("JSON.stringify(performance.getEntriesByName('first-contentful-paint')[0])")
            found.append(float(json.loads(said)["startTime"]))
            context.close()
        browser.close()
    return found[1:]  # the first one warms the browser itself


def resident(server: Server) -> float:
    """Bytes of the server's own process; what computes has processes of its own."""
    import psutil  # type: ignore[import-untyped]

    return float(psutil.Process(server.process.pid).memory_info().rss)


def worked(server: Server) -> float:
    """Seconds that a processor has worked for the server: what a busy machine does not change."""
    import psutil

    times = psutil.Process(server.process.pid).cpu_times()
    return float(times.user + times.system)


def main() -> None:
    for name, value in measure().items():
        print(f"{name}: {value:.3f}" + (f" (bound {BOUNDS[name]:.3f})" if name in BOUNDS else ""))


if __name__ == "__main__":
    main()
