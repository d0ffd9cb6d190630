"""What goes wrong around a page: it is closed, opened twice, its server ends, its worker dies, its file changes elsewhere."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LESSON = "/topics/lenet"
LONG = 240_000  # milliseconds for what computes, on a machine that others use


def panel(page: Any, kind: str, name: str = "") -> Any:
    """One of the lesson's panels, scrolled to."""
    page.wait_for_selector("html[data-ready]")
    found = page.locator(f'section[data-panel="{kind}"]' + (f'[data-name="{name}"]' if name else "")).first
    found.scroll_into_view_if_needed()
    return found


def drawn(page: Any, name: str = "draw") -> Any:
    """A lab that has shown something and owes nothing."""
    lab = panel(page, "lab", name)
    page.wait_for_function("lab => Number(lab.dataset.n) > 0", arg=lab.element_handle(), timeout=LONG)
    return lab


def answers(page: Any, lab: Any, example: int, expected: str = "") -> str:
    """Take one of the examples; what the lab says when it has come to rest, or as soon as it says what is expected."""
    before = int(lab.get_attribute("data-n"))
    lab.locator(".thumbnails button").nth(example).click()
    page.wait_for_function("([lab, n]) => Number(lab.dataset.n) > n", arg=[lab.element_handle(), before], timeout=LONG)
    says = lab.locator(".view-bars .unseen").first
    if expected:
        page.wait_for_function(
            "([says, expected]) => says.textContent === expected", arg=[says.element_handle(), expected], timeout=LONG
        )
        return expected
    at = ""
    while at != (at := lab.get_attribute("data-n") or ""):
        page.wait_for_timeout(1500)
    return says.text_content() or ""


def post(page: Any, path: str) -> Any:
    return page.evaluate("path => fetch(path, {method: 'POST', body: '{}', headers: {'content-type': 'application/json'}})"
                         ".then(answer => answer.json())", path)  # fmt: skip


def test_a_run_goes_on_when_its_page_is_closed_and_is_found_again(open_page: Callable[..., Any]) -> None:
    page = open_page(path=LESSON)
    run = panel(page, "run")
    run.get_by_text("Settings", exact=True).click()
    run.get_by_label("--steps", exact=True).fill("200000", timeout=LONG)
    run.locator(".transport button").first.click()
    run.locator(':scope[data-status="running"]').wait_for(timeout=LONG)
    name = page.evaluate("fetch('/api/runs').then(r => r.json())")["runs"][0]["run"]
    other = open_page(path="/")
    other.forgive.append("409")  # it is stopped twice if all goes well
    try:
        step = step_of(run)
        page.close()
        other.goto(other.url.partition("?")[0].rstrip("/") + LESSON)
        found = panel(other, "run")
        found.locator(':scope[data-status="running"]').wait_for(timeout=LONG)
        assert name in found.locator(".status").first.inner_text()
        other.wait_for_function("([panel, step]) => Number(panel.querySelector('.run-time').textContent.match(/Step ([\\d,\\s]+) of/)"
                                "?.[1].replace(/\\D/g, '')) > step", arg=[found.element_handle(), step], timeout=LONG)  # fmt: skip
        found.locator(".run-curves svg").first.wait_for()
        found.get_by_role("button", name="Stop and save").click()
        found.locator(':scope[data-status="stopped"]').wait_for(timeout=LONG)
        assert found.get_by_role("button", name="Go on").is_visible()
    finally:
        if not other.is_closed():
            post(other, f"/api/runs/{name}/stop")
    other.goto(other.url.partition("/topics")[0] + "/runs")
    other.get_by_text(name.split("/")[1]).first.wait_for()
    assert "stopped" in other.locator("main").inner_text().lower()


def step_of(run: Any) -> int:
    """Where a run is that goes on."""
    line = run.locator(".run-time")
    line.filter(has_text=re.compile("Step")).wait_for(timeout=LONG)
    found = re.search(r"Step ([\d,\s\u202f\u00a0]+) of", line.inner_text())
    assert found, line.inner_text()
    return int(re.sub(r"\D", "", found[1]))


def test_two_tabs_on_one_lab_answer_each_its_own(open_page: Callable[..., Any]) -> None:
    first = open_page(path=LESSON)
    here = drawn(first)
    second = first.context.new_page()
    second.goto(first.url.partition("?")[0])
    there = drawn(second)
    zero = answers(first, here, 2)
    one = answers(second, there, 3)
    assert zero != one
    assert here.locator(".view-bars .unseen").first.text_content() == zero
    answers(first, here, 3, one)
    assert here.get_attribute("data-error") is None and there.get_attribute("data-error") is None


def editor_of(page: Any) -> Any:
    box = panel(page, "exercise")
    page.wait_for_function("box => box.dataset.ready !== undefined", arg=box.element_handle(), timeout=LONG)
    return box.locator(".cm-content").first


def at_end(page: Any, editor: Any, words: str) -> None:
    editor.click()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type(words)


def holds(page: Any, editor: Any, words: str) -> None:
    """Wait until the editor shows these words at its end."""
    editor.click()
    page.keyboard.press("ControlOrMeta+End")
    page.wait_for_function(
        "([place, words]) => place.textContent.includes(words)", arg=[editor.element_handle(), words]
    )


def test_a_file_is_one_in_two_tabs_and_on_the_disk(open_page: Callable[..., Any], course: Any) -> None:
    first = open_page(path=LESSON)
    here = editor_of(first)
    second = first.context.new_page()
    second.set_default_timeout(20_000)
    second.goto(first.url.partition("?")[0])
    there = editor_of(second)
    file: Path = course.home / "exercises" / "lenet.py"

    first.bring_to_front()
    at_end(first, here, "# from the first tab")
    first.get_by_text("Saved.", exact=True).wait_for()
    assert file.read_text().rstrip().endswith("# from the first tab")
    second.bring_to_front()
    status = panel(second, "exercise").locator(".status").first
    status.filter(has_text=re.compile("Changed in another|failed|right")).wait_for(timeout=LONG)
    holds(second, there, "# from the first tab")

    file.write_text(file.read_text() + "# from my own editor\n")
    holds(second, there, "# from my own editor")
    first.bring_to_front()
    holds(first, here, "# from my own editor")


@pytest.mark.parametrize("chosen", ["Take the file's", "Keep mine"])
def test_where_both_changed_one_is_asked(open_page: Callable[..., Any], course: Any, chosen: str) -> None:
    page = open_page(path=LESSON)
    page.forgive.append("409")
    editor = editor_of(page)
    box = panel(page, "exercise")
    file: Path = course.home / "exercises" / "lenet.py"
    theirs, mine = f"# theirs: {chosen}", f"# mine: {chosen}"
    at_end(page, editor, mine)
    file.write_text(file.read_text() + theirs + "\n")
    question = box.get_by_role("alert")
    question.get_by_text("Nothing is overwritten until you choose").wait_for(timeout=LONG)
    page.wait_for_timeout(2500)  # longer than the pause after which a change is saved
    assert mine not in file.read_text() and theirs in file.read_text()
    box.get_by_role("button", name=chosen).click()
    question.wait_for(state="detached")
    if chosen == "Keep mine":
        page.get_by_text("Saved.", exact=True).wait_for()
        assert mine in file.read_text() and theirs not in file.read_text()
    else:
        holds(page, editor, theirs)
        assert mine not in editor.inner_text()
        page.keyboard.press("ControlOrMeta+z")
        holds(page, editor, mine)


def test_a_lab_whose_process_dies_says_so_and_begins_again(open_page: Callable[..., Any], course: Any) -> None:
    psutil = pytest.importorskip("psutil")
    page = open_page(path=LESSON)
    lab = drawn(page)
    before = answers(page, lab, 2)
    killed = 0
    for process in psutil.Process(course.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "learnable.course.worker" in process.cmdline():
                process.kill()
                killed += 1
    assert killed
    problem = lab.locator(".lab-error")
    problem.get_by_role("button", name="Start again").wait_for(timeout=LONG)
    assert len(problem.inner_text()) > 20
    problem.get_by_role("button", name="Start again").click()
    problem.wait_for(state="hidden", timeout=LONG)
    page.wait_for_function(
        "lab => lab.dataset.error === undefined && lab.dataset.state === 'ready'",
        arg=lab.element_handle(),
        timeout=LONG,
    )
    answers(page, lab, 3)
    answers(page, lab, 2, before)


def test_a_playing_lab_that_is_left_waits_and_goes_on(open_page: Callable[..., Any]) -> None:
    page = open_page(path=LESSON)
    lab = drawn(page, "train")
    lab.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("lab => Number(lab.dataset.frame) >= 2", arg=lab.element_handle(), timeout=LONG)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("lab => lab.dataset.state === 'paused'", arg=lab.element_handle(), timeout=LONG)
    page.wait_for_timeout(500)
    frame = int(lab.get_attribute("data-frame"))
    page.wait_for_timeout(1500)
    assert int(lab.get_attribute("data-frame")) == frame, "it plays where nobody looks"
    lab.scroll_into_view_if_needed()
    page.wait_for_function(
        "([lab, frame]) => Number(lab.dataset.frame) > frame", arg=[lab.element_handle(), frame], timeout=LONG
    )


@contextlib.contextmanager
def served(home: Path, port: int) -> Iterator[str]:
    """`learnable open` at a port of one's choice; gives the address with the token. Ended as Ctrl-C ends it."""
    environment = os.environ | {"LEARNABLE_HOME": str(home), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "learnable", "open", "--no-browser", "--port", str(port)], env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=os.name == "posix",
    )  # fmt: skip
    said: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: said.append(process.stdout.readline()), daemon=True)
    reader.start()
    reader.join(120)
    try:
        found = re.search(r"http://\S+", said[0] if said else "")
        assert found, f"no address came: {said}"
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def test_a_page_whose_server_ends_says_so_and_finds_the_next_one(browser: Any, tmp_path: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        with served(tmp_path, port) as address:
            page.goto(address.replace("/?", f"{LESSON}?"))
            lab = drawn(page)
            zero = answers(page, lab, 2)
            editor = editor_of(page)
            lab.scroll_into_view_if_needed()
        status = lab.locator(".lab-status")
        status.filter(has_text=re.compile("does not answer|Connecting again")).wait_for()
        status.filter(has_text="Start it again").wait_for(timeout=LONG)
        lab.locator(".thumbnails button").nth(3).click()  # turned meanwhile: it counts
        box = panel(page, "exercise")
        at_end(page, editor, "# written while nobody listened")
        box.get_by_role("alert").filter(has_text="does not answer").wait_for()
        with served(tmp_path, port) as address:
            other = context.new_page()  # as `learnable open` does: a new tab with the new token
            other.goto(address)
            other.wait_for_selector("html[data-ready]")
            page.bring_to_front()
            lab.scroll_into_view_if_needed()
            page.wait_for_function("lab => lab.dataset.away === undefined", arg=lab.element_handle(), timeout=LONG)
            page.wait_for_function("([lab, old]) => { const said = lab.querySelector('.view-bars .unseen')?.textContent;"
                                   " return said && said !== old }", arg=[lab.element_handle(), zero], timeout=LONG)  # fmt: skip
            answers(page, lab, 2, zero)
            box.get_by_role("button", name="Check", exact=True).click()
            box.locator(".status").first.filter(has_text=re.compile("failed|right")).wait_for(timeout=LONG)
            assert "# written while nobody listened" in (tmp_path / "exercises" / "lenet.py").read_text()
    finally:
        context.close()
    assert wrong == []
