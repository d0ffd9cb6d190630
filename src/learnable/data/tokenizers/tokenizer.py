"""A tokenizer: clean, cut, look up, frame; and back.

    text -> normalizer -> pretokenizer -> model -> template -> numbers -> decoder -> text

The parts are those of a `tokenizer.json`, which most published models come with, so that theirs and ours are read and
written alike (`learnable.data.tokenizers.formats`). Special tokens are found before anything else is done.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import regex

from learnable.data.tokenizers import cutting, joining
from learnable.data.tokenizers.bpe import BPE
from learnable.data.tokenizers.bytelevel import stream_text, utf8
from learnable.data.tokenizers.cleaning import SPACES
from learnable.data.tokenizers.unigram import Unigram
from learnable.data.tokenizers.wordpiece import WordPiece
from learnable.errors import CallError

Model = BPE | WordPiece | Unigram
_LETTER = regex.compile(r"\w")


@dataclass(frozen=True)
class Added:
    """A token beside those of the model, looked for as it stands: the end of a text, the mask, a name."""

    id: int
    content: str
    single_word: bool = False  # only where it is no part of a longer word
    lstrip: bool = False  # takes the spaces before it along
    rstrip: bool = False
    normalized: bool = False  # looked for after cleaning
    special: bool = True  # left out when a text is put together

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Template:
    """What stands around a text, and around two: numbers of special tokens, and "A" and "B" for the texts.

    Each row is (number or letter, which of the two it is counted to: 0 or 1).
    """

    single: tuple[tuple[int | str, int], ...] = (("A", 0),)
    pair: tuple[tuple[int | str, int], ...] = (("A", 0), ("B", 1))


class Tokenizer:
    """Text to numbers and back.

    Args:
        model: how a word becomes tokens.
        normalizer: cleans a text.
        pretokenizer: cuts it into words.
        template: the special tokens around it.
        decoder: puts tokens together.
        added: tokens beside the model's.
        post_processor: what a file said of the template, to be written again.
    """

    def __init__(
        self,
        model: Model,
        *,
        normalizer: Callable[[str], str] | None = None,
        pretokenizer: Callable[[list[str], bool], list[str]] | None = None,
        template: Template | None = None,
        decoder: Callable[[list[str]], list[str]] | None = None,
        added: Iterable[Added] = (),
        post_processor: dict[str, Any] | None = None,
    ):
        self.model, self.normalizer, self.pretokenizer, self.decoder = model, normalizer, pretokenizer, decoder
        self.template = template or Template()
        self.post_processor = post_processor
        self.added = sorted(added, key=lambda token: token.id)
        self.numbers = model.vocab | {token.content: token.id for token in self.added}
        self.tokens = model.pieces | {token.id: token.content for token in self.added}
        self.special = {token.id for token in self.added if token.special}
        self._raw = _Finder([token for token in self.added if not token.normalized])
        cleaned = [token for token in self.added if token.normalized]
        self._cleaned = _Finder(cleaned, normalizer)
        whole = pretokenizer is None or (isinstance(pretokenizer, cutting.Metaspace) and not pretokenizer.split)
        self._marked = cutting.Marked() if whole and model.apart else None

    def __len__(self) -> int:
        """One more than the largest number."""
        return max(self.tokens, default=-1) + 1

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """The numbers of the tokens of a text.

        Args:
            special: with the special tokens that the template puts around it.

        Raises:
            CallError: no text, or one with half a character in it (a lone surrogate).
        """
        if not isinstance(text, str):
            raise CallError(f"expected a text, came {type(text).__name__}; several texts are encoded one by one")
        tokens = self._encode(text)
        if special and len(self.template.single) > 1:
            return list(chain.from_iterable(tokens if part == "A" else [part] for part, _ in self.template.single))  # type: ignore[list-item]
        return tokens

    def encode_pair(self, first: str, second: str) -> tuple[list[int], list[int]]:
        """Two texts in one row, framed, and for each token which of the two it belongs to (0 or 1)."""
        texts = {"A": self._encode(first), "B": self._encode(second)}
        tokens: list[int] = []
        types: list[int] = []
        for part, kind in self.template.pair:
            more = texts[part] if isinstance(part, str) else [part]
            tokens += more
            types += [kind] * len(more)
        return tokens, types

    def decode(self, tokens: Iterable[int], *, skip_special: bool = True) -> str:
        """The text that these tokens stand for.

        Raises:
            CallError: a number that is no token.
        """
        left_out = self.special if skip_special else ()
        numbers = [int(token) for token in tokens]
        try:
            words = [self.tokens[number] for number in numbers if number not in left_out]
        except KeyError as error:
            raise CallError(f"expected tokens from 0 to {len(self) - 1}, came {error.args[0]}") from None
        return " ".join(words) if self.decoder is None else "".join(self.decoder(words))

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text piece by piece, as the tokens come; never half a character. For tokens of bytes."""
        return stream_text(tokens, self.bytes_of)

    def bytes_of(self, token: int) -> bytes:
        """The bytes that a token adds to a text, where they depend on nothing else."""
        if token not in self.tokens:
            raise CallError(f"expected tokens from 0 to {len(self) - 1}, came {token}")
        return joining.token_bytes(self.tokens[token])

    def _encode(self, text: str) -> list[int]:
        utf8(text)  # refuses half a character
        numbers: list[int] = []
        known = self.model.known
        for part, number in self._raw.parts(text):
            if number is not None:
                numbers.append(number)
                continue
            clean = part if self.normalizer is None else self.normalizer(part)
            for piece, found in self._cleaned.parts(clean):
                if found is not None:
                    numbers.append(found)
                    continue
                pieces = [piece] if piece else []
                if self.pretokenizer is not None:
                    pieces = self.pretokenizer(pieces, not numbers)
                if self._marked is not None:
                    pieces = self._marked(pieces, False)
                numbers.extend(chain.from_iterable(map(known.__getitem__, pieces)))
        return numbers


class _Finder:
    """Where the added tokens stand in a text: of several that begin at one place, the longest."""

    def __init__(self, tokens: Sequence[Added], clean: Callable[[str], str] | None = None):
        shown = [(clean(token.content) if clean else token.content, token) for token in tokens]
        self.tokens = {content: token for content, token in reversed(shown) if content}
        contents = sorted(self.tokens, key=len, reverse=True)
        self.pattern = regex.compile("|".join(map(regex.escape, contents))) if contents else None

    def parts(self, text: str) -> Iterator[tuple[str, int | None]]:
        """The text between them, and their numbers."""
        if self.pattern is None or not any(content in text for content in self.tokens):
            yield text, None
            return
        end = 0
        for match in self.pattern.finditer(text):
            token, (start, stop) = self.tokens[match.group()], match.span()
            if token.single_word and (_LETTER.match(text[start - 1 : start]) or _LETTER.match(text[stop : stop + 1])):
                continue
            # The spaces are walked one by one: a pattern for them would begin anew at each space of a long row.
            while token.lstrip and start > end and text[start - 1] in SPACES:
                start -= 1
            while token.rstrip and stop < len(text) and text[stop] in SPACES:
                stop += 1
            if start > end:
                yield text[end:start], None
            yield text[start:stop], token.id
            end = stop
        if end < len(text):
            yield text[end:], None
