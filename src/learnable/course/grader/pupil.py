"""The process in which the learner's code runs: it executes the file, answers calls of its functions, and decides nothing.

Everything that it says may be forged by the code that it runs, and is taken for what that code computes. Right or wrong is
found by the examiner, in another process, with inputs that this one sees only when it is called.
"""

import builtins
import contextlib
import errno
import io
import linecache
import os
import signal
import sys
import time
import traceback
import types
from pathlib import Path
from typing import Any

from learnable.course.grader.confine import BUSY, MEMORY_NAME, SECONDS, WALL, Forbidden, confine, limit, tried
from learnable.course.grader.wire import Line, Unsendable, a_kind, attached, pack, visible

FILE_NAME = "your file"  # what a traceback calls the learner's code


class Slow(BaseException):
    """The time is over; not an `Exception`, so that `except Exception` does not swallow it."""


def serve(line: Line, folder: Path, printed: int) -> None:
    """Prepare this process, say what is not held back, then answer until the other side has heard enough."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(HOME=str(folder), TMPDIR=str(folder), PATH=os.defpath, LANG="C.UTF-8", OMP_NUM_THREADS="1")
    sys.dont_write_bytecode = True
    sys.path[:] = [entry for entry in sys.path if entry]
    sys.argv[:] = [FILE_NAME]
    for number in (1, 2):
        os.dup2(printed, number)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = _stream(1)
    sys.stderr = _stream(2)
    if os.name == "posix":
        os.closerange(3, min(line.reading, line.writing))
        if line.reading != line.writing:
            os.closerange(min(line.reading, line.writing) + 1, max(line.reading, line.writing))
        os.closerange(max(line.reading, line.writing) + 1, 1024)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGXCPU, _too_slow)
        signal.signal(signal.SIGALRM, _too_slow)
    loose = limit(SECONDS)
    loose += confine(folder)
    line.send({"loose": sorted(set(loose))})
    names: dict[str, Any] = {}
    while True:
        try:
            wish = line.receive(trusted=True, given=lambda: dict(names.get("\0given", {})))
        except EOFError:
            os._exit(0)
        answer = _answer(wish, names)
        _flush()
        answer["tried"] = list(tried)
        try:
            data: dict[str, Any] = answer
            pack(data)
        except Unsendable as error:
            data = {"unsendable": error.kind, "tried": list(tried)}
        except BaseException as error:
            data = {"raised": told(error), "tried": list(tried)}
        line.send(data)


def _stream(number: int) -> io.TextIOWrapper:
    raw = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="replace", line_buffering=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


began = [0.0, 0.0]  # when the call did: by the clock, and by the computing done


def _too_slow(number: int, frame: Any) -> None:
    computed = time.process_time() - began[1] > WALL / 10
    if number == signal.SIGALRM and computed and time.monotonic() - began[0] < BUSY * WALL:
        signal.setitimer(
            signal.ITIMER_REAL, WALL
        )  # on a busy machine: the limit of computing time is the one that counts
        return
    raise Slow("computing" if number == signal.SIGXCPU else "waiting")


def _answer(wish: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    try:
        if os.name == "posix":
            began[:] = time.monotonic(), time.process_time()
            signal.setitimer(signal.ITIMER_REAL, WALL)
        if "load" in wish:
            return _load(wish, names)
        if "gradient" in wish:
            return _gradient(wish, names)
        return _call(wish, names)
    except BaseException as error:
        return {"raised": told(error)}
    finally:
        if os.name == "posix":
            signal.setitimer(signal.ITIMER_REAL, 0)


def _load(wish: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    text: str = wish["load"]
    given: dict[str, Any] = {"__builtins__": builtins}
    exec(wish["imports"], given)
    module = types.ModuleType("exercise")
    module.__file__ = FILE_NAME
    sys.modules["exercise"] = module
    names.update({"\0given": given, "\0module": module})
    linecache.cache[FILE_NAME] = (len(text), None, text.splitlines(keepends=True), FILE_NAME)
    exec(compile(text, FILE_NAME, "exec", dont_inherit=True), module.__dict__)
    found = {name: a_kind(module.__dict__[name]) for name in wish["names"] if name in module.__dict__}
    return {"loaded": {name: callable(module.__dict__[name]) or kind for name, kind in found.items()}}


def _call(wish: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    function = names["\0module"].__dict__[wish["call"]]
    arguments, keywords = wish["arguments"], wish["keywords"]
    result = function(*arguments, **keywords)
    return {
        "result": result,
        "attached": attached(result),
        "arguments": visible(arguments),
        "keywords": visible(keywords),
    }


def _gradient(wish: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Slopes of the result's sum, weighed with `upstream`, in the chosen arguments; None where none arrives."""
    import torch

    function = names["\0module"].__dict__[wish["gradient"]]
    arguments, keywords, wrt = list(wish["arguments"]), wish["keywords"], wish["wrt"]
    for place in wrt:
        holder: Any = keywords if isinstance(place, str) else arguments
        if isinstance(holder[place], torch.Tensor) and not holder[place].requires_grad:
            holder[place] = holder[place].requires_grad_()
    asked = [(keywords if isinstance(place, str) else arguments)[place] for place in wrt]
    with torch.enable_grad():
        result = function(*arguments, **keywords)
        total, upstream = None, wish["upstream"]
        pieces = list(_tensors(result))
        for place, piece in enumerate(pieces):
            if piece.requires_grad:
                weight = torch.ones_like(piece) if upstream is None else upstream[place]
                share = (piece * weight).sum()
                total = share if total is None else total + share
    if total is not None:
        total.backward()
    slopes: list[Any] = []
    for item in asked:
        if isinstance(item, torch.nn.Module):
            slopes.append({name: weight.grad for name, weight in item.named_parameters()})
        else:
            slopes.append(item.grad)
    return {"result": result, "attached": attached(result), "slopes": slopes}


def _tensors(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


def told(error: BaseException) -> dict[str, Any]:
    """An error as data: its kind, what it says, and the line of the learner's file where it happened."""
    kind, text, line, source = type(error).__name__, "", 0, ""
    with contextlib.suppress(BaseException):
        text = str(error)[:2000]
    with contextlib.suppress(BaseException):
        steps = [step for step in traceback.extract_tb(error.__traceback__) if step.filename == FILE_NAME]
        if steps:
            line, source = steps[-1].lineno or 0, (steps[-1].line or "").strip()
    found: dict[str, Any] = {"kind": kind, "text": text, "line": line, "source": source[:200], "what": ""}
    with contextlib.suppress(BaseException):
        if isinstance(error, SyntaxError) and error.filename == FILE_NAME:
            found |= {"line": error.lineno or 0, "column": error.offset or 0, "text": str(error.msg)[:500],
                      "source": (error.text or "").rstrip("\n")[:200], "what": "syntax"}  # fmt: skip
        elif isinstance(error, Forbidden):
            found["what"] = error.what
        elif isinstance(error, MemoryError) or "DefaultCPUAllocator" in text:
            found["what"] = MEMORY_NAME
        elif isinstance(error, Slow):
            found["what"] = "slow"
        elif isinstance(error, OSError) and error.errno == errno.EFBIG:
            found["what"] = "flood"
        elif isinstance(error, PermissionError):
            found["what"] = "permission"
        if isinstance(error, NameError | AttributeError | ImportError):
            found["name"] = str(getattr(error, "name", "") or "")[:80]
    return found
