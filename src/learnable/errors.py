"""Errors that teach: what was expected, what came, and what to do.

The command line prints the message alone and leaves with the error's exit code; a traceback is for our own mistakes.
"""

import difflib
from collections.abc import Iterable


class LearnableError(Exception):
    """Something that the user can mend; the message says how."""

    exit_code = 1


class CallError(LearnableError, ValueError):
    """The call is wrong on any machine: an unknown name, a number out of range, flags that exclude each other."""

    exit_code = 2


class WorldError(LearnableError):
    """The call is right and the world is not: a file, a port, the disk, the data."""

    exit_code = 1


def unknown(kind: str, name: str, names: Iterable[str]) -> CallError:
    """The error for a name that is in no table, with the nearest one that is.

    >>> raise unknown("topic", "gtp", ["gpt", "lenet"])
    Traceback (most recent call last):
    learnable.errors.CallError: no topic 'gtp'; did you mean 'gpt'? There are: gpt, lenet
    """
    names = sorted(set(names))
    small = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name, names, n=1) or difflib.get_close_matches(name.lower(), small, n=1)
    question = f"; did you mean '{small.get(near[0].lower())}'?" if near else "."
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return CallError(f"no {kind} '{name}'{question} There are: {shown}")
