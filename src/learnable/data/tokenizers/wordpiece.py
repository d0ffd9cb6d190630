"""WordPiece: of a word, always the longest token that fits, from the left; what goes on with a word is marked ##.

    unaffordable  ->  una ##ff ##ord ##able

There is no list of merges: the table alone decides. A word of which a part cannot be found is one [UNK].

Paper    Schuster and Nakajima 2012, section 3; as in BERT, Devlin et al. 2019, google-research/bert, tokenization.py
Differs  how the table was learned is not published in full; `train` takes the most frequent pair, as Hugging Face's trainer does,
         where the paper takes the one that makes the text likeliest
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from learnable.data.tokenizers.bpe import KEPT, learn
from learnable.errors import WorldError


def longest_first(word: str, vocab: Mapping[str, int], prefix: str = "##") -> list[str] | None:
    """The tokens of a word, the longest at each place; None where there is none.

    >>> longest_first("lowest", {"low": 0, "lo": 1, "##west": 2, "##est": 3})
    ['low', '##est']
    """
    tokens, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            token = (prefix if start else "") + word[start:end]
            if token in vocab:
                break
        else:
            return None
        tokens.append(token)
        start = end
    return tokens


class WordPiece:
    """Words to tokens by a table.

    Args:
        max_input_chars_per_word: a longer word is unknown.

    >>> WordPiece({"[UNK]": 0, "low": 1, "##est": 2}).tokens("lowest")
    (1, 2)
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        *,
        unk_token: str = "[UNK]",
        continuing_subword_prefix: str = "##",
        max_input_chars_per_word: int = 100,
    ):
        self.vocab = dict(vocab)
        if unk_token not in self.vocab:
            raise WorldError(f"expected the unknown token {unk_token!r} in a WordPiece vocabulary of {len(vocab)} tokens, and it "
                             "is not there; is this another kind of file?")  # fmt: skip
        self.pieces = {number: token for token, number in self.vocab.items()}
        self.unk_token, self.prefix, self.longest = unk_token, continuing_subword_prefix, max_input_chars_per_word
        self.known = _Answers(self)
        self.apart = False

    def to_json(self) -> dict[str, Any]:
        return {"type": "WordPiece", "unk_token": self.unk_token, "continuing_subword_prefix": self.prefix,
                "max_input_chars_per_word": self.longest, "vocab": self.vocab}  # fmt: skip

    def tokens(self, word: str) -> tuple[int, ...]:
        """The numbers of the tokens of one word."""
        return self.known[word]

    def read(self, word: str) -> tuple[int, ...]:
        found = longest_first(word, self.vocab, self.prefix) if len(word) <= self.longest else None
        return (self.vocab[self.unk_token],) if found is None else tuple(self.vocab[token] for token in found)


class _Answers(dict[str, tuple[int, ...]]):
    """Words and their tokens, worked out when first asked for."""

    def __init__(self, model: WordPiece):
        super().__init__()
        self.model = model

    def __missing__(self, word: str) -> tuple[int, ...]:
        answer = self.model.read(word)
        if len(word) <= self.model.longest:
            if len(self) >= KEPT:
                self.clear()
            self[word] = answer
        return answer


SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train(
    words: Mapping[str, int], size: int, *, special: Sequence[str] = SPECIAL, alphabet: Iterable[str] = ()
) -> WordPiece:
    """A table of `size` tokens from words and how often each occurs.

    >>> model = train({"low": 5, "lower": 2, "slow": 6}, 13, special=["[UNK]"])
    >>> [model.pieces[token] for token in model.tokens("slower")]
    ['slow', '##er']

    Raises:
        CallError: a size that does not even hold the single letters.
    """
    merged = learn(words, size, alphabet=alphabet, special=special, prefix="##")
    return WordPiece(merged.vocab)
