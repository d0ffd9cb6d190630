r"""Cutting a text into words, inside which tokens are then looked for: what a token may hold is decided here.

Each way is a frozen row whose fields are those of a "pre-tokenizer" in a `tokenizer.json`, and a function from the
pieces so far to finer ones. `start` says of the first piece whether the text begins with it.
r"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import regex

from learnable.data.tokenizers.bytelevel import to_letters
from learnable.data.tokenizers.cleaning import SPACES, compiled
from learnable.errors import WorldError

# GPT-2's: contractions, words with the space before them, numbers, the rest, and spaces, of which the last belongs to what follows.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
# GPT-4's and Llama 3's: numbers in threes, capitals in contractions, a mark may lead a word, new lines end what stands before them.
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

_WORDS = regex.compile(GPT2)
_BERT = regex.compile(rf"[\p{{P}}$+<=>^`|~]|[^\p{{P}}$+<=>^`|~{SPACES}]+")
_MARK = regex.compile(r"[\p{P}$+<=>^`|~]")
_WHITESPACE = regex.compile(r"\w+|[^\w\s]+")
_NOT_SPACE = regex.compile(f"[^{SPACES}]+")
BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")


def gpt2_words(text: str) -> list[str]:
    """A text cut as GPT-2 cuts it.

    >>> gpt2_words("It's  42!")
    ['It', "'s", ' ', ' 42', '!']
    """
    words: list[str] = _WORDS.findall(text)
    return words


def bert_words(text: str) -> list[str]:
    """Cut at spaces; every punctuation mark is a word of its own.

    >>> bert_words("it's $5, no?")
    ['it', "'", 's', '$', '5', ',', 'no', '?']
    """
    words: list[str] = _BERT.findall(text)
    return words


def cut(text: str, pattern: Any, behavior: str, invert: bool) -> list[str]:
    """The pieces between what the pattern finds, and what becomes of the findings.

    >>> [cut("a-b", regex.compile("-"), behavior, False) for behavior in BEHAVIORS[:4]]
    [['a', 'b'], ['a', '-', 'b'], ['a-', 'b'], ['a', '-b']]
    """
    parts: list[tuple[str, bool]] = []
    end = 0
    for match in pattern.finditer(text):
        if match.end() == match.start() == end and parts:  # nothing, right behind what was found
            continue
        if match.start() > end:
            parts.append((text[end : match.start()], invert))
        parts.append((match.group(), not invert))
        end = match.end()
    if end < len(text):
        parts.append((text[end:], invert))
    if behavior == "Removed":
        return [part for part, found in parts if part and not found]
    if behavior == "Isolated":
        return [part for part, _ in parts if part]
    pieces: list[str] = []
    before: bool | None = None
    for part, found in parts:
        if pieces and (
            (behavior == "MergedWithPrevious" and found and before is False)
            or (behavior == "MergedWithNext" and before is True and not found)
            or (behavior == "Contiguous" and found == before)
        ):
            pieces[-1] += part
        else:
            pieces.append(part)
        before = found
    return [piece for piece in pieces if piece]


@dataclass(frozen=True)
class ByteLevel:
    """Words as GPT-2 cuts them, their bytes as letters."""

    add_prefix_space: bool = True
    trim_offsets: bool = True  # of no account here: numbers are given, not places
    use_regex: bool = True

    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        if self.add_prefix_space:
            pieces = [piece if piece.startswith(" ") else " " + piece for piece in pieces]
        if self.use_regex:
            pieces = [word for piece in pieces for word in _WORDS.findall(piece)]
        return [to_letters(piece) for piece in pieces]


@dataclass(frozen=True)
class Split:
    pattern: dict[str, str]
    behavior: str = "Isolated"
    invert: bool = False

    def __post_init__(self) -> None:
        if self.behavior not in BEHAVIORS:
            raise WorldError(f"expected one of {', '.join(BEHAVIORS)} for what is found, came {self.behavior!r}.")

    @cached_property
    def _pattern(self) -> Any:
        return compiled(self.pattern)

    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        if self._plain:  # nothing lies between the findings
            return [word for piece in pieces for word in self._pattern.findall(piece) if word]
        return [word for piece in pieces for word in cut(piece, self._pattern, self.behavior, self.invert)]

    @cached_property
    def _plain(self) -> bool:
        whole = self.behavior == "Isolated" and self.pattern.get("Regex") in (GPT2, LLAMA3)
        return (whole or (self.behavior == "Removed" and self.invert)) and self._pattern.groups == 0


@dataclass(frozen=True)
class BertPreTokenizer:
    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        return [word for piece in pieces for word in _BERT.findall(piece)]


@dataclass(frozen=True)
class Whitespace:
    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        return [word for piece in pieces for word in _WHITESPACE.findall(piece)]


@dataclass(frozen=True)
class WhitespaceSplit:
    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        return [word for piece in pieces for word in _NOT_SPACE.findall(piece)]


@dataclass(frozen=True)
class Punctuation:
    behavior: str = "Isolated"

    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        return [word for piece in pieces for word in cut(piece, _MARK, self.behavior, False)]


@dataclass(frozen=True)
class Digits:
    individual_digits: bool = False

    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        pattern = regex.compile(r"\p{N}")
        return [
            word
            for piece in pieces
            for word in cut(piece, pattern, "Isolated" if self.individual_digits else "Contiguous", False)
        ]


@dataclass(frozen=True)
class Metaspace:
    """SentencePiece's words: a space is written ▁ and begins the word that follows it."""

    replacement: str = "▁"
    prepend_scheme: str = "always"
    split: bool = True

    def __post_init__(self) -> None:
        if self.prepend_scheme not in ("always", "first", "never"):
            raise WorldError(f"expected always, first or never for prepend_scheme, came {self.prepend_scheme!r}.")

    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        pieces = [piece.replace(" ", self.replacement) for piece in pieces]
        scheme = self.prepend_scheme
        for at, piece in enumerate(pieces):
            wanted = scheme == "always" or (scheme == "first" and start and at == 0)
            if wanted and not piece.startswith(self.replacement):
                pieces[at] = self.replacement + piece
        if not self.split:
            return pieces
        pattern = regex.compile(regex.escape(self.replacement))
        return [word for piece in pieces for word in cut(piece, pattern, "MergedWithNext", False)]


@dataclass(frozen=True)
class Marked:
    """Apart before each ▁ that follows a letter, where no token reaches over that place: the same tokens, found faster."""

    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        return [word for piece in pieces for word in _MARKED.findall(piece)]


_MARKED = regex.compile("▁*[^▁]+|▁+")


@dataclass(frozen=True)
class Sequence:
    """One after the other."""

    pretokenizers: tuple[Any, ...]

    def __call__(self, pieces: list[str], start: bool) -> list[str]:
        for step in self.pretokenizers:
            pieces = step(pieces, start)
        return pieces


PRETOKENIZERS: dict[str, Any] = {
    step.__name__: step
    for step in (
        ByteLevel, Split, BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, Metaspace,
    )
}  # fmt: skip
