"""An exercise: what a learner writes, and how it is known to be right.

A lesson's `exercise.py` holds `EXERCISES`. The solution is a function that has the learner's name for it; its stub has
`_stub` at the end of the name, and each mutant is a wrong answer that people really give. Everything in an `Exercise(...)`
call that is read by the page (name, title, task, hints, why) is a plain string there, and functions are plain names: the server
finds them with `ast` and imports no torch.

`check(f)` receives a proxy of the learner's function, which runs in another process, and yields one `Check` for each
thing that must hold, in teaching order. It stops where going on makes no sense. The learner's own exceptions arrive as
a failing check by themselves: a check need not catch them.

What `f` has besides being called: `f.gradient(*arguments, wrt=0, upstream=None)` (slopes in one argument or, as a tuple,
in several; a module among them gives name -> slope; None where nothing arrives), `f.changed_arguments` (those that the
last call wrote to in place) and `f.attached` (whether its result belongs to a graph). Tensors, arrays, plain data, modules
made of `torch.nn`'s layers and plain functions may be given. `learnable.course.grader.compare` compares and explains:
`agrees(name, came, expected, "the input in words")` is a check, `same(came, expected)` a truth, `shown(value)` a text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Check(NamedTuple):
    """A sentence that is true of a right answer; where it is not, the smallest example with what was expected and what came."""

    name: str
    passed: bool
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One heart of an idea, to be written in 3 to 25 lines."""

    name: str  # of the function, and of the exercise: `check STEM/name`
    title: str
    task: str  # Markdown: what to write and what it is for
    stub: Callable[..., Any]
    solution: Callable[..., Any]
    why: str  # a word on the solution
    hints: Sequence[str]  # from a question to nearly the line
    mutants: Mapping[
        str, tuple[Callable[..., Any], str]
    ]  # what is wrong -> (the wrong answer, the check that must catch it)
    check: Callable[[Any], Iterator[Check]]
    others: Mapping[str, Callable[..., Any]] = field(
        default_factory=dict
    )  # right answers in other forms, which must pass
