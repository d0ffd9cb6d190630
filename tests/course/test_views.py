"""Views are data: everything in them must be what JSON can say."""

import json

import numpy as np
import torch

from learnable.course import views
from learnable.course.views import Axis, Bars, Images, Lines, Picture, Series, plain


def test_arrays_tensors_and_numbers_become_lists_and_numbers():
    view = Lines(
        series=[
            Series(name="a", x=range(2), y=torch.tensor([1.0, float("nan")], requires_grad=True), low=np.float32(0.1))
        ]
    )
    row = json.loads(json.dumps(view.to_json()))
    assert row["kind"] == "lines"
    assert row["series"][0] | {"x": [0, 1], "y": [1.0, None], "low": 0.1} == row["series"][0]


def test_numbers_have_no_more_digits_than_a_picture_shows():
    assert plain(1 / 3) == 0.3333333
    assert Images(items=[Picture(pixels=[[1 / 3]])]).to_json()["items"][0]["pixels"] == [[0.333]]


def test_infinity_and_nan_are_null():
    assert plain([float("inf"), -float("inf"), float("nan"), True, 3, "x", None]) == [
        None,
        None,
        None,
        True,
        3,
        "x",
        None,
    ]


def test_every_kind_has_a_name_of_its_own_and_a_summary():
    kinds = [one.kind for one in views.View.__subclasses__()]
    assert len(set(kinds)) == len(kinds) == 11
    assert Bars(labels=["a"], values=[1], summary="s", y=Axis(label="%")).to_json()["summary"] == "s"
