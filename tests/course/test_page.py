"""The renderer: every directive, and every mistake of an author."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from learnable import catalog
from learnable.course import page as pages
from learnable.errors import CallError


def made(text: str, tmp_path: Path, stem: str = "lenet") -> pages.Page:
    (tmp_path / "lesson.md").write_text("# Title\n\n" + text, encoding="utf-8")
    return pages.render(stem, tmp_path)


def about(html: str) -> dict:
    found = re.search(r'<script type="application/json">(.*?)</script>', html, re.S)
    assert found is not None
    return json.loads(found.group(1))


def test_maths_is_left_to_the_page_and_cannot_be_markup(tmp_path):
    html = made("It is $a<b$ and\n\n$$\nx \\sym{query}{Q} <script>\n$$\n", tmp_path).html
    assert '<span class="math inline">a&lt;b</span>' in html
    assert re.search(r'<div class="math block" tabindex="0">x \\sym\{query\}\{Q\} &lt;script&gt;</div>', html)


def test_html_in_a_lesson_is_text(tmp_path):
    assert "<script>alert" not in made("<script>alert(1)</script>\n\n<b>x</b>", tmp_path).html


def test_containers_nest(tmp_path):
    html = made("::: predict\nWhat?\n\n::: answer\nThis **one**.\n:::\n\nMore.\n:::\n\nAfter.", tmp_path).html
    assert re.sub(r"\s+", "", html) == re.sub(
        r"\s+", "",
        '<div class="predict"><p class="label">Predict, then try</p><p>What?</p><details class="answer"><summary>Answer</summary>'
        "<p>This <strong>one</strong>.</p></details><p>More.</p></div><p>After.</p>",
    )  # fmt: skip


def test_a_fence_inside_a_container_may_hold_its_sign(tmp_path):
    html = made("::: mistake Forgetting\n```text\n:::\n```\nStill inside.\n:::\n", tmp_path).html
    assert html.index("Still inside") < html.index("</div>\n", html.index("Still inside"))
    assert html.count('<div class="mistake">') == 1


def test_the_minute_is_found(tmp_path):
    assert "Short." in made("::: minute\nShort.\n:::\n\nLong.", tmp_path).one_minute


def test_side_notes_stand_where_they_are_called(tmp_path):
    html = made("Text^[A *note* with $x$.] on.", tmp_path).html
    assert '<span class="sidenote" role="note"><span class="sidenote-mark">1</span> A <em>note</em> with' in html
    assert html.index("sidenote") < html.index(" on.")


def test_symbols_are_tied_to_the_code(tmp_path):
    table = "::: symbols\n$Q$ | queries | query | (tokens, width)\n:::\n\nSee `query` and `key`.\n\n"
    text = table + "::: source learnable.nn.attention:attend\n"
    html = made(text, tmp_path).html
    assert '<tr data-symbol="query">' in html
    assert '<code data-symbol="query">query</code>' in html and "<code>key</code>" in html
    assert '<span class="n" data-symbol="query">query</span>' in html


def test_source_says_where_it_stands_and_is_whole(tmp_path):
    from html import unescape

    from learnable.course.source import find

    html = made("::: source learnable.models.vision.lenet:field_padding size_of_s4\n", tmp_path).html
    assert html.count('data-path="src/learnable/models/vision/lenet.py"') == 2
    code = re.findall(r"<pre class=\"code\"[^>]*><code>(.*?)</code>", html, re.S)
    assert unescape(re.sub(r"<[^>]+>", "", code[0])) == find("learnable.models.vision.lenet:field_padding").text


def test_no_element_of_colored_code_crosses_a_line():
    for line in pages.colored('"""one\ntwo"""\nx = 1 # three\n', "python").split("\n"):
        assert line.count("<span") == line.count("</span>")


def test_headings_have_addresses_even_twice_the_same(tmp_path):
    made_ = made("## A & b\n\none\n\n## A & b\n\ntwo", tmp_path)
    assert [section.id for section in made_.sections] == ["a-b", "a-b-again"]
    assert [section.text for section in made_.sections] == ["one", "two"]
    assert 'id="a-b-again"' in made_.html


def test_panels_carry_what_the_front_end_needs(tmp_path):
    made_ = made("::: run lenet --data mnist\n", tmp_path)
    found = about(made_.html)
    assert found["command"] == "learnable train lenet --data mnist" and found["result"]["data"] == "mnist"
    assert 'data-flags="--data mnist"' in made_.html and made_.panels == ["run:lenet"]


def test_json_in_a_page_cannot_end_its_element():
    assert (
        "</script"
        not in pages.script({"x": "</script><script>"})[len('<script type="application/json">') : -len("</script>")]
    )


def test_results_are_a_table_with_their_command(tmp_path):
    html = made("::: result lenet fastnet:mnist\n", tmp_path).html
    assert "learnable verify fastnet --data mnist --seeds 3" in html and "±" in html


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("::: lab nothing\n", "nothing"),
        ("::: source learnable.nothing:x\n", "learnable.nothing"),
        ("::: source\n", "module:name"),
        ("::: run nothing\n", "no recipe"),
        ("::: result nothing\n", "no committed result"),
        ("::: figure nothing\n", "figures/nothing.json"),
        ("::: sorce x:y\n", "no directive"),
        ("::: predict\nno end\n", "no end"),
        ("::: symbols\n$Q$ | a\n:::\n", "expected '$symbol$"),
        ("::: symbols\n$Q$ | a | b | c\n", "no end"),
        ("::: mistake\nx\n:::\n", "mistake TITLE"),
        ("[[lenet:nothing]]", "measures"),
        ("[[nothing:accuracy]]", "no committed result"),
        ("```klingon\nx\n```\n", "klingon"),
        ("Text[^1].\n\n[^1]: below\n", "side notes"),
    ],
)
def test_a_mistake_in_a_lesson_is_named(text, word, tmp_path):
    if "lab" in text:
        (tmp_path / "lab.py").write_text("LABS = {}\n")
    with pytest.raises(CallError, match=re.escape(word)):
        made(text, tmp_path)


def test_a_lesson_without_title_or_without_file(tmp_path):
    (tmp_path / "lesson.md").write_text("no title\n")
    with pytest.raises(CallError, match="# Title"):
        pages.render("lenet", tmp_path)
    with pytest.raises(CallError, match="not written yet"):
        pages.render("lenet", tmp_path / "nothing")


def test_a_page_is_made_again_when_one_of_its_files_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "folder", lambda stem: tmp_path)
    monkeypatch.setattr(pages, "_pages", {})
    (tmp_path / "lesson.md").write_text("# One\n")
    first = pages.page("lenet")
    assert pages.page("lenet") is first
    (tmp_path / "lesson.md").write_text("# Two\n")
    import os

    os.utime(tmp_path / "lesson.md", ns=(1, 1))
    assert pages.page("lenet").title == "Two"


@pytest.mark.parametrize("stem", pages.lessons())
def test_every_lesson_renders_and_keeps_to_its_form(stem):
    made_ = pages.page(stem)
    assert 600 <= made_.words <= 2600, f"{made_.words} words"
    assert made_.one_minute
    names = [panel.partition(":")[0] for panel in made_.panels]
    assert {"source", "lab", "run", "result", "figure", "exercise", "cards", "resources"} <= set(names)
    assert made_.html.count('class="mistake"') >= 3 and made_.html.count('class="predict"') >= 2
    assert "[[" not in re.sub(r"<(pre|script).*?</\1>", "", made_.html, flags=re.S)


def test_a_lesson_is_about_a_topic_that_stands():
    standing = [topic.stem for topic in catalog.topics() if topic.stands]
    assert [stem for stem in standing if stem in pages.lessons()] == list(pages.lessons())
    assert {"autodiff", "lenet", "self-attention", "gpt", "gan"} <= set(pages.lessons())


@pytest.mark.parametrize("stem", pages.lessons())
def test_the_programs_of_a_lesson_print_what_stands_below_them(stem):
    text = (pages.folder(stem) / "lesson.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```(?:\n+```output\n(.*?)```)?", text, re.S)
    assert blocks
    mark = "#-- end of block --#"
    program = "\n".join(f"{code}\nprint({mark!r})" for code, _ in blocks)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=_quiet())
    assert ran.returncode == 0, ran.stderr[-2000:]
    printed = ran.stdout.split(mark + "\n")
    for (code, output), came in zip(blocks, printed, strict=False):
        assert came.strip() == output.strip(), code


def _quiet() -> dict[str, str]:
    import os

    return {**os.environ, "OMP_NUM_THREADS": "1"}
