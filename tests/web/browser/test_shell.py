"""The frame of all pages: colors, keys, search, narrow screens, symbols tied to code, nothing that a screen reader trips over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parents[3] / "frontend/node_modules/axe-core/axe.min.js"
LESSON = "/topics/lenet"


def ready(page: Any) -> Any:
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("html[data-typeset]")
    return page


@pytest.mark.parametrize("path", ["/", LESSON, "/paths/whole-course", "/cards", "/runs", "/cheatsheet"])
@pytest.mark.parametrize(("width", "colors"), [(1280, "light"), (380, "dark")])
def test_no_page_is_wider_than_its_screen_nor_breaks_a_rule_of_access(
    open_page: Callable[..., Any], path: str, width: int, colors: str
) -> None:
    page = ready(open_page(width=width, path=path, color_scheme=colors))
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    if not AXE.exists():
        pytest.skip("needs axe-core: make frontend")
    # By the debugger's door, which the page's security policy does not close.
    violations = page.evaluate(
        AXE.read_text(encoding="utf-8")
        + ";axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map("
        "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + n.failureSummary).join(' | ')))"
    )
    assert violations == []


def test_the_chosen_colors_stay(page: Any) -> None:
    ready(page)
    page.click("button.colors")
    page.click("button.colors")
    assert page.get_attribute("html", "data-theme") == "dark"
    page.reload()
    assert page.get_attribute("html", "data-theme") == "dark"
    assert page.evaluate("Object.keys(localStorage)") == ["theme"]


def test_search_by_key_with_a_letter_wrong_leads_there(page: Any) -> None:
    ready(page)
    page.keyboard.press("/")
    page.keyboard.type("leent")
    page.wait_for_selector("#hits [role=option]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/topics/lenet*")


def test_formulas_are_set_and_symbols_light_their_twins(open_page: Callable[..., Any]) -> None:
    page = ready(open_page(path=LESSON))
    assert page.locator(".math.broken").count() == 0
    assert page.locator(".math:not(.set)").count() == 0
    page.locator("table.symbols code[data-symbol]").first.focus()
    assert page.locator(".katex [data-symbol].lit").count() > 0
    page.keyboard.press("Escape")


def test_keys_turn_pages_and_leave_fields_alone(open_page: Callable[..., Any]) -> None:
    page = ready(open_page(path=LESSON))
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open] .keys")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")
    before = page.url
    page.keyboard.press("/")
    page.keyboard.type("[")
    assert page.url == before
    assert page.input_value("dialog.search input") == "["


def test_on_a_narrow_screen_the_contents_are_a_drawer(open_page: Callable[..., Any]) -> None:
    page = ready(open_page(width=380, path=LESSON))
    assert not page.is_visible("nav.left")
    page.click("button.contents")
    assert page.is_visible("nav.left")
    page.keyboard.press("Escape")
    assert not page.is_visible("nav.left")


def test_reading_goes_on_where_it_stopped(open_page: Callable[..., Any]) -> None:
    page = ready(open_page(path=LESSON))
    second = page.locator(".lesson > h2").nth(2)
    with page.expect_response("**/api/progress"):
        second.evaluate("h => scrollTo(0, h.getBoundingClientRect().top + scrollY - 100)")
        page.wait_for_timeout(5500)
    page.goto(page.url.partition("?")[0])
    ready(page)
    page.wait_for_selector(".continue-here:not([hidden])")


def test_a_lesson_fits_every_width_and_its_lines_stay_short(open_page: Callable[..., Any]) -> None:
    page = ready(open_page(path=LESSON))
    for width in (380, 560, 699, 700, 820, 1000, 1099, 1100, 1280, 1499, 1500, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        over, text = page.evaluate(
            "[document.documentElement.scrollWidth - innerWidth, document.querySelector('.lesson > p').clientWidth]"
        )
        assert over <= 0, width
        assert text <= 612, f"{width}: lines of {text} px are longer than 72 letters"
