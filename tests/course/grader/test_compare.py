"""Comparing: right answers in any form pass, wrong ones are told in words."""

from typing import Any

import numpy as np
import pytest
import torch

from learnable.course.grader.compare import agrees, difference, same, shown

eye = torch.eye(2)


@pytest.mark.parametrize(("came", "expected"), [
    (1.0, torch.tensor(1.0)), (torch.tensor(1.0), 1.0), ([eye, 1], (eye, 1)), (eye.numpy(), eye), (eye.double(), eye),
    (eye + 1e-6, eye), (torch.tensor(torch.nan), torch.tensor(torch.nan)), ({"a": 1, "more": 2}, {"a": 1}), (None, None),
    (np.float64(2), 2), ("x", "x"), (True, True), (range(3), range(3)),
])  # fmt: skip
def test_right_answers_agree(came: Any, expected: Any) -> None:
    assert difference(came, expected) == ""


@pytest.mark.parametrize(("came", "expected", "words"), [
    (None, eye, "came None; is there a 'return'?"),
    (eye, (eye, eye), "expected a tuple of 2, came a tensor"),
    ((eye,), (eye, eye), "expected a tuple of 2, came a tuple of 1"),
    ((eye, eye), eye, "came a tuple of 2"),
    (eye[0], eye, "expected the shape (2, 2), came (2,)"),
    (eye.bool(), eye, "came a tensor of shape (2, 2), bool"),
    (eye.int(), eye, "int32"),
    (eye + 0.01, eye, "expected\n[1.0  0.0]\n[0.0  1.0]\ncame\n[1.01  0.01]\n[0.01  1.01]"),
    ({"b": 1}, {"a": 1}, "'a' is missing"), ({"a": 2}, {"a": 1}, "at 'a': expected\n1\ncame\n2"), (3, {"a": 1}, "expected a dict with 'a'"),
    (1, True, "expected True, came 1"), ("y", "x", "expected 'x', came 'y'"), ("x", eye, "came the text 'x'"),
    (torch.tensor(torch.nan), torch.tensor(1.0), "came\nnan"),
])  # fmt: skip
def test_wrong_answers_are_told(came: Any, expected: Any, words: str) -> None:
    assert words in difference(came, expected)
    assert not same(came, expected)


def test_a_check_names_the_input_and_large_tensors_are_not_spelled_out() -> None:
    check = agrees("it is one", 2, 1, "nothing")
    assert not check.passed and check.message.startswith("for nothing: expected")
    assert agrees("it is one", 1, 1, "nothing").message == ""
    assert shown(torch.ones(100)) == "a tensor of shape (100,), float32"
    assert shown({"a": [0.123456, 1e-9, 5.0]}) == "{'a': [0.1235, 1e-09, 5.0]}"
