"""Comparing what came with what was expected, for the checks of a lesson: any right answer passes, a wrong one is shown."""

from typing import Any

from learnable.course.exercise import Check
from learnable.course.grader.wire import PLAIN, a_kind

RETURN = "; is there a 'return'?"
CLOSE = 1e-4  # relative and absolute: single precision, in whatever order it was summed


def same(came: Any, expected: Any, tolerance: float = CLOSE) -> bool:
    """Whether two values agree: kinds and shapes exactly, numbers nearly; a list may stand for a tuple, a number for a
    tensor without axes, and NaN equals NaN.

    >>> same([1.0, 2.0], (1.0, 2.000001)), same(None, 1.0)
    (True, False)
    """
    return difference(came, expected, tolerance) == ""


def difference(came: Any, expected: Any, tolerance: float = CLOSE) -> str:
    """In words, what is wrong with what came; nothing if it is right."""
    if type(came) is type(expected) and type(expected) in PLAIN and came == expected:
        return ""
    import torch

    if isinstance(expected, dict):
        if not isinstance(came, dict):
            return f"expected a dict with {', '.join(map(repr, expected))}, came {a_kind(came)}"
        missing = [key for key in expected if key not in came]
        if missing:
            return f"{missing[0]!r} is missing"
        return _first((f"at {key!r}: ", came[key], item) for key, item in expected.items())
    if isinstance(expected, list | tuple):
        if not isinstance(came, list | tuple) or len(came) != len(expected):
            return f"expected {a_kind(expected)}, came {a_kind(came)}"
        return _first(
            (f"at [{place}]: ", mine, item) for place, (mine, item) in enumerate(zip(came, expected, strict=True))
        )
    if expected is None or isinstance(expected, str | bool | range | set | frozenset | torch.dtype):
        right = type(came) is type(expected) and came == expected
        return "" if right else f"expected {shown(expected)}, came {shown(came)}"
    try:
        mine, theirs = _numbers(came), _numbers(expected)
    except (TypeError, ValueError, RuntimeError):
        return f"expected {a_kind(expected)}, came {a_kind(came)}" + (RETURN if came is None else "")
    if mine.shape != theirs.shape:
        return f"expected the shape {tuple(theirs.shape)}, came {tuple(mine.shape)}"
    if isinstance(expected, torch.Tensor) and isinstance(came, torch.Tensor):
        kinds = [(tensor.dtype == torch.bool, tensor.is_floating_point()) for tensor in (came, expected)]
        if kinds[0] != kinds[1]:
            return f"expected {a_kind(expected)}, came {a_kind(came)}"
    if torch.allclose(mine, theirs, rtol=tolerance, atol=tolerance, equal_nan=True):
        return ""
    return f"expected\n{shown(expected)}\ncame\n{shown(came)}"


def family(value: Any) -> str:
    """What library a value belongs to, for those who took the wrong one.

    >>> import numpy as np
    >>> family(np.ones(2)), family(3)
    ('a NumPy array', 'the number 3')
    """
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        return "a torch tensor"
    return "a NumPy array" if isinstance(value, np.ndarray) else a_kind(value)


def agrees(name: str, came: Any, expected: Any, given: str = "", tolerance: float = CLOSE) -> Check:
    r"""A check that compares; `given` says for which input, in the learner's words: "q = [1, 0], k = [0, 1]".

    >>> agrees("it adds", 3.0, 4.0, "1.0 and 3.0").message
    'for 1.0 and 3.0: expected\n4.0\ncame\n3.0'
    """
    wrong = difference(came, expected, tolerance)
    return Check(name, not wrong, (f"for {given}: " if given and wrong else "") + wrong)


def shown(value: Any) -> str:
    """A value for people: tensors as rows of numbers with four digits, and not too many of them.

    >>> shown((1, 2.5)), shown(None)
    ('(1, 2.5)', 'None')
    """
    import torch

    if hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "tolist"):
        tensor = torch.as_tensor(value).detach()
        if tensor.numel() > 64:
            return a_kind(value)
        rows = tensor.tolist()
        if tensor.ndim == 2:
            texts = [[_digits(x) for x in row] for row in rows]
            width = max((len(text) for row in texts for text in row), default=0)
            return "\n".join("[" + "  ".join(text.rjust(width) for text in row) + "]" for row in texts)
        return _digits(rows)
    return _digits(value)


def _digits(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_digits, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_digits, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_digits(key)}: {_digits(item)}" for key, item in value.items()) + "}"
    if hasattr(value, "tolist"):
        return shown(value)
    return f"{value:.4g}" if isinstance(value, float) and value != _whole(value) else repr(value)[:400]


def _whole(value: float) -> int | None:
    return int(value) if value - value == 0 and value == int(value) and abs(value) < 1e4 else None


def _numbers(value: Any) -> Any:
    import torch

    if value is None or isinstance(value, str | list | tuple | dict):
        raise TypeError
    return torch.as_tensor(value).detach().to(torch.float64)


def _first(pairs: Any) -> str:
    for place, came, expected in pairs:
        wrong = difference(came, expected)
        if wrong:
            return f"{place}{wrong}"
    return ""
