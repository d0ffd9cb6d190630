r"""Byte pair encoding: begin with single characters, and again and again make the most frequent pair of neighbors one symbol.

    l o w e s t   ->   l o w es t   ->   l o w est   ->   lo w est   ->   low est

What was learned is a list of pairs in the order in which they were merged. A new word is read by the same list: of all
pairs of neighbors that are on it, the one that was learned first is merged, until none is left.

`train` and `split` say this as plainly as it can be said; they count everything anew after every merge. `BPE` is what runs:
short words by a dict of pairs, and the answer kept; long ones by `learnable.data.tokenizers.merging`. The tests hold the two together.

Paper    Sennrich et al. 2016, section 3.2 - https://arxiv.org/abs/1508.07909; on bytes, Radford et al. 2019, section 2.2
Letters  their "merge operations" are our `merges`; a pair's place in the list is its rank
Differs  of equally frequent pairs the one with the smaller numbers goes first, as in Hugging Face's trainer; the paper leaves it open
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from learnable.data.tokenizers.merging import Ranks, merge_all, train_merges
from learnable.errors import CallError, WorldError

Pair = tuple[str, str]
KEPT = 1 << 20  # words whose tokens are remembered
LONG = 40  # symbols: up to here, looking at all pairs again after each merge is the fastest way


def merge(symbols: Sequence[str], pair: Pair, prefix: str = "") -> list[str]:
    """Make every such pair one symbol, from the left.

    >>> merge(["l", "o", "l", "o", "l"], ("l", "o"))
    ['lo', 'lo', 'l']
    """
    merged, at = [], 0
    while at < len(symbols):
        if tuple(symbols[at : at + 2]) == pair:
            merged.append(pair[0] + pair[1].removeprefix(prefix))
            at += 2
        else:
            merged.append(symbols[at])
            at += 1
    return merged


def train(
    words: Mapping[tuple[str, ...], int], merges: int, *, alphabet: Iterable[str] = (), prefix: str = "", least: int = 1
) -> list[Pair]:
    """Learn up to `merges` pairs from words, given as their symbols, and how often each occurs.

    Args:
        least: a pair that occurs less often is not merged.
        alphabet: symbols to have even where no word has them; with those of the words, in order, they are the first numbers.
        prefix: what marks a symbol that goes on with a word ("##"); it is not repeated inside a merged one.

    >>> train({tuple("low"): 5, tuple("lowest"): 2, tuple("newest"): 6}, 3)
    [('e', 's'), ('w', 'es'), ('wes', 't')]
    """
    texts = {word: list(word) for word in words}
    number = {symbol: at for at, symbol in enumerate(ordered({*alphabet}.union(*words)))}
    learned: list[Pair] = []
    while len(learned) < merges:
        counts: Counter[Pair] = Counter()
        for word, symbols in texts.items():
            for pair in itertools.pairwise(symbols):
                counts[pair] += words[word]
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], number[pair[0]], number[pair[1]]))
        if counts[best] < least:
            break
        learned.append(best)
        number.setdefault(best[0] + best[1].removeprefix(prefix), len(number))
        texts = {word: merge(symbols, best, prefix) for word, symbols in texts.items()}
    return learned


def split(symbols: Sequence[str], ranks: Mapping[Pair, int], prefix: str = "") -> list[str]:
    """Merge the pair that was learned first, and again, until no pair of neighbors was learned.

    >>> split("lowest", {("e", "s"): 0, ("es", "t"): 1, ("l", "o"): 2})
    ['lo', 'w', 'est']
    """
    symbols = list(symbols)
    while known := [pair for pair in itertools.pairwise(symbols) if pair in ranks]:
        symbols = merge(symbols, min(known, key=ranks.__getitem__), prefix)
    return symbols


def ordered(symbols: Iterable[str]) -> list[str]:
    """Single characters by their code, as the reference numbers them; marked ones after them.

    >>> ordered(["##a", "b", "a"])
    ['a', 'b', '##a']
    """
    return sorted(symbols, key=lambda symbol: (len(symbol), symbol))


def train_fast(
    words: Mapping[tuple[str, ...], int], merges: int, *, alphabet: Iterable[str] = (), prefix: str = "", least: int = 1
) -> list[Pair]:
    """`train`, with the counts kept up to date instead of counted anew.

    >>> train_fast({tuple("low"): 5, tuple("lowest"): 2, tuple("newest"): 6}, 3)
    [('e', 's'), ('w', 'es'), ('wes', 't')]
    """
    symbols = ordered({*alphabet}.union(*words))
    number = {symbol: at for at, symbol in enumerate(symbols)}

    def name(left: int, right: int) -> int:
        """The number of the merged symbol: an old one, where another pair gave the same."""
        joined = symbols[left] + symbols[right].removeprefix(prefix)
        if joined not in number:
            number[joined] = len(symbols)
            symbols.append(joined)
        return number[joined]

    rows = [[number[symbol] for symbol in word] for word in words]
    pairs = train_merges(rows, list(words.values()), merges, name, least)
    return [(symbols[left], symbols[right]) for left, right in pairs]


class BPE:
    """Words to tokens by a table of tokens and a list of pairs.

    Args:
        vocab: each token's number.
        merges: pairs, the first learned first.
        unk_token: what stands for a character that is not in the table; None leaves it out.
        continuing_subword_prefix: marks a symbol that does not begin its word.
        end_of_word_suffix: marks the symbol that ends its word ("</w>").
        fuse_unk: neighboring unknown characters are one `unk_token`.
        byte_fallback: an unknown character becomes its bytes, <0x00> ... <0xFF>.
        ignore_merges: a word that is a token is that token, whatever the pairs say.

    Raises:
        WorldError: a pair whose parts or whole are no tokens.

    >>> BPE({"l": 0, "o": 1, "w": 2, "lo": 3}, [("l", "o")]).tokens("low")
    (3, 2)
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Sequence[Pair],
        *,
        unk_token: str | None = None,
        continuing_subword_prefix: str | None = None,
        end_of_word_suffix: str | None = None,
        fuse_unk: bool = False,
        byte_fallback: bool = False,
        ignore_merges: bool = False,
    ):
        self.vocab = dict(vocab)
        self.merges = [(left, right) for left, right in merges]
        self.unk_token, self.fuse_unk, self.byte_fallback = unk_token, fuse_unk, byte_fallback
        self.prefix, self.suffix = continuing_subword_prefix or "", end_of_word_suffix or ""
        self.ignore_merges = ignore_merges
        self.pieces = {number: token for token, number in self.vocab.items()}
        if unk_token is not None and unk_token not in self.vocab:
            raise WorldError(f"expected the unknown token {unk_token!r} among the tokens, and it is not.")
        self.pairs: dict[tuple[int, int], tuple[int, int]] = {}  # pair of numbers -> (rank, number of the whole)
        for rank, (left, right) in enumerate(self.merges):
            whole = left + right.removeprefix(self.prefix)
            try:
                self.pairs[self.vocab[left], self.vocab[right]] = rank, self.vocab[whole]
            except KeyError as error:
                raise WorldError(f"merge {rank + 1} makes {whole!r} of {left!r} and {right!r}, and {error.args[0]!r} is no "
                                 "token; the table of tokens and the list of merges do not belong together.") from None  # fmt: skip
        self.ranks = Ranks(self.pairs)
        self.bytes = [self.vocab.get(f"<0x{byte:02X}>", -1) for byte in range(256)]
        self.known: dict[str, tuple[int, ...]] = _Answers(self)
        # Where no token goes on after such a mark, no pair reaches over it, and a text falls apart there.
        self.apart = falls_apart(self.vocab)

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "BPE", "dropout": None, "unk_token": self.unk_token, "continuing_subword_prefix": self.prefix or None,
            "end_of_word_suffix": self.suffix or None, "fuse_unk": self.fuse_unk, "byte_fallback": self.byte_fallback,
            "ignore_merges": self.ignore_merges, "vocab": self.vocab, "merges": [list(pair) for pair in self.merges],
        }  # fmt: skip

    def tokens(self, word: str) -> tuple[int, ...]:
        """The numbers of the tokens of one word."""
        return self.known[word]

    def read(self, word: str) -> tuple[int, ...]:
        """The same, worked out: `known` remembers what comes of it."""
        if self.ignore_merges and word in self.vocab:
            return (self.vocab[word],)
        numbers = self.symbols(word)
        if len(numbers) <= LONG:
            return tuple(self._short(numbers))
        return tuple(merge_all(np.array(numbers, dtype=np.int64), self.ranks).tolist())

    def symbols(self, word: str) -> list[int]:
        """What the merging begins with: the characters, the first and the last of them perhaps marked."""
        numbers: list[int] = []
        last, unknown = len(word) - 1, False
        plain = not (self.prefix or self.suffix)
        for at, character in enumerate(word):
            symbol = character
            if not plain:
                symbol = (self.prefix if at else "") + character + (self.suffix if at == last else "")
            number = self.vocab.get(symbol)
            if number is not None:
                numbers.append(number)
                unknown = False
                continue
            spelled = [self.bytes[byte] for byte in symbol.encode()] if self.byte_fallback else [-1]
            if min(spelled) >= 0:
                numbers += spelled
                unknown = False
            elif self.unk_token is not None:
                if not (self.fuse_unk and unknown):
                    numbers.append(self.vocab[self.unk_token])
                unknown = True
        return numbers

    def _short(self, numbers: list[int]) -> list[int]:
        """`split`, by numbers, one pair at a time."""
        pairs = self.pairs
        while len(numbers) > 1:
            best, at = len(self.merges), -1
            for place, pair in enumerate(itertools.pairwise(numbers)):
                found = pairs.get(pair)
                if found is not None and found[0] < best:
                    best, at, whole = found[0], place, found[1]
            if at < 0:
                break
            numbers[at : at + 2] = [whole]
        return numbers


def falls_apart(vocab: Iterable[str]) -> bool:
    """Whether no token holds the mark of a space behind other letters.

    >>> falls_apart(["▁", "▁▁", "▁a"]), falls_apart(["▁", "of▁the"])
    (True, False)
    """
    tokens = set(vocab)
    return "▁" in tokens and not any("▁" in token.lstrip("▁") for token in tokens)


class _Answers(dict[str, tuple[int, ...]]):
    """Words and their tokens: worked out when first asked for, and long ones every time."""

    def __init__(self, model: BPE):
        super().__init__()
        self.model = model

    def __missing__(self, word: str) -> tuple[int, ...]:
        answer = self.model.read(word)
        if len(word) <= 4 * LONG:
            if len(self) >= KEPT:
                self.clear()
            self[word] = answer
        return answer


def learn(
    words: Mapping[str, int],
    size: int,
    *,
    alphabet: Iterable[str] = (),
    special: Sequence[str] = (),
    prefix: str = "",
    suffix: str = "",
    least: int = 1,
    **settings: Any,
) -> BPE:
    """A table of `size` tokens from words and how often each occurs: special tokens, then symbols, then merged ones.

    Args:
        least: a pair that occurs less often is not merged.
        settings: more of those of `BPE`.

    Raises:
        CallError: a size that does not even hold the symbols.
    """
    marked = {marked_symbols(word, prefix, suffix): count for word, count in words.items() if word}
    symbols = ordered({*alphabet}.union(*marked))
    room = size - len(symbols) - len(special)
    if room < 0:
        raise CallError(f"expected a vocabulary of at least {size - room} tokens, as there are {len(symbols)} single symbols "
                        f"and {len(special)} special tokens, came {size}")  # fmt: skip
    merges = train_fast(marked, room, alphabet=symbols, prefix=prefix, least=least)
    vocab = dict.fromkeys([*special, *symbols])
    vocab |= dict.fromkeys(left + right.removeprefix(prefix) for left, right in merges)
    numbers = {token: number for number, token in enumerate(vocab)}
    return BPE(numbers, merges, continuing_subword_prefix=prefix, end_of_word_suffix=suffix, **settings)


def marked_symbols(word: str, prefix: str = "", suffix: str = "") -> tuple[str, ...]:
    """The characters of a word, those after the first marked by `prefix` and the last by `suffix`.

    >>> marked_symbols("low", prefix="##"), marked_symbols("low", suffix="</w>")
    (('l', '##o', '##w'), ('l', 'o', 'w</w>'))
    """
    if not (prefix or suffix):
        return tuple(word)
    last = len(word) - 1
    return tuple((prefix if at else "") + letter + (suffix if at == last else "") for at, letter in enumerate(word))
