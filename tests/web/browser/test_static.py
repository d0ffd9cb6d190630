"""The course as files on a plain host, below some folder: read, turned, searched, without a server of ours."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from learnable import catalog
from learnable.course import labs
from learnable.course.page import lessons

FOLDER = "some/deep/folder"
LONG = 60_000  # milliseconds
RECORDED = "lenet"  # whose labs are recorded here as the command does it
PLANNED = next(row.stem for row in catalog.topics() if row.stem not in lessons())
PAGES = [
    "index.html",
    "paths/whole-course.html",
    "cheatsheet.html",
    f"topics/{PLANNED}.html",
    *(f"topics/{stem}.html" for stem in lessons()),
]

# The command, but for this: recording every lab takes minutes, so those of the other lessons are recorded at one moment.
SITE = """
import sys
from learnable.cli.main import main
from learnable.course import labs
from learnable.course.labs import compact, find
from learnable.files import write_text
from learnable.web import site

whole, recorded = site._record_lab, sys.argv[1]

def record(stem, name, place):
    if stem == recorded:
        return whole(stem, name, place)
    lab = find(stem, name)
    views = [{"kind": "text", "text": "one moment"}]
    controls = {one.name: [] for one in lab.controls}
    fixed = {one.name: one.default for one in lab.controls}
    write_text(place, compact({"kind": "frames", "controls": controls, "fixed": fixed, "views": views, "moments": [[0]]}))

site._record_lab = record
sys.argv = ["learnable", "site", sys.argv[2]]
main()
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Python's own server of files, that remembers what was asked for."""

    asked: ClassVar[list[str]] = []

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        self.asked.append(f"{getattr(code, 'value', code)} {self.path}")

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the course below a folder of a plain server."""
    root, home = tmp_path_factory.mktemp("host"), tmp_path_factory.mktemp("home")
    out = root / FOLDER
    out.parent.mkdir(parents=True)
    environment = os.environ | {"LEARNABLE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", SITE, RECORDED, str(out)], env=environment, check=True, timeout=900,
                   capture_output=True)  # fmt: skip
    Quiet.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{FOLDER}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def visit(browser: Any, host: str) -> Iterator[Callable[..., Any]]:
    """Opens a page of the host; whatever goes wrong in it, or leaves its folder, fails the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def start(path: str = "index.html", width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.on(
            "console",
            lambda said: said.type == "error" and wrong.append(f"console: {said.text} {said.location.get('url')}"),
        )
        page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
        page.on("websocket", lambda socket: wrong.append(f"socket: {socket.url}"))
        page.on("request", lambda request: request.url.startswith((host, "data:", "blob:", "about:"))
                or wrong.append(f"outside of the folder: {request.url}"))  # fmt: skip
        page.goto(host + path)
        page.wait_for_selector("html[data-ready]")
        page.wait_for_selector("html[data-typeset]")
        return page

    yield start
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_works_without_a_server(visit: Callable[..., Any], path: str) -> None:
    page = visit(path)
    panels = page.locator("[data-panel]")
    for at in range(panels.count()):
        panels.nth(at).scroll_into_view_if_needed()
        page.wait_for_function("panel => panel.dataset.mounted === 'yes'", arg=panels.nth(at).element_handle())
    page.wait_for_load_state("networkidle")
    assert page.locator(".lab-error:not([hidden]), .error:not([hidden])").count() == 0
    assert page.locator(".katex-error, .math.broken").count() == 0
    for width in (380, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, width
    assert page.locator("a[href='/cards'], a[href='/runs'], [data-done]").count() == 0, (
        "what needs the server is not offered"
    )


def test_one_walks_from_page_to_page(visit: Callable[..., Any], host: str) -> None:
    page = visit()
    page.locator('main a[href$="topics/lenet.html"]').first.click()
    page.wait_for_url(f"{host}topics/lenet.html")
    page.locator('a[rel="prev"], a[rel="next"]').first.click()
    page.wait_for_url(f"{host}topics/*.html")
    page.wait_for_selector("html[data-ready]")
    page.locator("header.bar a.name").click()
    page.wait_for_url(f"{host}index.html")


@pytest.mark.parametrize("name", list(labs.labs(RECORDED)))
def test_a_lab_moves_over_what_was_recorded(visit: Callable[..., Any], name: str) -> None:
    page = visit(f"topics/{RECORDED}.html")
    lab = page.locator(f'section[data-panel="lab"][data-name="{name}"]')
    lab.scroll_into_view_if_needed()
    page.wait_for_function(
        "lab => lab.dataset.ready !== undefined && lab.dataset.recorded !== undefined", arg=lab.element_handle()
    )
    assert lab.locator(".lab-stage > *").count() > 0
    seen = set()
    steps = lab.get_by_role("button", name="Step", exact=True)
    knob = lab.locator(".thumbnails button, .segments label")
    for at in range(3):
        before = int(lab.get_attribute("data-n"))
        (steps if steps.count() else knob.nth(at + 1)).click()
        page.wait_for_function("([lab, n]) => Number(lab.dataset.n) > n", arg=[lab.element_handle(), before])
        seen.add(lab.locator(".lab-stage .unseen").first.text_content())
    assert len(seen) == 3, "what is shown does not change"
    if steps.count():
        lab.get_by_role("button", name="Go on").click()
        page.wait_for_function("lab => Number(lab.dataset.frame) > 4", arg=lab.element_handle())
        lab.get_by_role("button", name="Pause").click()


def test_the_search_leads_to_files(visit: Callable[..., Any], host: str) -> None:
    page = visit(f"topics/{RECORDED}.html")
    page.keyboard.press("/")
    page.keyboard.type("autodif")
    page.locator("#hits [role=option]").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{host}topics/autodiff.html*")


def test_colors_and_cards_work_without_a_server(visit: Callable[..., Any]) -> None:
    page = visit(f"topics/{RECORDED}.html", color_scheme="light")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.click("button.colors")
    page.click("button.colors")
    assert page.get_attribute("html", "data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light
    page.reload()
    assert page.get_attribute("html", "data-theme") == "dark"
    cards = page.locator('section[data-panel="cards"]')
    cards.scroll_into_view_if_needed()
    cards.get_by_role("button", name="Show").click()
    cards.locator(".cards-back").wait_for()
    cards.get_by_role("button", name="Next").click()
    cards.locator(".cards-where", has_text="2 of").wait_for()


def test_nothing_was_asked_for_that_is_not_there(visit: Callable[..., Any], host: str) -> None:
    visit().wait_for_load_state("networkidle")
    assert [one for one in Quiet.asked if not one.startswith(("200", "304", "301"))] == []
    assert all(f" /{FOLDER}/" in one for one in Quiet.asked)


def test_the_folder_may_be_moved(host: str, visit: Callable[..., Any], tmp_path: Path) -> None:
    """No page knows where it lies: nothing in it names the host or the folder."""
    page = visit(f"topics/{RECORDED}.html")
    text = page.evaluate("fetch(location.href).then(answer => answer.text())")
    assert FOLDER not in text and "127.0.0.1" not in text
