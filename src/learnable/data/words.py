"""Text as pieces of words: common words whole, rare ones letter by letter, whatever BERT's own list of pieces says.

    "unaffable"  ->  una ##ffa ##ble        by the published list
    "xyzzy"      ->  x ##y ##z ##z ##y      by a list that was learned here

A text is lower-cased, loses its accents, and is cut at spaces and around every mark. A word is then cut from the left into the
longest pieces that the list knows; `##` is in front of those that do not begin a word.

Paper    Wu et al. 2016, section 4.1 (the pieces); Devlin et al. 2019, section 3 (the marks around a text) - https://arxiv.org/abs/1609.08144
Differs  a list that is learned here holds words and single letters alone
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from learnable.data.examples import Batch
from learnable.errors import CallError, WorldError

PADDING, UNKNOWN, FIRST, LAST, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PADDING, UNKNOWN, FIRST, LAST, MASK)
LONGEST = 100  # letters; a longer word is unknown, as in theirs

_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")


def words_of(text: str) -> list[str]:
    """The words and marks of a text, in lower case and without accents.

    >>> words_of("Où est l'été_2?")
    ['ou', 'est', 'l', "'", 'ete', '_', '2', '?']
    """
    plain = text.lower()
    if not plain.isascii():
        parts = unicodedata.normalize("NFD", plain)
        plain = "".join(letter for letter in parts if unicodedata.category(letter) != "Mn")
    return _WORD.findall(plain)


def learn_words(texts: Iterable[str], size: int) -> tuple[str, ...]:
    """The special tokens, the letters that occur often enough to matter, and the commonest words, `size` in all.

    >>> learn_words(["a cat, a dog"], 16)[-2:]
    ('cat', 'dog')

    Raises:
        CallError: a size that leaves no room for words.
    """
    counts = Counter(word for text in texts for word in words_of(text))
    letters: Counter[str] = Counter()
    for word, count in counts.items():
        for place, letter in enumerate(word[:LONGEST]):
            letters[letter if place == 0 else f"##{letter}"] += count
    room = max(0, size - len(SPECIAL))
    pieces = sorted(sorted(letters, key=lambda piece: (-letters[piece], piece))[: room // 2])
    known = set(pieces)
    commonest = sorted(counts, key=lambda word: (-counts[word], word))
    words = [word for word in commonest if word not in known][: room - len(pieces)]
    if not words:
        raise CallError(f"expected a vocabulary of more than {len(SPECIAL) + len(pieces)} pieces, which special tokens and "
                        f"letters take, came {size}")  # fmt: skip
    return (*SPECIAL, *pieces, *sorted(words))


class Lexicon:
    """A list of pieces, and how a text is written in them.

    >>> lexicon = Lexicon((*SPECIAL, "c", "cat", "##s", "##a", "##t"))
    >>> lexicon.encode("Cats cast")
    [6, 7, 5, 8, 7, 9]

    Raises:
        WorldError: the list lacks one of the special tokens.
    """

    def __init__(self, pieces: Sequence[str]):
        self.pieces = tuple(pieces)
        self.place = {piece: number for number, piece in enumerate(self.pieces)}
        missing = [token for token in SPECIAL if token not in self.place]
        if missing:
            raise WorldError(f"expected the tokens {', '.join(SPECIAL)} in the list of {len(pieces)} pieces, and "
                             f"{', '.join(missing)} is missing; is it the vocabulary of a BERT?")  # fmt: skip
        self.padding, self.unknown, self.first, self.last, self.mask = (self.place[token] for token in SPECIAL)
        self.special = tuple(sorted(self.place[token] for token in SPECIAL))
        self._known: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's pieces, without the marks around it."""
        return [number for word in words_of(text) for number in self._split(word)]

    def frame(self, text: str, context: int) -> list[int]:
        """[CLS], as much of the text as fits, [SEP]."""
        return [self.first, *self.encode(text)[: context - 2], self.last]

    def decode(self, numbers: Iterable[int]) -> str:
        """The pieces with spaces between words; what the writing left out is gone."""
        return " ".join(self.pieces[number] for number in numbers).replace(" ##", "")

    def _split(self, word: str) -> list[int]:
        if word in self._known:
            return self._known[word]
        found: list[int] = []
        start = 0
        while start < len(word) and len(word) <= LONGEST:
            prefix = "##" if start else ""
            end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in self.place), start)
            if end == start:
                break
            found.append(self.place[prefix + word[start:end]])
            start = end
        self._known[word] = found if start == len(word) else [self.unknown]
        return self._known[word]


class Rows:
    """Texts as rows of tokens, filled up with padding; a batch is as long as the longest text in it.

    Args:
        tokens: (texts, context), padding at the end.
        more: other columns, say `label`.
    """

    def __init__(self, tokens: Int[Tensor, "texts context"], padding: int, more: Batch | None = None):
        self.tokens = tokens
        self.lengths = (tokens != padding).sum(dim=1)
        self.more = more or {}

    def __len__(self) -> int:
        return len(self.tokens)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return {}

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        longest = int(self.lengths[indexes].max())
        own = {key: column[indexes] for key, column in self.more.items()}
        return {"tokens": self.tokens[indexes, :longest].long(), **own}


def framed(texts: Sequence[str], lexicon: Lexicon, context: int) -> Int[Tensor, "texts context"]:
    """Each text between its marks, filled up; what does not fit is cut off."""
    rows = torch.full((len(texts), context), lexicon.padding, dtype=torch.int32)
    for row, text in zip(rows, texts, strict=True):
        numbers = lexicon.frame(text, context)
        row[: len(numbers)] = torch.tensor(numbers, dtype=torch.int32)
    return rows
