"""Texts as rows of pieces of words, each between the marks that its tokenizer puts around it, filled up to the longest.

    "Unaffable!"  ->  [CLS] una ##ffa ##ble ! [SEP] [PAD] [PAD]        by BERT's list of pieces
    "Unaffable!"  ->  <s> Un aff able ! </s> <pad> <pad>               by RoBERTa's byte pairs

How a text is cut is the tokenizer's matter (`learnable.data.tokenizers`): one that was published, or one that was learned here.

Paper    Devlin et al. 2019, section 3 (the marks around a text) - https://arxiv.org/abs/1810.04805
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from learnable.data.examples import Batch, Info
from learnable.data.tokenizers.tokenizer import Tokenizer
from learnable.errors import CallError, WorldError

# What the tokens that stand for no word are called, by BERT and by RoBERTa.
PADDING, MASK = ("[PAD]", "<pad>"), ("[MASK]", "<mask>")


class Words:
    """A tokenizer, and the numbers of its tokens that stand for no word.

    >>> from learnable.data.tokenizers.formats import bert
    >>> from learnable.data.tokenizers.wordpiece import SPECIAL, WordPiece
    >>> words = Words(bert(WordPiece({piece: at for at, piece in enumerate((*SPECIAL, "c", "cat", "##s"))})))
    >>> words.encode("Cats"), words.frame("cats cat", context=4)
    ([6, 7], [2, 6, 7, 3])

    Raises:
        WorldError: it has no padding or mask, or puts something else around a text than a mark before it and one behind.
    """

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.padding, self.mask = (_number(tokenizer, names) for names in (PADDING, MASK))
        match tokenizer.template.single:
            case ((int(first), _), ("A", _), (int(last), _)):
                self.first, self.last = first, last
            case _:
                raise WorldError("expected a tokenizer that puts one token before a text and one behind it, as BERT's and "
                                 "RoBERTa's do, came another; is it the vocabulary of such a model?")  # fmt: skip
        self.special = tuple(sorted(tokenizer.special | {self.padding, self.mask, self.first, self.last}))

    def __len__(self) -> int:
        return len(self.tokenizer)

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's pieces, without the marks around it."""
        return self.tokenizer.encode(text, special=False)

    def frame(self, text: str, context: int) -> list[int]:
        """The first mark, as much of the text as fits, the last mark."""
        return [self.first, *self.encode(text)[: context - 2], self.last]


class Rows:
    """Texts as rows of tokens, filled up with padding; a batch is as long as the longest text in it.

    Args:
        tokens: (texts, context), padding at the end.
        more: other columns, say `label`.
    """

    def __init__(self, tokens: Int[Tensor, "texts context"], padding: int, more: Batch | None = None):
        self.tokens = tokens
        places = torch.arange(1, tokens.shape[1] + 1)
        self.lengths = torch.where(tokens != padding, places, 0).amax(dim=1)  # a text may speak of [PAD] itself
        self.more = more or {}

    def __len__(self) -> int:
        return len(self.tokens)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return {}

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        longest = int(self.lengths[indexes].max())
        own = {key: column[indexes] for key, column in self.more.items()}
        return {"tokens": self.tokens[indexes, :longest].long(), **own}


def words_of(info: Info) -> Words:
    """Those that a model of this data was trained with.

    Raises:
        CallError: this data is no texts by a tokenizer.
    """
    if info.cutter is None:
        raise CallError(f"expected texts in pieces of words, came {info.data}, which has no tokenizer")
    return Words(info.cutter)


def framed(texts: Sequence[str], words: Words, context: int) -> Int[Tensor, "texts context"]:
    """Each text between its marks, filled up; what does not fit is cut off."""
    rows = torch.full((len(texts), context), words.padding, dtype=torch.int32)
    for row, text in zip(rows, texts, strict=True):
        numbers = words.frame(text, context)
        row[: len(numbers)] = torch.tensor(numbers, dtype=torch.int32)
    return rows


def _number(tokenizer: Tokenizer, names: tuple[str, ...]) -> int:
    found = [tokenizer.numbers[name] for name in names if name in tokenizer.numbers]
    if not found:
        raise WorldError(f"expected the token {' or '.join(names)} in the vocabulary of {len(tokenizer):,} tokens, and it is "
                         "missing; is it the tokenizer of a BERT or a RoBERTa?")  # fmt: skip
    return found[0]
