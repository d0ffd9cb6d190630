"""Every page of the course: quiet, ours alone, as wide as its screen, open to all readers, in all colors, on paper, by keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from learnable import catalog
from learnable.course import labs
from learnable.course.page import lessons

AXE = Path(__file__).parents[3] / "frontend/node_modules/axe-core/axe.min.js"
LONG = 240_000  # milliseconds for what computes, on a machine that others use
LESSONS = [f"/topics/{stem}" for stem in lessons()]
PLANNED = next(f"/topics/{row.stem}" for row in catalog.topics() if row.stem not in lessons())
PAGES = [
    "/",
    "/paths/whole-course",
    "/cheatsheet",
    "/cards",
    "/runs",
    "/models",
    "/models/resnet",
    "/models/gpt",
    PLANNED,
    "/no/such/page",
    *LESSONS,
]
LABS = [(stem, name) for stem in lessons() if stem in labs.with_labs() for name in labs.labs(stem)]
WIDTHS = (380, 768, 1280, 1920)
BROKEN = """axe.run(document, {resultTypes: ['violations']}).then(result => result.violations.map(rule =>
    rule.id + ': ' + rule.nodes.slice(0, 3).map(node => node.target.join(' ') + ' ' + node.failureSummary).join(' | ')))"""
BEYOND = """() => {
    const clipped = one => one !== document.body && (getComputedStyle(one).overflowX !== "visible" || clipped(one.parentElement));
    return [...document.body.querySelectorAll("*")]
        .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5 && !clipped(one.parentElement))
        .slice(0, 6)
        .map(one => `${one.tagName}.${one.getAttribute("class")}: ${(one.textContent ?? "").trim().slice(0, 40)}`);
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def ready(page: Any) -> Any:
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("html[data-typeset]")
    return page


def alive(page: Any) -> Any:
    """Go through the page from top to bottom, as a reader does; everything in it begins, and all of it succeeds."""
    ready(page)
    panels = page.locator("[data-panel]")
    for at in range(panels.count()):
        panels.nth(at).scroll_into_view_if_needed()
        page.wait_for_function("panel => (panel.dataset.mounted ?? 'loading') !== 'loading'",
                               arg=panels.nth(at).element_handle(), timeout=LONG)  # fmt: skip
        assert panels.nth(at).get_attribute("data-mounted") == "yes"
    return page


def computed(page: Any) -> Any:
    """Wait until every lab of the page has shown something."""
    for lab in page.locator('section[data-panel="lab"]').all():
        lab.scroll_into_view_if_needed()
        page.wait_for_function("lab => lab.dataset.ready !== undefined", arg=lab.element_handle(), timeout=LONG)
    return page


def too_wide(page: Any) -> list[str]:
    """What reaches over the right edge of the window, if the page can be moved sideways once its charts are drawn again."""
    for _ in range(40):
        page.wait_for_timeout(250)
        if page.evaluate(SIDEWAYS) <= 0:
            return []
    return page.evaluate(BEYOND) or ["something"]


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        pytest.skip("needs axe-core: make frontend")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_quiet_fits_every_screen_and_is_open_to_all(
    open_page: Callable[..., Any], axe: str, path: str
) -> None:
    page = open_page(path=path, color_scheme="light")
    page.forgive += ["status of 404"] if path == "/no/such/page" else []
    computed(alive(page))
    assert page.locator(".katex-error, .math.broken, .math:not(.set)").count() == 0
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert too_wide(page) == [], width
    # By the debugger's door, which the page's security policy does not close.
    for colors in ("light", "dark"):
        if colors == "dark":
            page.emulate_media(color_scheme=colors, reduced_motion="reduce")
            page.reload()
            computed(alive(page))
        assert page.evaluate(f"{axe};{BROKEN}") == [], colors
    page.set_viewport_size({"width": 380, "height": 800})
    page.wait_for_timeout(1000)  # charts are drawn again
    assert page.evaluate(BROKEN) == [], "narrow"


@pytest.mark.parametrize("path", LESSONS)
def test_a_lesson_moves_where_motion_is_welcome_and_can_be_printed(open_page: Callable[..., Any], path: str) -> None:
    page = alive(open_page(path=path, reduced_motion="no-preference"))
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})
    assert too_wide(page) == []
    assert not page.is_visible("header.bar") and not page.is_visible("nav.left")
    assert page.is_visible(".lesson > p")
    paper = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()")
    assert paper in ("#fff", "#ffffff", "white")
    assert len(page.pdf(format="A4")) > 20_000
    assert page.locator("details.answer:not([open])").count() == 0, "on paper nobody can unfold an answer"


@pytest.mark.parametrize(("stem", "name"), LABS)
def test_a_lab_opens_and_answers(open_page: Callable[..., Any], stem: str, name: str) -> None:
    page = ready(open_page(path=f"/topics/{stem}"))
    lab = page.locator(f'section[data-panel="lab"][data-name="{name}"]')
    assert lab.count() == 1, "the lesson does not show this lab"
    lab.scroll_into_view_if_needed()
    page.wait_for_function("lab => lab.dataset.ready !== undefined", arg=lab.element_handle(), timeout=LONG)
    page.wait_for_function("lab => Number(lab.dataset.n) > 0", arg=lab.element_handle(), timeout=LONG)
    assert lab.locator(".lab-stage > *").count() > 0
    before = int(lab.get_attribute("data-n"))
    turn(lab)
    page.wait_for_function("([lab, n]) => Number(lab.dataset.n) > n", arg=[lab.element_handle(), before], timeout=LONG)
    assert lab.get_attribute("data-error") is None, lab.locator(".lab-error").inner_text()
    if (step := lab.get_by_role("button", name="Step", exact=True)).count():
        frame = int(lab.get_attribute("data-frame") or 0)
        step.click()
        page.wait_for_function("([lab, frame]) => Number(lab.dataset.frame) > frame || lab.dataset.state === 'ended'",
                               arg=[lab.element_handle(), frame], timeout=LONG)  # fmt: skip
        assert lab.get_attribute("data-error") is None, lab.locator(".lab-error").inner_text()


def turn(lab: Any) -> None:
    """Change the first of its controls, as its kind allows."""
    knob = lab.locator(".lab-controls .knob").first
    kind = next(one for one in knob.get_attribute("class").split() if one.startswith("control-"))
    if kind == "control-slider":
        knob.locator("input").focus()
        at = knob.locator("input")
        at.press("ArrowLeft" if at.input_value() == at.get_attribute("max") else "ArrowRight")
    elif kind == "control-switch":
        knob.locator("input").click()
    elif kind == "control-drawing":
        knob.locator(".thumbnails button").nth(1).click()
    elif kind == "control-text":
        examples = knob.locator("button.example")
        if examples.count():
            text = knob.locator("input, textarea").input_value()
            next(one for one in examples.all() if one.inner_text() != text[:44]).click()
        else:
            knob.locator("input, textarea").press_sequentially("1")
    elif knob.locator("select").count():
        chosen = knob.locator("select")
        chosen.select_option(
            index=(chosen.evaluate("list => list.selectedIndex") + 1) % chosen.locator("option").count()
        )
    else:
        knob.locator("label:has(input:not(:checked))").first.click()


def test_keys_find_a_page_by_a_word_with_a_letter_wrong(page: Any) -> None:
    ready(page)
    page.keyboard.press("/")
    page.wait_for_selector("dialog.search[open]")
    page.keyboard.type("lenett")
    first = page.locator("#hits [role=option]").first
    first.wait_for()
    assert "LeNet" in first.inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url("**/topics/lenet*")
    ready(page)
    assert page.locator("h1").inner_text().startswith("LeNet")


def test_tab_reaches_what_can_be_used(open_page: Callable[..., Any]) -> None:
    page = ready(open_page(path="/topics/lenet"))
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("""(() => { const one = document.activeElement, box = one.getBoundingClientRect();
            return [one.className + ' ' + one.tagName, box.width > 0 && getComputedStyle(one).visibility === 'visible'] })()""")
        )
    names = [name for name, _ in seen]
    assert names[0].startswith("skip"), "the first Tab offers to skip to the text"
    for wanted in ("tool contents", "tool find", "tool colors", "name A"):
        assert any(wanted in name for name in names), wanted
    assert all(shown for _, shown in seen), "the focus goes where nothing is to be seen"
    for knob in ('section[data-name="draw"] .pad', 'section[data-name="draw"] input, section[data-name="draw"] select'):
        place = page.locator(knob).first
        page.locator('section[data-name="draw"]').scroll_into_view_if_needed()
        place.wait_for()
        place.focus()
        assert page.evaluate("document.activeElement.matches(':focus-visible')")


def test_the_skip_link_leads_to_the_text(open_page: Callable[..., Any]) -> None:
    page = ready(open_page(path="/topics/lenet"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'main'")


def test_help_and_colors(page: Any) -> None:
    ready(page)
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open] .keys")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")
    papers = set()
    for _ in range(3):
        page.click("button.colors")
        page.wait_for_timeout(500)  # colors may fade
        papers.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert len(papers) == 2, "light and dark are two colors, and the system's own is one of them"


def test_where_one_was_is_offered_and_found(open_page: Callable[..., Any]) -> None:
    page = ready(open_page(path="/topics/lenet"))
    heading = page.locator(".lesson > h2").nth(3)
    title = heading.evaluate("one => one.firstChild.textContent.trim()")
    with page.expect_response("**/api/progress"):
        heading.evaluate("one => scrollTo(0, one.getBoundingClientRect().top + scrollY - 100)")
        page.wait_for_timeout(5500)  # it is told each five seconds
    page.goto(page.url.partition("/topics")[0] + "/")
    ready(page)
    resume = page.locator(".resume")
    assert "LeNet" in resume.inner_text() and title in resume.inner_text()
    resume.locator("a.button").click()
    page.wait_for_url("**/topics/lenet*")
    ready(page)
    found = page.locator(".lesson > h2", has_text=title)
    page.wait_for_function(
        "one => { const { top } = one.getBoundingClientRect(); return top > -50 && top < innerHeight }",
        arg=found.element_handle(),
    )
    page.goto(page.url.partition("#")[0].partition("?")[0] + "?again")
    ready(page)
    offered = page.locator(".continue-here:not([hidden])")
    offered.wait_for()
    assert title in offered.inner_text()
    offered.locator("a").click()
    page.wait_for_function("scrollY > 300")
