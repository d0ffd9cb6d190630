"""The course in a real browser: one Chromium for all tests, one server of its own for each module, a page that forgives nothing."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

STRICT = os.environ.get("LEARNABLE_STRICT") == "1"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")
START = 60.0  # seconds that a server may take to say its address: the machine may be busy


class Course(NamedTuple):
    """A running course."""

    address: str  # "http://127.0.0.1:PORT"
    token: str
    home: Path
    process: "subprocess.Popen[str]"

    @property
    def door(self) -> str:
        """The address that logs a browser in."""
        return f"{self.address}/?token={self.token}"


def _missing(reason: str) -> None:
    if STRICT:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium. Without one the tests are skipped, and under LEARNABLE_STRICT=1 they fail."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("LEARNABLE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        _missing("needs a Chromium: install it (apt-get install chromium), or name it in LEARNABLE_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """`learnable open` in a process and a home folder of its own."""
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {"LEARNABLE_HOME": str(home), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    errors = home.parent / f"{home.name}-errors.txt"
    with (
        errors.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-m", "learnable", "open", "--no-browser", "--port", "0"], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=os.name == "posix",
        ) as process,
    ):  # fmt: skip
        try:
            line = _first_line(process)
            found = re.search(r"(http://127\.0\.0\.1:\d+)/\S*[?&]token=([\w-]+)", line)
            assert found, f"expected a line with address and token, came {line!r}; errors: {errors.read_text()[-2000:]}"
            yield Course(found[1], found[2], home, process)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_line(process: "subprocess.Popen[str]") -> str:
    """What the server says first, or "" where it says nothing in time."""
    said: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: said.append(process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    reader.join(START)
    return said[0] if said else ""


@pytest.fixture
def open_page(browser: Any, course: Course) -> Iterator[Callable[..., Any]]:
    """Opens a logged-in page: `open_page(width=380, color_scheme="dark")`. At the end each is asked what went wrong in it.

    A console error, an exception of a script, or a request to anywhere but our server fails the test. Expected ones are
    matched by `page.forgive`, a list of parts of messages.
    """
    contexts: list[Any] = []
    pages: list[tuple[Any, list[str]]] = []

    def start(width: int = 1280, height: int = 900, path: str = "/", **options: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height}, **({"reduced_motion": "reduce"} | options)
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        wrong: list[str] = []
        page.forgive = []
        page.wrong = wrong

        def heard(message: Any) -> None:
            if message.type == "error":
                wrong.append(f"console: {message.text} ({message.location.get('url', '')})")

        def asked(request: Any) -> None:
            if not request.url.startswith(
                (course.address, course.address.replace("http", "ws", 1), "data:", "blob:", "about:")
            ):
                wrong.append(f"foreign request: {request.url}")

        page.on("console", heard)
        page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
        page.on("request", asked)
        page.on("websocket", asked)
        pages.append((page, wrong))
        page.goto(f"{course.address}{path}{'&' if '?' in path else '?'}token={course.token}")
        return page

    yield start
    found = [one for page, wrong in pages for one in wrong if not any(part in one for part in page.forgive)]
    for context in contexts:
        context.close()
    assert not found, "\n".join(found)


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    """A logged-in page at the start page, 1280 wide."""
    return open_page()
