"""Pairs of texts that say the same: dates in many forms and in one, German and English, or a file of yours.

A batch holds `source` (examples, tokens), which ends with the token END, and `target` (examples, tokens), which begins with
START and ends with END. Short texts are filled up on the right with PADDING, and no batch is wider than its longest text.
"""

import gzip
import heapq
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from learnable.data.dates import date_pairs
from learnable.data.examples import Batch, Data, Info, split
from learnable.data.fetch import fetch
from learnable.data.registry import name_or_path
from learnable.data.text import read_text
from learnable.errors import CallError, WorldError

PADDING, START, END, UNKNOWN = range(4)
SPECIAL = ("<padding>", "<start>", "<end>", "<unknown>")
DATES = (30_000, 1_000, 2_000)  # training, validation, test
NAMES = ("dates", "multi30k")
PARTS = {"train": 29_000, "val": 1_014, "test_2016_flickr": 1_000}  # of Multi30k, as its authors cut it

Pair = tuple[str, str]


class TextPairs:
    """Pairs of texts as tokens, for the loop; `texts` keeps them as they were written, for measuring."""

    def __init__(self, source: Sequence[Tensor], target: Sequence[Tensor], texts: Sequence[Pair]):
        self.texts = texts
        self.rows = {"source": _table(source), "target": _table(target)}
        self.lengths = {
            "source": torch.tensor([len(s) for s in source]),
            "target": torch.tensor([len(t) for t in target]),
        }

    def __len__(self) -> int:
        return len(self.texts)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return {}

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        return {
            name: rows[indexes, : int(self.lengths[name][indexes].max())].long() for name, rows in self.rows.items()
        }


def sentence_pairs(source: str | None = None, *, pieces: int = 4_000, context: int = 64, seed: int = 0) -> Data:
    """Pairs to learn translating from.

    Args:
        source: "dates" (also None), "multi30k" (German to English), or a text file with a pair to each line, the two texts
            divided by a tab.
        pieces: how many tokens Multi30k or a file is cut into, both languages together; dates are read letter by letter.
        context: the longest text, in tokens. A longer one is left out of training and is an error anywhere else.
        seed: of dates, which are drawn; of a file, which lines are for testing.

    Raises:
        CallError: no such data set, pieces or context out of range.
        WorldError: no such file, a line that is no pair, a text longer than the context outside the training part.
    """
    if context < 2:
        raise CallError(
            f"expected a context of at least 2 tokens, one for the text and one for its end, came {context}"
        )
    choice = name_or_path(source, NAMES)
    merges: list[tuple[str, str]] = []
    if choice == "dates":
        parts = date_pairs(DATES, seed)
        name, prompt = "dates", "March 5, 1999"
    else:
        name = choice if isinstance(choice, str) else f"file {choice.name}"
        parts = tuple(map(multi30k, PARTS)) if isinstance(choice, str) else _cut(_read_pairs(choice), name, seed)
        prompt = parts[1][0][0]
    if choice == "dates":
        alphabet = sorted({letter for part in parts for pair in part for text in pair for letter in text})
    else:
        words = Counter(word for pair in parts[0] for text in pair for word in _words(text))
        alphabet, merges = learn_pieces(words, pieces - len(SPECIAL))
    info = Info(data=name, alphabet=(*SPECIAL, *alphabet), context=context, more={"merges": merges, "prompt": prompt})
    return Data(info, *(_encoded(part, info, train=i == 0) for i, part in enumerate(parts)))


def encode(text: str, info: Info, *, strict: bool = True) -> Int[Tensor, "tokens"]:
    """The tokens of a text, ending with END.

    Args:
        strict: refuse a letter that training has never shown; otherwise it becomes UNKNOWN.

    Raises:
        CallError: such a letter, an empty text, or one longer than the context.

    >>> encode("bab", Info("", alphabet=(*SPECIAL, "a", "b"), context=8)).tolist()
    [5, 4, 5, 2]
    """
    text = unicodedata.normalize("NFC", text)
    if not text.strip():
        raise CallError('expected a text to translate, came an empty one; give it with --prompt "..."')
    cutter = _cutter(info)
    symbols = cutter.pieces(text)
    tokens = [cutter.numbers.get(symbol, UNKNOWN) for symbol in symbols]
    if strict and UNKNOWN in tokens:
        strange = symbols[tokens.index(UNKNOWN)]
        raise CallError(
            f"expected letters that the model was trained on, came {strange!r}; leave it out, or write it otherwise"
        )
    if len(tokens) + 1 > info.context:
        raise CallError(f"expected a text of at most {info.context - 1} tokens, which is this model's context less one for its "
                        f"end, came {len(tokens)}; translate it sentence by sentence")  # fmt: skip
    return torch.tensor([*tokens, END])


def decode(tokens: Iterable[int], info: Info) -> str:
    """The text of some tokens, up to END.

    >>> decode([START, 4, 5, END, PADDING], Info("", alphabet=(*SPECIAL, "a", "b"), context=8))
    'ab'
    """
    pieces: list[str] = []
    for token in tokens:
        if token == END:
            break
        if token == UNKNOWN:
            pieces.append("\N{REPLACEMENT CHARACTER}")
        elif token >= len(SPECIAL):
            pieces.append(info.alphabet[token])
    return "".join(pieces).strip()


def multi30k(part: str) -> list[Pair]:
    """A part of Multi30k, German and English.

    Raises:
        WorldError: it cannot be had, or has another number of lines than its authors say.
    """
    german, english = (
        gzip.decompress(fetch("multi30k", f"{part}.{language}.gz").read_bytes()).decode("utf-8").splitlines()
        for language in ("de", "en")
    )
    if not len(german) == len(english) == PARTS[part]:
        raise WorldError(
            f"expected {PARTS[part]} pairs in {part} of multi30k, came {len(german)} and {len(english)} lines"
        )
    return [(_clean(one), _clean(other)) for one, other in zip(german, english, strict=True)]


def learn_pieces(words: Counter[str], count: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Byte-pair encoding: letters, and `count` less these merges of the pair that is the most frequent. Sennrich et al. 2016.

    Returns the pieces, letters first, and the merges in the order in which they were made.

    Raises:
        CallError: fewer pieces than there are letters.

    >>> learn_pieces(Counter({" low": 5, " lot": 2}), count=7)
    ([' ', 'l', 'o', 't', 'w', ' l', ' lo'], [(' ', 'l'), (' l', 'o')])
    """
    letters = sorted({letter for word in words for letter in word})
    if count < len(letters):
        raise CallError(f"expected at least {len(letters) + len(SPECIAL)} pieces, which is the number of letters, came "
                        f"{count + len(SPECIAL)}")  # fmt: skip
    spelled = {word: list(word) for word in words}
    found: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], set[str]] = defaultdict(set)
    for word, symbols in spelled.items():
        for pair in pairwise(symbols):
            found[pair] += words[word]
            where[pair].add(word)
    pieces, merges = dict.fromkeys(letters), []
    waiting = [(-times, pair) for pair, times in found.items()]
    heapq.heapify(waiting)
    while len(pieces) < count and waiting:
        times, best = heapq.heappop(waiting)
        if -times != found[best]:
            continue  # said before a merge nearby changed it; what is true was pushed then
        if found[best] < 2:
            break
        merges.append(best)
        pieces["".join(best)] = None
        changed = set()
        for word in where.pop(best):
            for pair in pairwise(spelled[word]):
                found[pair] -= words[word]
                changed.add(pair)
            spelled[word] = _merged(spelled[word], best)
            for pair in pairwise(spelled[word]):
                found[pair] += words[word]
                where[pair].add(word)
                changed.add(pair)
        where.pop(best, None)
        found[best] = 0
        for pair in changed:
            if found[pair] > 0:
                heapq.heappush(waiting, (-found[pair], pair))
    return list(pieces), merges


def _merged(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    place = 0
    while place < len(symbols):
        if tuple(symbols[place : place + 2]) == pair:
            merged.append("".join(pair))
            place += 2
        else:
            merged.append(symbols[place])
            place += 1
    return merged


def _words(text: str) -> list[str]:
    """Words and marks, each with the blank before it, so that they can be put together again without a rule."""
    return re.findall(r" ?\w+| ?[^\w\s]+|\s", f" {text}")


def _apply(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    symbols = list(word)
    while len(symbols) > 1:
        best = min(pairwise(symbols), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        symbols = _merged(symbols, best)
    return symbols


class _Cutter:
    """Cuts texts into numbers by the alphabet and merges of one data set, and remembers every word that it has cut."""

    def __init__(self, info: Info):
        self.numbers = {piece: number for number, piece in enumerate(info.alphabet)}
        self.ranks = {(one, other): rank for rank, (one, other) in enumerate(info.more.get("merges") or [])}
        self.words: dict[str, list[str]] = {}

    def pieces(self, text: str) -> list[str]:
        return [piece for word in _words(text) for piece in self.cut(word)] if self.ranks else list(text)

    def cut(self, word: str) -> list[str]:
        if word not in self.words:
            self.words[word] = _apply(word, self.ranks)
        return self.words[word]


_CUTTERS: list[tuple[Info, _Cutter]] = []  # the last one, as texts come by the thousand


def _cutter(info: Info) -> _Cutter:
    if not _CUTTERS or _CUTTERS[0][0] is not info:
        _CUTTERS[:] = [(info, _Cutter(info))]
    return _CUTTERS[0][1]


def _encoded(pairs: list[Pair], info: Info, train: bool) -> TextPairs:
    sources, targets, texts = [], [], []
    for pair in pairs:
        try:
            source, target = (encode(text, info, strict=False) for text in pair)
        except CallError as error:
            if train:
                continue
            raise WorldError(f"the pair {pair[0][:60]!r} cannot be used for testing: {error}") from error
        sources.append(source)
        targets.append(torch.cat([torch.tensor([START]), target]))
        texts.append(pair)
    if not texts:
        raise WorldError(f"no pair of {info.data} is short enough for a context of {info.context}; give more --context")
    return TextPairs(sources, targets, texts)


def _table(rows: Sequence[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=PADDING).to(torch.int32)


def _clean(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _read_pairs(path: Path) -> list[Pair]:
    pairs = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            cells = [_clean(cell) for cell in line.split("\t")]
            if len(cells) != 2 or not all(cells):
                raise WorldError(f"{path}, line {number}: expected two texts divided by one tab, came {line[:60]!r}")
            pairs.append((cells[0], cells[1]))
    if len(pairs) < 10:
        raise WorldError(f"{path} has {len(pairs)} pairs; expected at least 10, and thousands to learn from.")
    return pairs


def _cut(pairs: list[Pair], name: str, seed: int) -> tuple[list[Pair], ...]:
    """Nine tenths to learn from; pairs with the same source are one, so that none is in two parts."""
    distinct = list(dict(pairs).items())
    if len(distinct) < 10:
        raise WorldError(f"{name} has {len(distinct)} different sources; expected at least 10")
    return tuple([distinct[i] for i in part.tolist()] for part in split(len(distinct), [0.9, 0.05, 0.05], seed))
