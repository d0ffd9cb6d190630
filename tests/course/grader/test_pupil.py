"""The learner's process tells errors as plain data, whatever they are."""

import pytest

from learnable.course.grader.confine import Forbidden
from learnable.course.grader.pupil import FILE_NAME, Slow, told
from learnable.course.grader.wire import pack


def error_of(code: str) -> dict[str, object]:
    try:
        exec(compile(code, FILE_NAME, "exec"), {})
    except BaseException as error:
        return told(error)
    raise AssertionError


@pytest.mark.parametrize(("code", "found"), [
    ("x = 1\n1 / 0", {"kind": "ZeroDivisionError", "line": 2}),
    ("def f(:", {"kind": "SyntaxError", "what": "syntax", "line": 1, "source": "def f(:"}),
    ("soft", {"kind": "NameError", "name": "soft"}),
    ("raise MemoryError", {"what": "memory"}),
    ("import errno; raise OSError(errno.EFBIG, '')", {"what": "flood"}),
    ("raise PermissionError(1, '')", {"what": "permission"}),
    ("class E(Exception):\n  def __str__(self): raise SystemExit\nraise E", {"kind": "E", "text": ""}),
])  # fmt: skip
def test_an_error_becomes_data(code: str, found: dict[str, object]) -> None:
    data = error_of(code)
    assert found.items() <= data.items()
    assert pack(data)


def test_what_the_fences_say_is_kept() -> None:
    assert told(Forbidden("network", "no"))["what"] == "network"
    assert told(Slow("computing"))["what"] == "slow"
