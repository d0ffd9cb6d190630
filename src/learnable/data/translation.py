"""Pairs of texts that say the same: dates in many forms and in one, German and English, or a file of yours.

A batch holds `source` (examples, tokens), which ends with the token END, and `target` (examples, tokens), which begins with
START and ends with END. Short texts are filled up on the right with PADDING, and no batch is wider than its longest text.
"""

import gzip
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from learnable.data.dates import date_pairs
from learnable.data.examples import Batch, Data, Info, split
from learnable.data.fetch import fetch
from learnable.data.registry import name_or_path
from learnable.data.text import read_text
from learnable.data.tokenizers.bpe import BPE, learn
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

    @property
    def sizes(self) -> Int[Tensor, "n"]:
        """Tokens of both texts, by which batches are made of similar pairs."""
        return self.lengths["source"] + self.lengths["target"]

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
        learned = learn(words, pieces, special=SPECIAL, least=2)
        alphabet, merges = list(learned.vocab)[len(SPECIAL) :], learned.merges
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
    model = _model(info)
    tokens = [token for word in (_words(text) if model.merges else [text]) for token in model.tokens(word)]
    if strict and UNKNOWN in tokens:
        strange = next(letter for letter in text if letter not in model.vocab)
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


def _words(text: str) -> list[str]:
    """Words and marks, each with the blank before it, so that they can be put together again without a rule."""
    return re.findall(r" ?\w+| ?[^\w\s]+|\s", f" {text}")


_MODELS: list[tuple[Info, BPE]] = []  # the last one, as texts come by the thousand


def _model(info: Info) -> BPE:
    """The alphabet of a data set as a table; where texts are read letter by letter, one without merges."""
    if not _MODELS or _MODELS[0][0] is not info:
        vocab = {piece: number for number, piece in enumerate(info.alphabet)}
        merges = [(left, right) for left, right in info.more.get("merges") or ()]  # from a file they come as lists
        _MODELS[:] = [(info, BPE(vocab, merges, unk_token=info.alphabet[UNKNOWN]))]
    return _MODELS[0][1]


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
