"""The trusted side: it runs a lesson's checks against the learner's functions, which live in another process.

A check sees a `Learner`: called like the function, it sends the arguments over, waits, and gives back what came. Inputs are
drawn here, after the learner's process has begun, and comparisons happen here; so whoever wants to forge a verdict
must compute the right answers.
"""

import contextlib
import copy
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from learnable.course import lesson
from learnable.course.exercise import Check, Exercise
from learnable.course.grader import explain
from learnable.course.grader.compare import RETURN, difference, family
from learnable.course.grader.confine import BUSY, FILE, TOTAL, WALL, new_folder, remove
from learnable.course.grader.wire import PLAIN, Line, Unreadable, a_kind, pack, visible

OUTPUT = 20_000  # bytes of what the learner's code prints that are shown
MARGIN = 1.5  # seconds: the learner's process notices first, if it can


class Failed(Exception):
    """The learner's code did not get so far as to answer."""

    def __init__(self, name: str, message: str, line: int = 0):
        super().__init__(message)
        self.check = Check(name, False, message)
        self.line = line


class Pupil:
    """The learner's process: how to speak to it, and how to end it with all that it has started."""

    def __init__(self, line: Line, process: int, folder: Path, printed: int, popen: subprocess.Popen | None = None):
        self.line, self.process, self.folder, self.printed, self.popen = line, process, folder, printed, popen
        self.loose: list[str] = []
        self.tried: list[str] = []
        self.status: int | None = None
        self.ended = False
        self.waited = 0.0  # seconds, in all

    def begin(self) -> None:
        """Hear what is not held back: the learner's code has not run yet, so it is true."""
        self.loose = [str(name) for name in self.line.receive(time.monotonic() + 60)["loose"]]

    def ask(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Let it do something, and hear what came of it.

        Raises:
            Failed: it raised an error, it is no more, it did not answer in time, or what it said cannot be read.
        """
        if self.ended:
            raise Failed(explain.RUNS, "it has ended before")
        try:
            answer = self._answer(wish)
            if not isinstance(answer, dict):
                raise Unreadable
        except TimeoutError:
            self.end()
            raise Failed(
                explain.RUNS, f"it took {self.waited:.0f} s in all, and most of them it waited: for what?"
            ) from None
        except (EOFError, BrokenPipeError, ConnectionError):
            alive = not self._gone(0.5)
            flooded = self.flooded
            self.end()
            if alive:
                raise Failed(
                    explain.STAYS, "it closed the line to the examiner; leave open what you have not opened"
                ) from None
            raise Failed(*explain.of_end(self.status or 0, flooded)) from None
        except Unreadable:
            self.end()
            raise Failed(
                explain.STAYS, "what came over the line to the examiner cannot be read; it is not for your code"
            ) from None
        tried = answer.get("tried")
        self.tried = [str(name) for name in tried if str(name) in explain.FORBIDDEN] if isinstance(tried, list) else []
        if "raised" in answer:
            raise Failed(*explain.of_error(answer["raised"]))
        if "unsendable" in answer:
            raise Failed(explain.ANSWERS, f"expected numbers, came {str(answer['unsendable'])[:200]}")
        return answer

    def _answer(self, wish: Mapping[str, Any]) -> Any:
        """Its answer, if all of them together come in time; on a busy machine whoever computes may take longer.

        Raises:
            TimeoutError: the time is over, in one call or in all.
        """
        begun = time.monotonic()
        data = pack(wish)
        try:
            self.line.put(data, begun + max(0.0, TOTAL - self.waited))
            for patience in (TOTAL, BUSY * WALL):
                try:
                    return self.line.receive(begun + max(0.0, patience + MARGIN - self.waited))
                except TimeoutError:
                    # A frame that has begun to come is not begun again: its rest is not the length of another.
                    if patience == BUSY * WALL or self.line.begun or self._computed() < patience / 10:
                        raise
        finally:
            self.waited += time.monotonic() - begun

    def _computed(self) -> float:
        """Seconds that it has computed, by the system's account, not its own."""
        try:
            fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # not Linux, or gone
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def flooded(self) -> bool:
        return os.fstat(self.printed).st_size >= FILE

    def output(self) -> str:
        os.lseek(self.printed, 0, os.SEEK_SET)
        data = os.read(self.printed, OUTPUT + 1)
        return data[:OUTPUT].decode(errors="replace") + ("\n… and more" if len(data) > OUTPUT else "")

    def _gone(self, patience: float) -> bool:
        until = time.monotonic() + patience
        while self.status is None and time.monotonic() < until:
            self._collect(os.WNOHANG if hasattr(os, "WNOHANG") else 0)
            if self.status is None:
                time.sleep(0.002)
        return self.status is not None

    def _collect(self, how: int) -> None:
        if self.popen is not None:
            self.status = self.popen.poll() if how else self.popen.wait()
            return
        with contextlib.suppress(ChildProcessError):
            process, status = os.waitpid(self.process, how)
            if process:
                self.status = os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """End it, and whatever it has started in its group."""
        if self.ended:
            return
        self.ended = True
        if self.popen is not None and os.name == "nt":
            self.popen.kill()
        else:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(self.process, signal.SIGKILL)
        if self.popen is not None:
            self._collect(0)  # a fork is collected by `zygote`, when the verdict is on its way
        with contextlib.suppress(OSError):
            self.line.close()
        remove(self.folder)


class Learner:
    """The learner's function, as a check sees it.

    Attributes:
        attached: whether the last result belongs to a graph, so that slopes can go back through it.
        changed_arguments: which arguments the last call wrote to in place, by place or name.
    """

    def __init__(self, pupil: Pupil, name: str):
        self._pupil = pupil
        self.__name__ = name
        self.attached = False
        self.changed_arguments: tuple[int | str, ...] = ()
        self._last: tuple[tuple, dict, Any] | None = None
        self._sloped = False  # whether the last wish was for slopes

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it. What comes back is a copy: its own tensors stay where they are."""
        before = _kept((visible(list(arguments)), visible(keywords)))
        self._last, self._sloped = (arguments, keywords, "nothing"), False
        answer = self._pupil.ask({"call": self.__name__, "arguments": list(arguments), "keywords": keywords})
        self.attached = answer.get("attached") is True
        after = (answer.get("arguments"), answer.get("keywords"))
        self.changed_arguments = _changed(before[0], after[0]) + _changed(before[1], after[1])
        result = _as_asked(answer.get("result"), [*arguments, *keywords.values()])
        self._last = (arguments, keywords, result)
        return result

    def gradient(self, *arguments: Any, wrt: Any = 0, upstream: Any = None, **keywords: Any) -> Any:
        """Slopes of the sum of its result in some of its arguments.

        Args:
            wrt: place or name of an argument, or several: a tensor, or a module, whose slopes come as name -> slope.
            upstream: weights of the result's entries in that sum, of the result's shape, or one for each of its tensors.

        Returns:
            As `wrt` is: one, or a tuple. None wherever nothing arrives.
        """
        several = isinstance(wrt, tuple | list)
        places = list(wrt) if several else [wrt]
        weights = upstream if upstream is None or isinstance(upstream, tuple | list) else [upstream]
        self._last, self._sloped = (arguments, keywords, "nothing"), True
        answer = self._pupil.ask({"gradient": self.__name__, "arguments": list(arguments), "keywords": keywords, "wrt": places,
                                  "upstream": weights})  # fmt: skip
        self.attached = answer.get("attached") is True
        slopes = answer.get("slopes")
        self._last = (arguments, keywords, answer.get("result"))
        if not isinstance(slopes, list) or len(slopes) != len(places):
            raise Failed(
                explain.STAYS, "what came over the line to the examiner cannot be read; it is not for your code"
            )
        return tuple(slopes) if several else slopes[0]


def gradient(f: Learner, *arguments: Any, wrt: Any = 0, upstream: Any = None, **keywords: Any) -> Any:
    """`f.gradient(...)`, for those who would rather read it so."""
    return f.gradient(*arguments, wrt=wrt, upstream=upstream, **keywords)


def _as_asked(result: Any, given: Sequence[Any]) -> Any:
    """A right answer in another precision is right: numbers in the precision of what was given, whole numbers as Python's.

    From floats of one kind floats of that kind are expected, and from plain numbers a plain number. What is none
    of these stays as it came.
    """
    import numpy as np
    import torch

    kinds = {tensor.dtype for tensor in _tensors(given) if tensor.is_floating_point()}
    kind = kinds.pop() if len(kinds) == 1 else None
    plain = all(isinstance(item, bool | int | float | str | None) for item in given)

    def fitted(value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        if isinstance(value, np.integer | np.bool_):
            return value.item()
        if plain and isinstance(value, torch.Tensor | np.ndarray | np.generic) and value.ndim == 0:
            return value.item()
        if isinstance(value, torch.Tensor):
            return value.to(kind) if kind is not None and value.is_floating_point() else value
        if type(value) is dict:
            return {key: fitted(item) for key, item in value.items()}
        if type(value) in (tuple, list):
            return type(value)([item if type(item) in PLAIN else fitted(item) for item in value])
        return value

    return fitted(result)


def _tensors(value: Any) -> Iterator[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, torch.nn.Module):
        yield from value.parameters()
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            if type(item) not in PLAIN:
                yield from _tensors(item)


def _changed(before: Any, after: Any) -> tuple[int | str, ...]:
    pairs: Any = []
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
    elif isinstance(before, dict) and isinstance(after, dict):
        pairs = ((name, (value, after.get(name))) for name, value in before.items())
    return tuple(place for place, (was, now) in pairs if _differ(was, now))


def _kept(value: Any) -> Any:
    """A copy of what `visible` gives, quick where there is much of it that cannot change."""
    if type(value) in PLAIN:
        return value
    if type(value) in (list, tuple):
        return type(value)([item if type(item) in PLAIN else _kept(item) for item in value])
    if type(value) is dict:
        return {key: _kept(item) for key, item in value.items()}
    return copy.deepcopy(value)


def _equal(one: Any, other: Any) -> bool:
    """Whether plain data is the same; of anything else it is not known."""
    if type(one) is not type(other):
        return False
    if type(one) in PLAIN:
        return bool(one == other)
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is dict and one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)


def _differ(was: Any, now: Any) -> bool:
    try:
        return not _equal(was, now) and bool(difference(now, was, 0.0))
    except Exception:  # what comes from over there may be anything
        return True


# ------------------------------------------------------------------------------------------------- the verdict


def examine(request: Mapping[str, Any], start: Callable[[], Pupil]) -> dict[str, Any]:
    """Check some parts of a topic; a learner's process of its own for each, all of them begun before the solutions are read.

    Args:
        request: "folder" of the lesson, "text" of the learner's file, "names" of the parts to check, "all" their names,
            "imports" that a function given by source may use.
    """
    names: Sequence[str] = request["names"]
    pupils = [start() for _ in names]
    try:
        _unpredictable()
        exercises = load(Path(request["folder"]))
        rows: list[dict[str, Any]] = []
        output, loose = "", set()
        for name, pupil in zip(names, pupils, strict=True):
            pupil.begin()
            loose.update(pupil.loose)
            checks, line, whole = _examine_one(exercises[name], pupil, request)
            rows += [{"name": check.name, "passed": bool(check.passed), "message": "" if check.passed else str(check.message),
                      "exercise": "" if whole else name, "line": 0 if check.passed else line} for check in checks]  # fmt: skip
            output += pupil.output()
            pupil.end()
            if whole:  # the file itself cannot be run: no other part can be
                break
        return {"passed": bool(rows) and all(row["passed"] for row in rows), "checks": rows, "output": output[: 2 * OUTPUT],
                "not_held_back": sorted(loose)}  # fmt: skip
    finally:
        for pupil in pupils:
            pupil.end()


def _examine_one(exercise: Exercise, pupil: Pupil, request: Mapping[str, Any]) -> tuple[list[Check], int, bool]:
    """The checks of one part; the line of the learner's file that failed; whether the whole file did."""
    checks: list[Check] = []
    line, whole = 0, True
    learner = Learner(pupil, exercise.name)
    try:
        try:
            wish = {"load": request["text"], "imports": request["imports"], "names": [exercise.name]}
            loaded = pupil.ask(wish).get("loaded")
        except Failed as failed:
            if failed.check.name == explain.WRITTEN:  # a `raise` that slipped out of its function
                raise Failed(
                    explain.RUNS, "the file itself raises NotImplementedError: is a line not indented?", failed.line
                ) from None
            raise
        whole = False
        kind = loaded.get(exercise.name) if isinstance(loaded, dict) else None
        if kind is None:
            raise Failed(
                explain.WRITTEN, f"there is no function '{exercise.name}' in the file; keep the name of the stub"
            )
        if kind is not True:
            raise Failed(explain.WRITTEN, f"expected a function '{exercise.name}', came {str(kind)[:100]}")
        for check in exercise.check(learner):  # one by one: those before an error are kept
            checks += [Check(str(check.name), bool(check.passed), _true(str(check.message), exercise, learner))]
    except Failed as failed:
        checks.append(failed.check)
        line = failed.line
    except Exception as error:
        checks.append(Check(explain.ANSWERS, False, _explained(error, exercise, learner)))
    if pupil.flooded and all(check.passed for check in checks):
        checks.append(Check(*_joined(explain.of_end(0, True))))
    for name in pupil.tried:
        if all(check.name != explain.STAYS for check in checks):
            checks.append(Check(explain.STAYS, False, explain.FORBIDDEN[name]))
    return checks, line, whole


def _joined(pair: tuple[str, str]) -> tuple[str, bool, str]:
    return pair[0], False, pair[1]


def _true(message: str, exercise: Exercise, learner: Learner) -> str:
    """The message without a question that cannot be meant: something was returned, but a check made None of it."""
    if not message.endswith(RETURN) or learner._last is None or learner._last[2] is None:
        return message
    if learner._sloped:
        return (
            message.removesuffix(RETURN) + ": no slope arrives there (.detach(), .item(), no_grad or NumPy on the way?)"
        )
    arguments, keywords, came = learner._last
    try:
        expected = exercise.solution(*arguments, **keywords)
    except Exception:
        return message.removesuffix(RETURN)
    if family(came) != family(expected):
        return f"expected {family(expected)}, came {family(came)}"
    return message.removesuffix(RETURN)


def _explained(error: Exception, exercise: Exercise, learner: Learner) -> str:
    """Why a check could not go on with what came: the solution, given the same, says what should have come."""
    if learner._last is not None:
        arguments, keywords, came = learner._last
        try:
            expected = exercise.solution(*arguments, **keywords)
        except Exception:
            expected = None
        wrong = "" if expected is None else difference(came, expected)
        if wrong:
            return wrong
        kinds = [str(getattr(value, "dtype", "")).removeprefix("torch.") for value in (expected, came)]
        if all(kinds) and kinds[0] != kinds[1]:
            return f"expected {kinds[0]}, came {kinds[1]}"
        if expected is not None and came is not None and family(came) != family(expected):
            return f"expected {family(expected)}, came {family(came)}"
        if came is None:
            return "expected an answer, came None; is there a 'return'?"
        return f"the check could not go on with {a_kind(came)} ({type(error).__name__}: {str(error)[:300]})"
    return f"the check itself is at fault, not you ({type(error).__name__}: {str(error)[:300]})"


def load(folder: Path) -> dict[str, Exercise]:
    """A lesson's exercises by name."""
    sys.dont_write_bytecode = True  # what is hidden from the learner's code leaves no copy
    return {exercise.name: exercise for exercise in lesson.load(folder / "exercise.py").EXERCISES}


def _unpredictable() -> None:
    """Seed this process's generators with what the learner's process, forked before, cannot know."""
    import numpy as np
    import torch

    seed = int.from_bytes(os.urandom(8), "little")
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  a lesson's checks may draw from it
    random.seed(seed)


__all__ = ["Failed", "Learner", "Pupil", "examine", "gradient", "load", "new_folder"]
