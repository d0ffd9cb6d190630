"""Errors of the learner's code as sentences that teach: where, what it means, what to look at."""

import builtins
import difflib
import re
import signal
from collections.abc import Sequence
from typing import Any

from learnable.course.exercises import WRITTEN
from learnable.course.grader.confine import FILE, FILES, MEMORY_NAME, NETWORK, PROCESSES, SECONDS, WALL

RUNS = "it runs to its end"
READS = "the file can be read"
ANSWERS = "it gives back what was asked for"
STAYS = "it keeps to its task"

FORBIDDEN = {
    NETWORK: "it reached for the network; an exercise needs none, and gets none",
    PROCESSES: "it tried to start, or to end, another process; an exercise needs none",
    FILES: "it reached for a file; an exercise needs none, and writes none",
}


def of_error(raised: Any, names: Sequence[str] = ()) -> tuple[str, str, int]:
    """The check that fails, the message, and the line; from what the learner's process told, which may be anything."""
    told = raised if isinstance(raised, dict) else {}
    kind, text = str(told.get("kind", "Error"))[:80], str(told.get("text", ""))[:2000]
    source, what = str(told.get("source", ""))[:200], str(told.get("what", ""))
    line = told.get("line", 0)
    line = line if isinstance(line, int) and 0 <= line < 1_000_000 else 0
    place = f"\n\n  line {line}: {source}" if line else ""
    if what == "syntax":
        return READS, _syntax(told, text, line), line
    if kind == "NotImplementedError":
        return WRITTEN, "this part is still to be written" + (f": {text}" if text and "yours" not in text else ""), line
    if what == "slow":
        asleep = text == "waiting"
        return RUNS, (f"it waited longer than {WALL} s: for input, or asleep?" if asleep else too_slow()) + place, line
    if what == MEMORY_NAME or kind == "MemoryError":
        return (
            RUNS,
            "it asked for more memory than there is for an exercise (1.5 GB): a size or a loop that grows?" + place,
            line,
        )
    if what == "flood":
        return RUNS, f"it printed more than {FILE // 1_000_000} MB: a print in a loop that never ends?" + place, line
    if what in FORBIDDEN:
        return STAYS, f"{FORBIDDEN[what]} ({text})" + place, line
    if what == "permission":
        return (
            STAYS,
            f"the system refused what it tried ({text}); an exercise needs no files, network or processes" + place,
            line,
        )
    if kind in ("SystemExit", "KeyboardInterrupt"):
        return RUNS, "it called exit(); a function gives its answer back with 'return' and goes on living" + place, line
    if kind == "RecursionError":
        return RUNS, "it calls itself without end: what is the smallest case, and does it stop there?" + place, line
    if kind == "NameError":
        return RUNS, _name(told, text, names) + place, line
    if kind in ("ImportError", "ModuleNotFoundError"):
        return RUNS, f"{text}; the imports at the top of the stub are all that is needed" + place, line
    if kind == "UnboundLocalError":
        return RUNS, f"{text}: is it given a value on every way that leads here?" + place, line
    return RUNS, f"{kind}: {text}" + place + _look(kind, text), line


def too_slow() -> str:
    return f"it ran longer than {SECONDS} s of computing: a loop that never ends?"


def _syntax(told: dict[str, Any], text: str, line: int) -> str:
    source = str(told.get("source", ""))[:200]
    column = told.get("column", 0)
    column = column if isinstance(column, int) and 0 < column <= len(source) + 1 else 0
    caret = "\n  " + " " * (column - 1) + "^" if column else ""
    return f"Python cannot read line {line}: {text}\n\n  {source}{caret}"


def _name(told: dict[str, Any], text: str, names: Sequence[str]) -> str:
    name = str(told.get("name") or (re.findall(r"name '(\w+)'", text) or [""])[0])
    near = difflib.get_close_matches(name, [*names, *dir(builtins)], n=1)
    return f"there is no '{name}'" + (
        f"; did you mean '{near[0]}'?" if near else ": spelled so, and given a value before?"
    )


def _look(kind: str, text: str) -> str:
    """What to look at, for the errors that everybody meets."""
    if "size of tensor" in text or "shapes cannot be multiplied" in text or "could not be broadcast" in text:
        return "\n\nPrint the shapes just before this line: which axis should meet which?"
    if kind == "TypeError" and "NoneType" in text:
        return "\n\nSomething is None here: a function without a 'return'?"
    if kind == "TypeError" and "argument" in text:
        return "\n\nCompare the signature with the stub's: names and order must stay as they were."
    if "in-place operation" in text or "is a view" in text:
        return "\n\nA tensor that wants a gradient may not be written to in place: make a new one."
    return ""


def of_end(status: int, flooded: bool) -> tuple[str, str]:
    """The check that fails when the process is no more: its status as `os.waitstatus_to_exitcode` gives it."""
    if flooded:
        return RUNS, f"it printed more than {FILE // 1_000_000} MB: a print in a loop that never ends?"
    if status >= 0:
        return RUNS, f"it ended the whole process (status {status}): no exit() or os._exit() in an exercise"
    name = signal.Signals(-status).name if -status in {item.value for item in signal.Signals} else str(-status)
    if name in ("SIGXCPU", "SIGKILL"):
        return RUNS, too_slow()
    if name in ("SIGSEGV", "SIGBUS", "SIGABRT"):
        return (
            RUNS,
            f"it brought Python itself down ({name}): a recursion that is too deep, or memory that is not its own?",
        )
    return RUNS, f"it was ended by {name}"


__all__ = ["ANSWERS", "READS", "RUNS", "STAYS", "WRITTEN", "of_end", "of_error", "too_slow"]
