"""Errors as sentences, from whatever the learner's process says."""

import signal
from typing import Any

import pytest

from learnable.course.grader.explain import READS, RUNS, STAYS, WRITTEN, of_end, of_error


@pytest.mark.parametrize(("told", "name", "words"), [
    ({"kind": "NotImplementedError", "text": "yours to write", "line": 3}, WRITTEN, "this part is still to be written"),
    ({"kind": "SyntaxError", "what": "syntax", "text": "invalid", "line": 2, "column": 3, "source": "a b"}, READS, "\n  a b\n    ^"),
    ({"kind": "NameError", "text": "name 'tensr' is not defined", "name": "tensr"}, RUNS, "there is no 'tensr'"),
    ({"kind": "UnboundLocalError", "text": "x"}, RUNS, "is it given a value on every way"),
    ({"kind": "ValueError", "text": "odd", "line": 4, "source": "f(x)"}, RUNS, "ValueError: odd\n\n  line 4: f(x)"),
    ({"kind": "TypeError", "text": "unsupported: 'NoneType' and 'int'"}, RUNS, "Something is None"),
    ({"kind": "TypeError", "text": "f() missing 1 required positional argument"}, RUNS, "Compare the signature"),
    ({"what": "network", "text": "t"}, STAYS, "reached for the network"),
    ({"what": "slow", "text": "computing"}, RUNS, "longer than 2 s of computing"),
    ({"what": "slow", "text": "waiting"}, RUNS, "waited longer than 5 s"),
])  # fmt: skip
def test_errors_are_explained(told: dict[str, Any], name: str, words: str) -> None:
    check, message, _ = of_error(told)
    assert check == name and words in message


@pytest.mark.parametrize("told", [None, 3, [], {"kind": 3, "text": None, "line": "x", "source": 4}, {"line": -1}, {"line": 10**9},
                                  {"what": [], "kind": {}}, {"what": "syntax", "column": 10**9, "source": "a"}])  # fmt: skip
def test_nonsense_from_over_there_is_a_message_too(told: Any) -> None:
    name, message, line = of_error(told)
    assert name and message and 0 <= line < 10**6


def test_the_end_of_a_process_is_explained() -> None:
    assert "status 3" in of_end(3, False)[1]
    assert "2 s of computing" in of_end(-signal.SIGKILL, False)[1]
    assert "Python itself down" in of_end(-signal.SIGSEGV, False)[1]
    assert "printed more than" in of_end(-signal.SIGKILL, True)[1]
    assert "ended by" in of_end(-99, False)[1] and "SIGHUP" in of_end(-signal.SIGHUP, False)[1]
