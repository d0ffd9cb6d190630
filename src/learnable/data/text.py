"""Text as a row of characters, each of them a number: the smallest tokenizer there is.

The text is cut by position, 90 % to learn from, 5 % to decide by and 5 % to report on. A cut at random would put
the second half of a sentence into the test whose first half was learned.
"""

import platform
import sysconfig
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor

from learnable.data.examples import Data, Info, TextWindows
from learnable.data.fetch import fetch
from learnable.data.registry import name_or_path
from learnable.errors import CallError, WorldError

SHARES = (90, 5, 5)  # percent: train, valid, test

# Modules that are one file, of much the same length, in every Python from 3.11 to 3.14: about 1 MB together. The last
# five percent, from which the test is made, are modules of their own.
STDLIB = (
    "argparse", "calendar", "configparser", "contextlib", "copy", "csv", "dataclasses", "difflib", "enum",
    "fractions", "functools", "heapq", "ipaddress", "mailbox", "random", "shutil", "statistics", "subprocess",
    "tempfile", "textwrap", "uuid", "weakref",
)  # fmt: skip

# Fixed, so that models of different Pythons have the same tokens: the new line, and what an ASCII keyboard types.
STDLIB_ALPHABET = ("\n", *map(chr, range(ord(" "), ord("~") + 1)))

_FILES = {"tinyshakespeare": "input.txt", "names": "names.txt"}
NAMES = ("stdlib", *_FILES)


def characters(source: str | None = None, *, context: int = 128) -> Data:
    """The text `source`, character by character, in windows of `context` + 1 tokens.

    Args:
        source: "stdlib" (also None), "tinyshakespeare", "names", or the path of a text file in UTF-8.
        context: how many characters the model sees at most.

    Raises:
        CallError: no such data set; a context below 1.
        WorldError: no such file, not UTF-8, too short for the context, or a Python without its sources.
    """
    if context < 1:
        raise CallError(f"expected a context of at least 1 character, came {context}")
    text, name, more = source_text(source)
    alphabet = STDLIB_ALPHABET if name_or_path(source, NAMES) == "stdlib" else tuple(sorted(set(text)))
    train, valid, test = cut(text, context, name)
    info = Info(data=name, alphabet=alphabet, context=context, more=more)
    return Data(info, *(TextWindows(encode(part, alphabet), context) for part in (train, valid, test)))


def source_text(source: str | None = None) -> tuple[str, str, dict[str, str]]:
    """A text, what it is called, and what there is to say of it.

    Raises:
        CallError: no such data set.
        WorldError: no such file, not UTF-8, nothing to predict in it, or a Python without its sources.
    """
    choice = name_or_path(source, NAMES)
    if choice == "stdlib":
        text, replaced = stdlib_text()
        more = {"replaced": f"{replaced} characters outside the alphabet became '?'"} if replaced else {}
        return text, f"stdlib of Python {platform.python_version()}", more
    name = choice if isinstance(choice, str) else f"text {choice.name}"
    text = read_text(fetch(choice, _FILES[choice]) if isinstance(choice, str) else choice)
    if len(set(text)) == 1 < len(text):
        raise WorldError(f"expected a text of at least two different characters in {name}, came only "
                         f"{text[0]!r}: there is nothing to predict")  # fmt: skip
    return text, name, {}


def cut(text: str, context: int, name: str = "the text") -> tuple[str, str, str]:
    """The three parts of a text, each long enough for at least one window.

    >>> [len(part) for part in cut("abcd" * 25, context=4)]
    [90, 5, 5]

    Raises:
        WorldError: it is too short; the message says for which context it would do.
    """
    ends = [len(text) * sum(SHARES[:i]) // 100 for i in range(4)]
    train, valid, test = (text[start:end] for start, end in pairwise(ends))
    room = min(len(valid), len(test)) - 1  # a window holds one token more than the context: the last target
    if context > room:
        needed = 100 * (context + 1) // min(SHARES) + 1
        help = f"give more text, or --context {room} or less." if room > 0 else "give more text."
        raise WorldError(f"{name} is too short: {len(text):,} characters, and a context of {context} needs about "
                         f"{needed:,}, because {min(SHARES)} % of it are kept for the test; {help}")  # fmt: skip
    return train, valid, test


def encode(text: str, alphabet: Sequence[str]) -> Integer[Tensor, "tokens"]:
    """Each character's place in the alphabet, in the smallest integers that hold them.

    >>> encode("baa", alphabet=("a", "b"))
    tensor([1, 0, 0], dtype=torch.uint8)

    Raises:
        CallError: a character that is not in the alphabet.
    """
    if not alphabet:
        raise CallError("the alphabet is empty: this model was not trained on characters")
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")  # one number per character
    known = np.array([ord(character) for character in alphabet], dtype=np.uint32)
    order = np.argsort(known, kind="stable")
    tokens = order[np.searchsorted(known, codes, sorter=order).clip(max=len(known) - 1)]
    strange = np.flatnonzero(known[tokens] != codes)
    if len(strange):
        place = int(strange[0])
        raise CallError(
            f"the character {text[place]!r} (number {place + 1} of the text) is not among the {len(alphabet)} that the "
            f"model was trained on: {_shown(alphabet)}. Leave it out or write it otherwise."
        )
    smallest = np.uint8 if len(known) <= 1 << 8 else np.int16 if len(known) <= 1 << 15 else np.int32
    return torch.from_numpy(tokens.astype(smallest))


def decode(tokens: Integer[Tensor, "tokens"], alphabet: Sequence[str]) -> str:
    """The text that these tokens stand for.

    >>> decode(encode("abba", alphabet="ab"), alphabet="ab")
    'abba'
    """
    return "".join(alphabet[token] for token in tokens.tolist())


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without the mark in front that Windows likes; every line ends in one new line.

    Raises:
        WorldError: it is no file, cannot be read, is empty or is not UTF-8.
    """
    if path.is_dir():
        raise WorldError(f"expected a text file, came the folder {path}; name one file in it.")
    if not path.is_file():
        raise WorldError(f"expected a text file, and {path} is none.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorldError(f"the text {path} cannot be read: {error.strerror or error}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mend = (
            "it looks like UTF-16: save it as UTF-8." if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "save it as UTF-8."
        )
        raise WorldError(
            f"expected UTF-8 in {path}, came the byte 0x{data[error.start]:02x} at position {error.start}; {mend}"
        ) from error
    if not text.strip():
        raise WorldError(f"the text {path} is empty; give one with something to learn from.")
    if "\0" in text:
        raise WorldError(
            f"expected a text, and {path} holds a NUL at character {text.index(chr(0))}: it is something else."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def stdlib_text(folder: Path | None = None) -> tuple[str, int]:
    """The modules of `STDLIB`, one after the other, and how many characters had to be replaced by '?'.

    They are read from the running Python's own folder, not by import: a `random.py` of the user's must not be taken
    for the real one.

    Raises:
        WorldError: this Python came without its sources.
    """
    folder = Path(sysconfig.get_path("stdlib")) if folder is None else folder
    parts = []
    for module in STDLIB:
        try:
            parts.append((folder / f"{module}.py").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise WorldError(
                f"this Python came without the source of its standard library: {folder / module}.py cannot be read. "
                "Use a Python with sources, or give a text of your own by --data FILE."
            ) from error
    text = "".join(parts).expandtabs(4)
    outside = set(text) - set(STDLIB_ALPHABET)
    replaced = sum(map(text.count, outside))
    return text.translate(dict.fromkeys(map(ord, outside), "?")), replaced


def _shown(alphabet: Sequence[str]) -> str:
    letters = "".join(alphabet)
    return repr(letters if len(letters) <= 120 else letters[:120] + "...")
