r"""Unigram: every token has a probability, and a text is cut where the product of its tokens' probabilities is greatest.

    P(text cut as x_1 ... x_n) = p(x_1) ... p(x_n)

The best of all ways to cut is found by dynamic programming (Viterbi): the best way to write the first n letters ends in some
token, and what stands before that token is itself written in the best way.

Training begins with far too many tokens. Expectation-maximization asks how often each is used, averaged over all ways to
cut, and makes that its probability; then those that the text would miss least are dropped; and so on, down to the size wanted.

Paper    Kudo 2018, section 3.2 - https://arxiv.org/abs/1804.10959; as in SentencePiece, unigram_model.cc
Letters  their x is our text, their V our `scores`, their p(x) the exponential of a score, their η our `KEPT_SHARE`
Differs  words that no token reaches over are cut one by one, which changes nothing; a word of more than 64 letters counts as several
         in training; the first tokens are all frequent stretches of a word, counted, not found by a suffix array
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from learnable.data.tokenizers.bpe import KEPT, falls_apart
from learnable.errors import CallError, WorldError

UNKNOWN_PENALTY = 10.0  # how much worse than the rarest token an unknown character is, in nats
ALWAYS = -0.1  # the score of a token that is used wherever it stands: nothing else comes near
KEPT_SHARE = 0.75  # of the tokens, at each pruning
SEEDS = 10  # tokens to begin with, for each that is wanted
LONGEST = 16  # letters of a token
WORD = 64


def best_cut(
    text: str, scores: Mapping[str, float], unknown: float, *, longest: int = LONGEST, without: str | None = None
) -> list[str]:
    """The most probable way to cut a text; letters that are in no token stand alone, each at the price `unknown`.

    Args:
        without: a token not to be used.

    >>> best_cut("abc", {"a": -1.0, "b": -1.0, "c": -1.0, "ab": -1.5}, unknown=-9.0)
    ['ab', 'c']
    """
    best = [0.0] + [-math.inf] * len(text)  # how probable the best way to write the first n letters is
    start_of_last = [0] * (len(text) + 1)
    for start in range(len(text)):
        so_far, alone = best[start], False
        for end in range(start + 1, min(start + longest, len(text)) + 1):
            token = text[start:end]
            if token in scores and token != without:
                alone |= end == start + 1
                if so_far + scores[token] > best[end]:
                    best[end], start_of_last[end] = so_far + scores[token], start
        if not alone and so_far + unknown > best[start + 1]:
            best[start + 1], start_of_last[start + 1] = so_far + unknown, start
    tokens, end = [], len(text)
    while end:
        tokens.append(text[start_of_last[end] : end])
        end = start_of_last[end]
    return tokens[::-1]


class Unigram:
    """Words to tokens by a table of tokens and their scores, the logarithms of their probabilities.

    Args:
        vocab: tokens and scores, in the order of their numbers.
        unk_id: the number of the token for what is unknown.
        byte_fallback: an unknown character becomes its bytes, <0x00> ... <0xFF>.
        skipped: numbers that no text is cut into (controls, such as the end of a text).
        always: numbers of tokens that are used wherever they stand (SentencePiece's user-defined symbols).

    >>> Unigram([("<unk>", 0.0), ("▁", -2.0), ("▁a", -1.0), ("b", -1.5)], unk_id=0).tokens("▁abcc")
    (2, 3, 0)
    """

    def __init__(
        self,
        vocab: Sequence[tuple[str, float]],
        unk_id: int | None = None,
        *,
        byte_fallback: bool = False,
        skipped: Sequence[int] = (),
        always: Sequence[int] = (),
    ):
        self.list = [(piece, float(score)) for piece, score in vocab]
        if unk_id is not None and not 0 <= unk_id < len(self.list):
            raise WorldError(f"expected an unk_id from 0 to {len(self.list) - 1}, came {unk_id}.")
        self.unk_id, self.byte_fallback = unk_id, byte_fallback
        self.vocab = {piece: number for number, (piece, _) in enumerate(self.list)}
        self.pieces = {number: piece for number, (piece, _) in enumerate(self.list)}
        left_out = set(skipped)
        usable = [(number, piece, score) for number, (piece, score) in enumerate(self.list) if number not in left_out]
        self.scores = {piece: score for _, piece, score in usable if piece}
        plain = [score for number, _, score in usable if number not in always] or [0.0]
        self.unknown = min(plain) - UNKNOWN_PENALTY
        for number in always:
            self.scores[self.list[number][0]] = ALWAYS
        self.beginnings = {piece[:end] for piece in self.scores for end in range(1, len(piece) + 1)}
        self.bytes = [self.vocab.get(f"<0x{byte:02X}>", -1) for byte in range(256)]
        self.known = _Answers(self)
        self.apart = falls_apart(self.scores)

    def to_json(self) -> dict[str, Any]:
        return {"type": "Unigram", "unk_id": self.unk_id, "vocab": [list(row) for row in self.list],
                "byte_fallback": self.byte_fallback}  # fmt: skip

    def tokens(self, word: str) -> tuple[int, ...]:
        """The numbers of the tokens of one word."""
        return self.known[word]

    def read(self, word: str) -> tuple[int, ...]:
        numbers: list[int] = []
        pieces = ((piece, piece in self.scores and self.vocab[piece] != self.unk_id) for piece in self.cut(word))
        for known, group in groupby(pieces, key=itemgetter(1)):
            if known:
                numbers += [self.vocab[piece] for piece, _ in group]
            else:  # neighbors that are unknown are one
                numbers += self.unknown_numbers("".join(piece for piece, _ in group))
        return tuple(numbers)

    def unknown_numbers(self, text: str) -> list[int]:
        """What stands for a stretch of unknown characters: their bytes, or the token for what is unknown."""
        if text in self.scores:  # the name of that token, by itself
            return [self.vocab[text]]
        spelled = [self.bytes[byte] for byte in text.encode()] if self.byte_fallback else [-1]
        if min(spelled) >= 0:
            return spelled
        if self.unk_id is None:
            raise CallError(f"{text!r} is in no token, and this vocabulary has none for what is unknown")
        return [self.unk_id]

    def cut(self, text: str) -> list[str]:
        """`best_cut`, which stops looking where no token begins with what it has read."""
        scores, beginnings, unknown, size = self.scores, self.beginnings, self.unknown, len(text)
        best = [-math.inf] * (size + 1)
        best[0] = 0.0
        start_of_last = [0] * (size + 1)
        for start in range(size):
            so_far, alone, end = best[start], False, start + 1
            while end <= size and (token := text[start:end]) in beginnings:
                if token in scores:
                    alone |= end == start + 1
                    score = so_far + scores[token]
                    if score > best[end]:
                        best[end], start_of_last[end] = score, start
                end += 1
            if not alone and so_far + unknown > best[start + 1]:
                best[start + 1], start_of_last[start + 1] = so_far + unknown, start
        tokens, end = [], size
        while end:
            tokens.append(text[start_of_last[end] : end])
            end = start_of_last[end]
        return tokens[::-1]


class _Answers(dict[str, tuple[int, ...]]):
    """Words and their tokens: worked out when first asked for, and long ones every time."""

    def __init__(self, model: Unigram):
        super().__init__()
        self.model = model

    def __missing__(self, word: str) -> tuple[int, ...]:
        answer = self.model.read(word)
        if len(word) <= 2 * WORD:
            if len(self) >= KEPT:
                self.clear()
            self[word] = answer
        return answer


def train(words: Mapping[str, int], size: int, *, special: Sequence[str] = ("<unk>",), iterations: int = 2) -> Unigram:
    """A table of at most `size` tokens, from words and how often each occurs; every letter of them is kept.

    Args:
        special: the first of the table, of which the first stands for what is unknown.
        iterations: of expectation-maximization before each pruning.

    >>> model = train({"▁low": 50, "▁lowest": 20, "▁newest": 60, "▁new": 9}, 14)
    >>> [model.pieces[token] for token in model.tokens("▁lowest")]
    ['▁lowest']

    Raises:
        CallError: a size that does not hold the single letters.
    """
    texts: Counter[str] = Counter()
    for word, count in words.items():
        for at in range(0, len(word), WORD):
            texts[word[at : at + WORD]] += count
    letters = {letter for word in texts for letter in word}
    wanted = size - len(special)
    if wanted < len(letters):
        raise CallError(f"expected a vocabulary of at least {len(letters) + len(special)} tokens, as there are {len(letters)} "
                        f"letters and {len(special)} special tokens, came {size}")  # fmt: skip
    most = int(1.1 * wanted)  # the last tenth goes by score
    scores = seeds(texts, SEEDS * wanted)
    while True:
        for _ in range(iterations):
            scores = maximized(expected_uses(texts, scores), letters)
        if len(scores) <= most:
            break
        scores = pruned(texts, scores, max(int(KEPT_SHARE * len(scores)), most))
    lowest = min(scores.values())
    rows = {letter: scores.get(letter, lowest - 0.001 * at) for at, letter in enumerate(sorted(letters))}
    others = sorted((token for token in scores if token not in letters), key=lambda token: (-scores[token], token))
    rows |= {token: scores[token] for token in others[: wanted - len(rows)]}
    table = sorted(rows.items(), key=lambda row: (-row[1], row[0]))
    return Unigram([*((token, 0.0) for token in special), *table], unk_id=0, skipped=range(len(special)))


def seeds(texts: Mapping[str, int], count: int) -> dict[str, float]:
    """All letters, and the stretches of a word that cover most: those of the greatest frequency times length."""
    uses: Counter[str] = Counter()
    for text, times in texts.items():
        for start in range(len(text)):
            for end in range(start + 1, min(start + LONGEST, len(text)) + 1):
                uses[text[start:end]] += times
    several = {token: often * len(token) for token, often in uses.items() if len(token) > 1 and often > 1}
    chosen = sorted(several, key=lambda token: (-several[token], token))[:count]
    chosen += [token for token in uses if len(token) == 1]
    total = sum(uses[token] * len(token) for token in chosen)
    return {token: math.log(uses[token] * len(token) / total) for token in chosen}


def expected_uses(texts: Mapping[str, int], scores: Mapping[str, float]) -> dict[str, float]:
    """How often each token is used, averaged over all ways to cut, each as likely as it is (the E step).

    The ways that lead to a place, times those that lead on from it: forward and backward sums, as in a hidden Markov model.
    """
    chances = {token: math.exp(score) for token, score in scores.items()}
    uses = dict.fromkeys(scores, 0.0)
    for text, times in texts.items():
        size = len(text)
        edges = [
            (start, end, token, chances[token])
            for start in range(size)
            for end in range(start + 1, min(start + LONGEST, size) + 1)
            if (token := text[start:end]) in chances
        ]
        forward, backward = [1.0] + [0.0] * size, [0.0] * size + [1.0]
        for start, end, _, chance in edges:
            forward[end] += forward[start] * chance
        for start, end, _, chance in reversed(edges):
            backward[start] += backward[end] * chance
        if forward[size] > 0:
            share = times / forward[size]
            for start, end, token, chance in edges:
                uses[token] += share * forward[start] * chance * backward[end]
    return uses


def maximized(uses: Mapping[str, float], letters: set[str]) -> dict[str, float]:
    """Scores that make these uses likeliest; a token used less than half a time goes (the M step).

    The logarithm is taken of a little less than the count (digamma), which is what a sparse prior makes of it: the rare
    get rarer (Liang and Klein 2009, section 3.4).
    """
    kept = {token: use for token, use in uses.items() if use >= 0.5 or (token in letters and use > 0)}
    total = digamma(sum(kept.values()))
    return {token: digamma(max(use, 0.5)) - total for token, use in kept.items()}


def digamma(x: float) -> float:
    """The derivative of the logarithm of the gamma function; about ln(x - 1/2).

    >>> round(digamma(1.0), 6)
    -0.577216
    """
    below = 0.0
    while x < 7:
        below += 1 / x
        x += 1
    square = 1 / (x * x)
    return math.log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square / 252)) - below


def pruned(texts: Mapping[str, int], scores: Mapping[str, float], count: int) -> dict[str, float]:
    """The `count` tokens (and all letters) without which the text would become most improbable."""
    unknown = min(scores.values()) - UNKNOWN_PENALTY
    uses: Counter[str] = Counter()
    for text, times in texts.items():
        for token in best_cut(text, scores, unknown):
            uses[token] += times
    total = sum(uses.values())
    losses: dict[str, float] = {}
    kept = {token: score for token, score in scores.items() if len(token) == 1}
    for token, use in uses.items():
        if len(token) == 1 or best_cut(token, scores, unknown) != [token]:
            continue
        instead = best_cut(token, scores, unknown, without=token)
        now = math.log(use / total)
        without = sum(math.log((uses[part] + use) / (total + use * (len(instead) - 1))) for part in instead)
        losses[token] = use * (now - without)
    chosen = sorted(losses, key=lambda token: (-losses[token], token))[: max(0, count - len(kept))]
    return kept | {token: scores[token] for token in chosen}
