"""Bytes as letters: each of the 256 bytes as a character that can be seen, so that a table of tokens can be printed.

What ASCII and Latin-1 can show stands for itself; the 68 others (controls, the space, ...) are the characters from 256 on: a
space is Ġ, a new line Ċ. Every text is bytes, so nothing is ever unknown, and what was encoded comes back exactly.

Paper    Radford et al. 2019, section 2.2; the table is that of GPT-2's own encoder
"""

import codecs
from collections.abc import Callable, Iterable, Iterator

from learnable.errors import CallError

_SHOWN = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_HIDDEN = [byte for byte in range(256) if byte not in _SHOWN]

LETTERS = {byte: chr(byte) for byte in _SHOWN} | {byte: chr(256 + at) for at, byte in enumerate(_HIDDEN)}
BYTES = {letter: byte for byte, letter in LETTERS.items()}
_TO_LETTERS = {byte: letter for byte, letter in LETTERS.items() if chr(byte) != letter}  # for str.translate, on Latin-1


def to_letters(text: str) -> str:
    """The UTF-8 bytes of a text, one character each.

    >>> to_letters("é is")
    'Ã©Ġis'

    Raises:
        CallError: half of a surrogate pair, which is no text and has no bytes.
    """
    return utf8(text).decode("latin-1").translate(_TO_LETTERS)


def utf8(text: str) -> bytes:
    """The bytes of a text.

    Raises:
        CallError: half of a surrogate pair, which has none.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CallError(f"expected a text, came half a character: U+{ord(text[error.start]):04X} at character {error.start + 1} "
                        "is one of two surrogates that only mean something together; decode the text with errors='replace', "
                        "or leave it out") from error  # fmt: skip


class Pieces:
    r"""Text out of bytes that come in pieces: a character is given out when its last byte has come.

    >>> pieces = Pieces()
    >>> [pieces.add(b"caf\xc3"), pieces.add(b"\xa9!"), pieces.add(b"\xf0\x9f"), pieces.end()]
    ['caf', 'é!', '', '�']
    """

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, more: bytes) -> str:
        return self.decoder.decode(more)

    def end(self) -> str:
        """What is left, where the last character was cut off."""
        return self.decoder.decode(b"", final=True)


def stream_text(tokens: Iterable[int], piece: Callable[[int], bytes]) -> Iterator[str]:
    """Whole characters, as the tokens come; nothing is given out for a token that ends in the middle of one."""
    pieces = Pieces()
    for token in tokens:
        if text := pieces.add(piece(token)):
            yield text
    if text := pieces.end():
        yield text
