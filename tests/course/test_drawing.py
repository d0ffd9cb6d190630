"""Every kind of view can be drawn by matplotlib, at its ends, too."""

import math

import pytest

from learnable.course import drawing
from learnable.course.views import (
    Arrow,
    Axis,
    Bars,
    Cloud,
    Edge,
    Field,
    Graph,
    Heatmap,
    Images,
    Lines,
    Link,
    Mark,
    Node,
    Picture,
    Points,
    Series,
    Surface,
    Table,
    Text,
    Token,
    Tokens,
    View,
)  # fmt: skip

NAN = math.nan
FULL = [
    Lines(series=[Series(name="a", x=[0, 1], y=[1, NAN], low=[0, 0], high=[2, 2], dashed=True)], marks=[Mark(x=0, y=1, label="here")],
          x=Axis(label="steps", log=False), y=Axis(label="loss", log=True)),
    Bars(labels=["a", "b"], values=[1, 2], reference=1.5, reference_label="chance", low=[0, 1], high=[2, 3], highlight=[1]),
    Heatmap(values=[[1, NAN], [-1, 0]], rows=["a", "b"], columns=["c", "d"], scale="diverging", digits=1),
    Images(items=[Picture(pixels=[[0, 1], [1, 0]], label="x"), Picture(pixels=[[[0, 0, 1]]])]),
    Tokens(tokens=[Token(text="a", weight=0.5), Token(text="$b\n")], links=[Link(source=0, target=1, weight=1.0)]),
    Points(clouds=[Cloud(name="a", x=[0], y=[1]), Cloud(name="b", x=[], y=[])]),
    Field(values=[[0, 1], [1, 0]], x=Axis(low=0, high=1), y=Axis(low=0, high=1), contours=[0.5], arrows=[Arrow(x=0, y=0, dx=1, dy=1)]),
    Surface(values=[[0, 1], [1, 0]], x=Axis(low=0, high=1), y=Axis(low=0, high=1), path=[[0, 0, 0], [1, 1, 1]]),
    Graph(nodes=[Node(id="a", label="a", value="1"), Node(id="b", label="b", gradient="2")], edges=[Edge(source="a", target="b")]),
    Table(columns=["a", "b"], rows=[[1, "x"]]),
    Text(text="costs $5", prompt="it ", code=True),
]  # fmt: skip
EMPTY = [
    Lines(series=[]), Lines(series=[Series(name="a", x=[], y=[])]), Bars(labels=[], values=[]), Heatmap(values=[[NAN]]), Images(items=[]),
    Tokens(tokens=[]), Points(clouds=[]), Graph(nodes=[], edges=[]), Table(columns=["a"], rows=[]), Text(text=""),
    Images(items=[Picture(pixels=[[0.0, 0.0]])]),
]  # fmt: skip


@pytest.mark.parametrize("view", FULL + EMPTY, ids=lambda view: view.kind)
def test_it_is_drawn(view):
    assert drawing.draw([view], "title")._repr_png_().startswith(b"\x89PNG")


def test_no_kind_is_forgotten():
    assert {view.kind for view in FULL} == {one.kind for one in View.__subclasses__()} == set(drawing.DRAWERS)


def test_what_is_kept_as_json_is_drawn_likewise_and_told():
    drawn = drawing.draw([Bars(labels=["a"], values=[1], summary="One bar.").to_json()])
    assert repr(drawn) == "One bar."
