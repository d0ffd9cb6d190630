"""A learner's way through one lesson, from the address in the terminal to the card that comes back in two days."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

STEM = "lenet"
LONG = 240_000  # milliseconds for what computes, on a machine that others use
SLIP = "rounded up"  # one of the exercise's own wrong answers, that a learner might give


@pytest.fixture
def told(course: Any) -> Any:
    """What the command line says of the same home, as JSON."""

    def ask(*words: str) -> Any:
        environment = os.environ | {"LEARNABLE_HOME": str(course.home), "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-m", "learnable", *words, "--json"], env=environment, check=True,
                              capture_output=True, text=True, timeout=300)  # fmt: skip
        return json.loads(done.stdout)

    return ask


def panel(page: Any, kind: str, name: str = "") -> Any:
    """One of the lesson's panels, scrolled to and alive."""
    found = page.locator(f'section[data-panel="{kind}"]' + (f'[data-name="{name}"]' if name else "")).first
    found.scroll_into_view_if_needed()
    return found


def answers(lab: Any) -> int:
    """How many changes of its controls a lab has answered."""
    return int(lab.get_attribute("data-n") or 0)


def drag(page: Any, pad: Any, *points: tuple[float, float]) -> None:
    """A stroke of the mouse; points are shares of the pad's sides."""
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def paste(page: Any, editor: Any, text: str) -> None:
    """Put a text in place of all that stands in the editor, as Ctrl-A and Ctrl-V do."""
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    editor.evaluate(
        """(place, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            place.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        text,
    )


def test_a_learners_way(page: Any, course: Any, told: Any) -> None:
    assert "token" not in page.url, "the token stays in the address"
    page.wait_for_selector("html[data-ready]")
    page.locator(f'main a[href="/topics/{STEM}"]').first.click()
    page.wait_for_selector("html[data-typeset]")
    assert page.locator("h1").inner_text().startswith("LeNet")

    read(page)
    play(page)
    train(page)
    solve(page, course)
    remember(page)
    page.locator("button[data-done]").click()
    page.wait_for_selector('button[data-done][aria-pressed="true"]')

    page.locator("header.bar a.name").click()
    page.wait_for_selector("html[data-ready]")
    figures = " ".join(page.locator("dl.figures").inner_text().split())
    assert re.search(r"of \d+ lessons? done 1\b|\b1 of \d+ lessons? done", figures), figures
    assert re.search(r"\b1 run\b|\brun 1\b", figures), figures
    assert "finished" in page.locator("section[aria-labelledby=recent]").inner_text()

    progress, passed = told("progress"), {"output_size", "convolve", "forward"}
    assert [row["stem"] for row in progress["pages"] if row["done"]] == [STEM]
    assert {row["name"] for row in progress["exercises"] if row["stem"] == STEM and row["passed"]} == passed
    assert progress["reviews"] == 2 and progress["cards"] == 2
    assert told("check", STEM)["passed"]
    assert STEM in json.dumps(told("review")), "its other cards are to be learned now that it is read"
    assert [run["status"] for run in told("runs")][:1] == ["finished"]


def read(page: Any) -> None:
    """A symbol of the formula is the same thing in the code."""
    symbol = page.locator('.katex [data-symbol="c1"]').first
    symbol.scroll_into_view_if_needed()
    symbol.hover()
    page.wait_for_selector('pre.code [data-symbol="c1"].lit', state="attached")
    assert page.locator('table.symbols [data-symbol="c1"].lit').count() > 0
    page.mouse.move(2, 2)
    page.wait_for_function("document.querySelectorAll('.lit').length === 0")


def play(page: Any) -> None:
    """Draw a digit; then train with the knobs in hand."""
    lab = panel(page, "lab", "draw")
    lab.locator(":scope[data-ready]").wait_for(timeout=LONG)
    says = lab.locator(".view-bars .unseen").first
    page.wait_for_function("place => /^It says \\d/.test(place.textContent)", arg=says.element_handle())
    before = says.text_content()
    lab.get_by_role("button", name="Clear").click()
    lab.get_by_text("Draw a digit, or take one of the examples").wait_for()
    drag(page, lab.locator(".pad"), (0.5, 0.15), (0.5, 0.85))
    lab.locator(".view-bars .unseen").first.wait_for(state="attached")
    lab.locator(".view-bars .unseen").filter(has_text=re.compile(r"It says \d, with")).first.wait_for(state="attached")
    assert lab.locator(".view-bars .unseen").first.text_content() != before

    lab = panel(page, "lab", "train")
    lab.locator(":scope[data-ready]").wait_for(timeout=LONG)
    lab.get_by_role("button", name="Play", exact=True).click()
    lab.locator(':scope[data-state="playing"]').wait_for()
    page.wait_for_function("lab => Number(lab.dataset.frame) >= 2", arg=lab.element_handle(), timeout=LONG)
    knob = lab.locator('input[name="rate"]')
    knob.focus()
    old = lab.locator("output").first.inner_text()
    knob.press("ArrowRight")
    assert lab.locator("output").first.inner_text() != old
    assert lab.get_attribute("data-state") == "playing", "a knob is turned while it learns"
    lab.get_by_role("button", name="Pause").click()
    lab.locator(':scope[data-state="paused"]').wait_for()
    page.wait_for_timeout(500)  # what was under way when it was paused
    frame = int(lab.get_attribute("data-frame"))
    lab.get_by_role("button", name="Step").click()
    page.wait_for_function(
        "([lab, frame]) => Number(lab.dataset.frame) === frame + 1", arg=[lab.element_handle(), frame]
    )
    lab.get_by_role("button", name="Reset").click()
    lab.locator(':scope[data-state="ready"]').wait_for()
    page.wait_for_function("lab => Number(lab.dataset.frame) === 0", arg=lab.element_handle())


def train(page: Any) -> None:
    """A short training by the form, and what it is good for."""
    run = panel(page, "run")
    run.get_by_text("Settings", exact=True).click()
    steps = run.get_by_label("--steps", exact=True)
    steps.wait_for(timeout=LONG)
    steps.fill("300")
    run.locator(".transport button").first.click()
    run.locator(':scope[data-status="finished"]').wait_for(timeout=LONG)
    run.locator(".run-curves svg").first.wait_for()
    result = run.locator(".run-result")
    result.wait_for()
    assert "accuracy" in result.inner_text()
    assert "settings were changed" in result.inner_text()
    run.get_by_text("Use it: draw, or drop a picture").click()
    drag(page, run.locator(".pad"), (0.3, 0.2), (0.7, 0.2), (0.45, 0.85))
    run.get_by_role("button", name="Ask it").click()
    run.locator(".run-answer").get_by_text(re.compile(r"It says \d")).first.wait_for(timeout=LONG)


def solve(page: Any, course: Any) -> None:
    """Wrong, with the reason; a hint; right."""
    from learnable.course.exercises import find

    exercises = find(STEM)
    first = exercises.parts[0]
    wrong, caught = first.mutants[SLIP]
    box = panel(page, "exercise")
    box.locator(":scope[data-ready]").wait_for(timeout=LONG)
    editor = box.locator(".cm-content").first
    stubs = {part.name: part.stub for part in exercises.parts[1:]}
    paste(page, editor, exercises.text(stubs | {first.name: wrong}, helped=False))
    box.get_by_role("button", name="Check", exact=True).click()
    failed = box.locator("details.check[open]")
    failed.wait_for(timeout=LONG)
    assert failed.locator("summary").inner_text().strip() == caught
    message = failed.locator(".message").inner_text()
    assert re.search(r"\d", message), f"the message brings no example: {message}"
    assert "failed" in box.locator(".status").first.inner_text()

    box.get_by_role("button", name=re.compile("^Hint 1")).click()
    box.locator(".hints li").first.wait_for()

    paste(page, editor, exercises.text({}))
    box.get_by_role("button", name="Check all parts").click()
    box.locator(".status").first.get_by_text(re.compile("All right")).wait_for(timeout=LONG)
    box.get_by_role("tab", name=re.compile(f"{first.name}.*passed")).wait_for()
    assert (course.home / "exercises" / f"{STEM}.py").read_text() == exercises.text({})


def remember(page: Any) -> None:
    """Two cards: one by mouse, one by keys."""
    cards = panel(page, "cards")
    cards.locator(":scope[data-ready]").wait_for()
    front = cards.locator(".cards-front").inner_text()
    cards.get_by_role("button", name=re.compile("^Show")).click()
    cards.locator(".cards-back").wait_for()
    good = cards.locator('[data-rating="3"]')
    assert re.search(r"\d", good.inner_text()), "it does not say when it comes back"
    good.click()
    page.wait_for_function("([box, old]) => box.querySelector('.cards-front')?.innerText !== old && "
                           "box.querySelector('.cards-show')", arg=[cards.element_handle(), front])  # fmt: skip
    page.keyboard.press("Space")
    cards.locator(".cards-back").wait_for()
    page.keyboard.press("2")
    cards.locator(".cards-where", has_text=re.compile("^3 of")).wait_for()
