"""Figures: measured by a function, kept as data."""

import json

import pytest

from learnable.course import figures, page
from learnable.errors import CallError

FILE = """
from learnable.course.figures import Figure
from learnable.course.views import Bars
def one():
    return Figure(views=[Bars(labels=["a"], values=[1 / 3], summary="a third")], caption="see", numbers={"third": 1 / 3})
FIGURES = {"one": one}
"""


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    (tmp_path / "figures.py").write_text(FILE)
    monkeypatch.setattr(figures, "folder", lambda stem: tmp_path)
    return tmp_path


def test_what_is_measured_is_kept_with_its_command(lesson):
    assert figures.draw("lenet") == [lesson / "figures" / "one.json"]
    kept = json.loads((lesson / "figures" / "one.json").read_text())
    assert kept["command"] == "learnable figures lenet one" and kept["numbers"] == {"third": 1 / 3}
    assert kept["views"][0]["values"] == [0.3333333]


def test_an_unknown_figure_and_a_lesson_without_any(lesson, tmp_path):
    with pytest.raises(CallError, match="one"):
        figures.draw("lenet", ["two"])
    (lesson / "figures.py").unlink()
    with pytest.raises(CallError, match="no figures"):
        figures.draw("lenet")


@pytest.mark.parametrize("stem", page.lessons())
def test_every_kept_figure_has_a_function_and_says_what_to_see(stem):
    folder = page.folder(stem)
    known = figures.figures(folder)
    kept = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in (folder / "figures").glob("*.json")}
    assert set(kept) == set(known), "learnable figures STEM writes them"
    for name, figure in kept.items():
        assert figure["caption"] and figure["command"] == f"learnable figures {stem} {name}"
        assert any(view["summary"] for view in figure["views"]), name
        assert len(json.dumps(figure)) < 150_000, name
