"""Cleaning a text before it is cut: the same letter always written by the same code, and what does not matter taken away.

Each step is a frozen row whose fields are those of a "normalizer" in a `tokenizer.json`, and a function of the text.
"""

import base64
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import regex

from learnable.data.tokenizers.oniguruma import translated
from learnable.errors import WorldError

# What Unicode calls white space; Python's own `isspace` takes in four control characters more.
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

# The blocks of Chinese characters that BERT sets apart, as (first, last).
CHINESE = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
_CHINESE = regex.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in CHINESE) + "]")
_CONTROLS = regex.compile(r"[[\p{Cc}\p{Cf}\p{Co}]--[\t\n\r]]|\ufffd", regex.VERSION1)
_SPACE = regex.compile(f"[{SPACES}]")
_MARKS = regex.compile(r"\p{Mn}+")
_ALL_MARKS = regex.compile(r"\p{M}+")


def lower(text: str) -> str:
    """Small letters, each by itself: a sigma at the end of a word is one like any other.

    >>> lower("ΟΔΟΣ")
    'οδοσ'
    """
    return text.replace("Σ", "σ").lower()


def strip_accents(text: str) -> str:
    """Letters without the marks above and below them.

    >>> strip_accents("Ångström")
    'Angstrom'
    """
    return text if text.isascii() else _MARKS.sub("", unicodedata.normalize("NFD", text))


@dataclass(frozen=True)
class BertNormalizer:
    r"""BERT's basic cleaning: no controls, Chinese characters as words, no accents, small letters.

    >>> BertNormalizer()("Zoë\x00 likes\t東京")
    'zoe likes  東  京 '

    Paper    Devlin et al. 2019, as in google-research/bert, tokenization.py, `BasicTokenizer`
    Differs  what is a mark, a control or punctuation is asked of the newest Unicode, where Hugging Face's tokenizers knows that of
             2015 (8.0): some 700 rare characters that were added since, most of them marks of old scripts, are cut otherwise
    """

    clean_text: bool = True
    handle_chinese_chars: bool = True
    strip_accents: bool | None = None  # None: as `lowercase`
    lowercase: bool = True

    def __call__(self, text: str) -> str:
        if self.clean_text:
            text = _SPACE.sub(" ", _CONTROLS.sub("", text))
        if self.handle_chinese_chars:
            text = _CHINESE.sub(r" \g<0> ", text)
        if self.lowercase if self.strip_accents is None else self.strip_accents:
            text = strip_accents(text)
        return lower(text) if self.lowercase else text


@dataclass(frozen=True)
class NFC:
    def __call__(self, text: str) -> str:
        return unicodedata.normalize("NFC", text)


@dataclass(frozen=True)
class NFD:
    def __call__(self, text: str) -> str:
        return unicodedata.normalize("NFD", text)


@dataclass(frozen=True)
class NFKC:
    def __call__(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text)


@dataclass(frozen=True)
class NFKD:
    def __call__(self, text: str) -> str:
        return unicodedata.normalize("NFKD", text)


@dataclass(frozen=True)
class Lowercase:
    def __call__(self, text: str) -> str:
        return lower(text)


@dataclass(frozen=True)
class StripAccents:
    """Takes the marks away, but does not first take letters apart: `NFD` goes before it."""

    def __call__(self, text: str) -> str:
        return _ALL_MARKS.sub("", text)


@dataclass(frozen=True)
class Strip:
    strip_left: bool = True
    strip_right: bool = True

    def __call__(self, text: str) -> str:
        text = text.lstrip(SPACES) if self.strip_left else text
        return text.rstrip(SPACES) if self.strip_right else text


@dataclass(frozen=True)
class Prepend:
    prepend: str = "▁"

    def __call__(self, text: str) -> str:
        return self.prepend + text if text else text


@dataclass(frozen=True)
class Replace:
    """One text for another, or for what a pattern finds: `pattern` is {"String": ...} or {"Regex": ...}."""

    pattern: dict[str, str]
    content: str

    def __call__(self, text: str) -> str:
        if "String" in self.pattern:
            return text.replace(self.pattern["String"], self.content)
        return compiled(self.pattern).sub(lambda match: self.content, text)


@dataclass(frozen=True)
class Precompiled:
    """SentencePiece's rules for letters: a table of texts and what each becomes, of which the longest that fits is used.

    Format  the number of bytes of a double-array trie (32 bits), the trie (32 bits a unit), then the results, each ended by 0;
            as in github.com/google/sentencepiece, normalizer.cc, and github.com/s-yata/darts-clone
    """

    precompiled_charsmap: str  # base64

    def __call__(self, text: str) -> str:
        if text.isascii() and not self._changes_ascii:
            return text
        units, results = self._table
        data = text.encode()
        out, at = [], 0
        while at < len(data):
            place, found, length = _offset(units[0]), -1, 0
            for seen in range(at, len(data)):
                place ^= data[seen]
                if place >= len(units) or units[place] & 0x800000FF != data[seen]:
                    break
                unit = units[place]
                place ^= _offset(unit)
                if unit >> 8 & 1:
                    found, length = units[place] & 0x7FFFFFFF, seen + 1 - at
            if found >= 0:
                out.append(results[found : results.index(b"\0", found)])
                at += length
            else:
                size = 1 + (data[at] >= 0xC0) + (data[at] >= 0xE0) + (data[at] >= 0xF0)
                out.append(data[at : at + size])
                at += size
        return b"".join(out).decode()

    @cached_property
    def _table(self) -> tuple[tuple[int, ...], bytes]:
        import struct

        try:
            data = base64.b64decode(self.precompiled_charsmap)
            size = struct.unpack_from("<I", data)[0]
            return struct.unpack_from(f"<{size // 4}I", data, 4), data[4 + size :]
        except (ValueError, struct.error) as error:
            raise WorldError(f"the table of letters (precompiled_charsmap) cannot be read: {error}.") from error

    @cached_property
    def _changes_ascii(self) -> bool:
        """Whether it has to be asked of plain text too, beyond what most tables do to controls."""
        units, _ = self._table
        first = _offset(units[0])
        return any(units[first ^ byte] & 0x800000FF == byte for byte in range(1, 128) if first ^ byte < len(units))


def _offset(unit: int) -> int:
    return unit >> 10 << ((unit & 1 << 9) >> 6)


def compiled(pattern: dict[str, str]) -> Any:
    """What finds {"Regex": ...} or {"String": ...}.

    Raises:
        WorldError: it is neither, or no regular expression.
    """
    try:
        kind, text = next(iter(pattern.items()))
        return regex.compile({"Regex": translated, "String": regex.escape}[kind](text), regex.VERSION1)
    except (StopIteration, KeyError, AttributeError, regex.error) as error:
        raise WorldError(f"expected a pattern such as {{'Regex': ' +'}}, came {pattern!r} ({error}).") from error


@dataclass(frozen=True)
class Sequence:
    """One after the other."""

    normalizers: tuple[Any, ...]

    def __call__(self, text: str) -> str:
        for step in self.normalizers:
            text = step(text)
        return text


NORMALIZERS: dict[str, Any] = {
    step.__name__: step
    for step in (BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, Precompiled)
}
