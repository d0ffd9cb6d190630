from pathlib import Path

import pytest

from learnable import catalog
from learnable.course import page, search
from learnable.errors import CallError


@pytest.fixture(autouse=True)
def lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One lesson of our own."""
    monkeypatch.setattr(page, "folder", lambda stem: tmp_path / stem)
    monkeypatch.setattr(page, "_pages", {})
    folder = tmp_path / "lenet"
    folder.mkdir()
    (folder / "lesson.md").write_text(
        "# LeNet\n\nA window slides.\n\n## Why weights are *shared*\n\nThe same kernel $\\theta$ everywhere, called `zanzibar`.\n\n"
        "::: source learnable.models.vision.lenet:field_padding LeNet\n"
    )
    (folder / "cards.toml").write_text(
        '[[card]]\nid = "one"\nfront = "How large is $n_k$?"\nback = "As large as a wombat."\n'
    )
    return folder


def first(question: str) -> dict:
    return search.search(question)[0]


def test_every_entry_has_its_form_and_leads_somewhere():
    entries = search.index()
    assert {entry["kind"] for entry in entries} == set(search.KINDS)
    stems = {topic.stem for topic in catalog.topics()}
    for entry in entries:
        assert {"stem", "title", "heading", "text", "href", "kind"} <= set(entry)
        assert all(isinstance(value, str) for value in entry.values())
        if entry["stem"]:
            assert entry["stem"] in stems and entry["href"].partition("#")[0] == f"topics/{entry['stem']}"
        else:
            assert entry["href"].startswith(("https://", "http://")) and entry["kind"] == "resource"


@pytest.mark.parametrize("stem", [topic.stem for topic in catalog.topics()])
def test_every_topic_is_found_by_its_title(stem):
    assert stem in [entry["stem"] for entry in search.search(catalog.find(stem).title, 5)]


@pytest.mark.parametrize(
    "question, kind, href",
    [
        ("lenet", "topic", "topics/lenet"),
        ("LENET", "topic", "topics/lenet"),
        ("zanzibar", "section", "topics/lenet#why-weights-are-shared"),
        ("weights shared", "section", "topics/lenet#why-weights-are-shared"),
        ("field_padding", "code", "topics/lenet"),
        ("wombat", "card", "topics/lenet#cards"),
    ],
)
def test_what_is_said_is_found_where_it_is_said(question, kind, href):
    found = first(question)
    assert (found["kind"], found["href"]) == (kind, href)


@pytest.mark.parametrize(
    "typed, stem",
    [("lenett", "lenet"), ("lnet", "lenet"), ("resnte", "resnet"), ("backpropogation", "backpropagation"), ("autodif", "autodiff"),
     ("efficientet", "efficientnet"), ("wasserstien", "wgan"), ("zanzibr", "lenet")],
)  # fmt: skip
def test_a_letter_may_be_wrong_or_missing(typed, stem):
    if stem in {topic.stem for topic in catalog.topics()}:
        assert stem in [entry["stem"] for entry in search.search(typed, 5)]


def test_a_short_word_is_taken_as_it_is():
    assert search.alike("gan", ("gat", "gan", "gang")) == {"gan": 1.0, "gang": 0.5 + 0.3 * 3 / 4}


def test_without_all_words_those_with_most_are_found():
    assert first("wombat large xyzzyxyzzy")["kind"] == "card"
    assert search.search("xyzzyxyzzy") == []


@pytest.mark.parametrize("question", ["", "   ", "?!"])
def test_a_question_has_a_word(question):
    with pytest.raises(CallError, match="expected words"):
        search.search(question)


def test_hostile_questions_are_only_words():
    for question in (
        "'; DROP TABLE pages; --",
        "<script>alert(1)</script>",
        "a" * 5000,
        "\x00\ud800 x",
        "(.a*)+$",
        "word " * 3000,
    ):
        assert isinstance(search.search(question), list)


def test_a_lesson_that_changes_is_found_by_its_new_words(lessons):
    assert search.search("okapi") == []
    (lessons / "lesson.md").write_text("# LeNet\n\n## The okapi\n\nIt eats.\n")
    assert first("okapi")["heading"] == "The okapi"
    made = search._index(search._state())
    assert search._index(search._state()) is made, "kept until a file changes"


def test_a_mistake_in_a_lesson_keeps_the_others_found(lessons):
    (lessons / "lesson.md").write_text("# LeNet\n\n::: mistake\n")
    (lessons / "cards.toml").write_text("[[card")
    assert first("lenet")["kind"] == "topic"


def test_planned_topics_say_so_and_come_later():
    entries = {entry["stem"]: entry for entry in search.index() if entry["kind"] == "topic"}
    assert entries["resnet"]["text"].startswith("planned. ") and not entries["lenet"]["text"].startswith("planned. ")
