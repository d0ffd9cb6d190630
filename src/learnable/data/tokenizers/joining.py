"""From tokens back to a text: each step takes away what cutting had put in.

Each is a frozen row whose fields are those of a "decoder" in a `tokenizer.json`, and a function from texts to texts, which at
the end are put together.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex

from learnable.data.tokenizers.bytelevel import BYTES
from learnable.data.tokenizers.cleaning import compiled

_BYTE = regex.compile(r"<0x([0-9A-Fa-f]{2})>")

# What BERT's text has a space too many before, in this order.
_TIDY = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip


@lru_cache(maxsize=1 << 18)
def token_bytes(token: str) -> bytes:
    """The bytes of a token of letters that stand for bytes; of any other, its UTF-8."""
    numbers = [BYTES.get(letter, -1) for letter in token]
    return token.encode() if -1 in numbers else bytes(numbers)


@dataclass(frozen=True)
class ByteLevel:
    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True

    def __call__(self, tokens: list[str]) -> list[str]:
        return [b"".join(map(token_bytes, tokens)).decode(errors="replace")]


@dataclass(frozen=True)
class WordPiece:
    prefix: str = "##"
    cleanup: bool = True

    def __call__(self, tokens: list[str]) -> list[str]:
        out = []
        for at, token in enumerate(tokens):
            if at:
                token = token.removeprefix(self.prefix) if token.startswith(self.prefix) else " " + token
            if self.cleanup:
                for spaced, tidy in _TIDY:
                    token = token.replace(spaced, tidy)
            out.append(token)
        return out


@dataclass(frozen=True)
class BPEDecoder:
    suffix: str = "</w>"

    def __call__(self, tokens: list[str]) -> list[str]:
        last = len(tokens) - 1
        return [token.replace(self.suffix, "" if at == last else " ") for at, token in enumerate(tokens)]


@dataclass(frozen=True)
class Metaspace:
    replacement: str = "▁"
    prepend_scheme: str = "always"
    split: bool = True

    def __call__(self, tokens: list[str]) -> list[str]:
        first = "" if self.prepend_scheme != "never" else " "
        return [token.replace(self.replacement, " " if at else first) for at, token in enumerate(tokens)]


@dataclass(frozen=True)
class ByteFallback:
    def __call__(self, tokens: list[str]) -> list[str]:
        out: list[str] = []
        waiting = bytearray()
        for token in [*tokens, None]:
            match = _BYTE.fullmatch(token) if token is not None else None
            if match:
                waiting.append(int(match[1], 16))
                continue
            if waiting:
                try:
                    out.append(waiting.decode())
                except UnicodeDecodeError:
                    out += ["�"] * len(waiting)
                waiting.clear()
            if token is not None:
                out.append(token)
        return out


@dataclass(frozen=True)
class Fuse:
    def __call__(self, tokens: list[str]) -> list[str]:
        return ["".join(tokens)]


@dataclass(frozen=True)
class Strip:
    content: str = " "
    start: int = 0
    stop: int = 0

    def __call__(self, tokens: list[str]) -> list[str]:
        out = []
        for token in tokens:
            for _ in range(self.start):
                token = token.removeprefix(self.content)
            for _ in range(self.stop):
                token = token.removesuffix(self.content)
            out.append(token)
        return out


@dataclass(frozen=True)
class Replace:
    pattern: dict[str, str]
    content: str

    def __call__(self, tokens: list[str]) -> list[str]:
        pattern = compiled(self.pattern)
        return [pattern.sub(lambda match: self.content, token) for token in tokens]


@dataclass(frozen=True)
class Sequence:
    """One after the other."""

    decoders: tuple[Any, ...]

    def __call__(self, tokens: list[str]) -> list[str]:
        for step in self.decoders:
            tokens = step(tokens)
        return tokens


DECODERS: dict[str, Any] = {
    step.__name__: step for step in (ByteLevel, WordPiece, BPEDecoder, Metaspace, ByteFallback, Fuse, Strip, Replace)
}
