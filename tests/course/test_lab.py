"""Controls: what they take, what they refuse, and their ends."""

import json

import pytest

from learnable.course.lab import Choice, Drawing, Lab, Slider, Switch, TextField
from learnable.errors import CallError

SLIDER = Slider("rate", "Rate", 0.1, 3.0, 1.0, log=True)
WHOLE = Slider("heads", "Heads", 1, 8, 2, step=1)
TEXT = TextField("text", "Text", "hello", limit=5)
CHOICE = Choice("layer", "Layer", ("a", "b"), "a")
PAD = Drawing("digit", "Digit", size=2)


@pytest.mark.parametrize(
    ("control", "value", "taken"),
    [(SLIDER, 3, 3.0), (SLIDER, 0.1, 0.1), (WHOLE, 3.0, 3), (TEXT, "abcde", "abcde"), (CHOICE, "b", "b"), (Switch("s", "S"), True, True),
     (PAD, [[0, 1], [0.5, 0]], [[0.0, 1.0], [0.5, 0.0]]), (PAD, [], [[0.0, 0.0], [0.0, 0.0]])],
)  # fmt: skip
def test_values_are_taken(control, value, taken):
    came = control.check(value)
    assert came == taken and type(came) is type(taken)


@pytest.mark.parametrize(
    ("control", "value"),
    [(SLIDER, 3.1), (SLIDER, "1"), (SLIDER, None), (SLIDER, True), (SLIDER, float("nan")), (SLIDER, float("inf")),
     (WHOLE, 0), (TEXT, "abcdef"),
     (TEXT, 5), (CHOICE, "c"), (CHOICE, ["a"]), (Switch("s", "S"), 1), (PAD, [[0, 1]]), (PAD, [[0, 2], [0, 0]]), (PAD, [[0, "x"], [0, 0]]),
     (PAD, [[0, float("nan")], [0, 0]]), (PAD, "ab"), (PAD, [[True, 0], [0, 0]])],
)  # fmt: skip
def test_values_are_refused_in_words(control, value):
    with pytest.raises(CallError, match="expected"):
        control.check(value)


def test_a_lab_refuses_unknown_controls_and_says_what_there_is():
    lab = Lab(title="t", controls=(SLIDER, CHOICE), show=lambda state, **values: [])
    assert lab.defaults() == {"rate": 1.0, "layer": "a"}
    assert lab.check({"layer": "b"}) == {"layer": "b"}
    with pytest.raises(CallError, match="rate, layer"):
        lab.check({"color": 1})
    json.dumps(lab.to_json())


def test_ends_are_values_that_the_control_takes():
    for control in (SLIDER, WHOLE, TEXT, CHOICE, PAD, Switch("s", "S")):
        for value in control.ends():
            control.check(value)
