"""Texts with blots: the examples of a masked language model.

Of each text 15 % of the tokens are to be guessed. Most of these are blotted out, one in ten is replaced by another token and one
in ten left as it is, so that the model cannot rest where it sees no blot: every token may be a wrong one. Which ones is drawn
anew each time a text is seen (Liu et al. 2019, "dynamic masking"), for the whole global batch at once.

Paper    Devlin et al. 2019, section 3.1 and A.1 - https://arxiv.org/abs/1810.04805
"""

import platform
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from learnable.data.examples import Batch, Data, Examples, Info
from learnable.data.fetch import fetch
from learnable.data.labeled import read_ag_news, read_sst
from learnable.data.registry import name_or_path
from learnable.data.text import SHARES, read_text, stdlib_text
from learnable.data.tokenizers.formats import to_json
from learnable.data.tokenizers.learning import learn_wordpiece
from learnable.data.words import Rows, Words, framed, words_of
from learnable.errors import CallError, WorldError

SHARE = 0.15
NOTHING = -100  # the target of a token that is not to be guessed
NAMES = ("stdlib", "tinyshakespeare", "sst", "ag_news", "ag_news_test")


class Windows:
    """Every stretch of a long text that, between the marks for first and last, fills the context."""

    def __init__(self, tokens: Int[Tensor, "tokens"], context: int, first: int, last: int):
        if len(tokens) < context - 2:
            raise ValueError(f"expected at least {context - 2} tokens, came {len(tokens)}")
        self.tokens = tokens
        self.window = torch.arange(context - 2)
        self.first, self.last = first, last

    def __len__(self) -> int:
        return len(self.tokens) - len(self.window) + 1

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return {}

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        text = self.tokens[indexes[:, None] + self.window].long()
        ends = text.new_empty(len(text), 1)
        return {"tokens": torch.cat([ends.fill_(self.first), text, torch.full_like(ends, self.last)], dim=1)}


class Masked:
    """Examples with the key `tokens`, of which some are blotted out; `target` says what stood there, -100 elsewhere.

    >>> words = Words(learn_wordpiece("a b c d e f g h", 13))
    >>> examples = Masked(Rows(torch.tensor([[2, 5, 6, 7, 8, 9, 10, 3]]), padding=0), words, context=8)
    >>> batch = examples.batch(torch.tensor([0]), examples.draw(1, torch.Generator().manual_seed(0)))
    >>> int((batch["target"] >= 0).sum())  # 15 % of six, rounded
    1
    """

    def __init__(self, examples: Examples, words: Words, context: int, share: float = SHARE):
        if not 0 < share < 1:
            raise CallError(f"expected a share of tokens to be guessed between 0 and 1, say 0.15, came {share}")
        self.examples = examples
        self.context = context
        self.share = share
        self.mask = words.mask
        self.special = torch.tensor(words.special)
        self.others = torch.tensor([number for number in range(len(words)) if number not in words.special])

    def __len__(self) -> int:
        return len(self.examples)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """For every place of every text: its turn to be guessed, what becomes of it, and a token that might replace it."""
        shape = (count, self.context)
        return self.examples.draw(count, generator) | {
            "turn": torch.rand(shape, generator=generator),
            "fate": torch.rand(shape, generator=generator),
            "stray": self.others[torch.randint(len(self.others), shape, generator=generator)],
        }

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        """The texts with their blots; without draws, as they were."""
        batch = self.examples.batch(indexes, draws)
        if "turn" not in draws:
            return batch
        tokens = batch["tokens"]
        turn, fate, stray = (draws[key][:, : tokens.shape[1]] for key in ("turn", "fate", "stray"))
        chosen = self.choose(tokens, turn)
        seen = torch.where(fate < 0.8, self.mask, torch.where(fate < 0.9, stray, tokens))
        return batch | {
            "tokens": torch.where(chosen, seen, tokens),
            "target": torch.where(chosen, tokens, NOTHING),
        }

    def choose(self, tokens: Int[Tensor, "batch tokens"], turn: Float[Tensor, "batch tokens"]) -> Tensor:
        """As many of each text as is its share, at least one: those whose turn comes first. Special tokens have none."""
        word = torch.isin(tokens, self.special, invert=True)
        count = (self.share * word.sum(dim=1, keepdim=True)).round().clamp(min=1)
        place = turn.masked_fill(~word, 2.0).argsort(dim=1).argsort(dim=1)
        return word & (place < count)


def masked_text(source: str | None = None, *, context: int = 64, vocab: int = 4096, share: float = SHARE) -> Data:
    """Texts for a masked language model, and the words that they are written in.

    Args:
        source: "stdlib" (also None), "tinyshakespeare"; "sst", "ag_news" and "ag_news_test" (their texts
            without their labels, each a row of its own); or the path of a text file in UTF-8.
        context: tokens of a row, [CLS] and [SEP] included.
        vocab: pieces of the vocabulary, which is learned from the training part.
        share: of the tokens that are to be guessed.

    Raises:
        CallError: no such data set; a context below 8.
        WorldError: no such file, or a text too short for the context.
    """
    if context < 8:
        raise CallError(f"expected a context of at least 8 tokens, came {context}")
    name, parts = _parts(source)
    tokenizer = learn_wordpiece(parts[0], vocab)
    words = Words(tokenizer)
    valid, test = (_rows(part, words, context) for part in parts[1:])
    train: Examples
    if len(parts[0]) > 1:
        train = _rows(parts[0], words, context)
        seen = train.tokens
    else:
        seen = torch.tensor(words.encode(parts[0][0]), dtype=torch.int32)
        if len(seen) < context or not len(valid) or not len(test):
            raise WorldError(
                f"{name} is too short for a context of {context} tokens; give more text, or a smaller --context"
            )
        train = Windows(seen, context, words.first, words.last)
    more = {"unigram": unigram(seen, test.tokens, words)}
    info = Info(data=name, context=context, tokenizer=to_json(tokenizer), more=more)
    return Data(info, *(Masked(part, words, context, share) for part in (train, valid, test)))


def masked_like(source: str | None, info: Info, share: float = SHARE) -> Masked:
    """The test part of `source` in the words and the context of the data of `info`: to test a model on it.

    Read by `masked_text`, it would bring words of its own, and the model would see other numbers.
    """
    words = words_of(info)
    _, parts = _parts(source)
    return Masked(_rows(parts[2], words, info.context), words, info.context, share)


def unigram(train: Int[Tensor, "*seen"], test: Int[Tensor, "*asked"], words: Words) -> dict[str, float]:
    """What who knows nothing but how common each token is reaches on `test`: loss in nats, share of right guesses."""
    special = torch.tensor(words.special)
    seen, asked = (part[torch.isin(part, special, invert=True)].long() for part in (train, test))
    counts = torch.bincount(seen, minlength=len(words)).double() + 1 / len(words)
    probability = counts / counts.sum()
    guess = counts.argmax()
    return {"loss": float(-probability[asked].log().mean()), "accuracy": float((asked == guess).double().mean())}


def _parts(source: str | None) -> tuple[str, tuple[list[str], ...]]:
    """What the data is called, and its three parts: many texts each, or a single long one."""
    choice = name_or_path(source, NAMES)
    if choice in ("sst", "ag_news", "ag_news_test"):
        name, _, texts = read_sst(five=True) if choice == "sst" else read_ag_news(choice == "ag_news_test")
        return name.replace("sst5", "sst"), tuple([text for text, _ in part] for part in texts)
    name, text = _one_text(choice)
    ends = [len(text) * sum(SHARES[:i]) // 100 for i in range(4)]
    return name, tuple([text[start:end]] for start, end in pairwise(ends))


def _one_text(choice: str | Path) -> tuple[str, str]:
    if choice == "stdlib":
        return f"stdlib of Python {platform.python_version()}", stdlib_text()[0]
    if isinstance(choice, str):
        return choice, read_text(fetch(choice, "input.txt"))
    return f"text {choice.name}", read_text(choice)


def _rows(texts: Sequence[str], words: Words, context: int) -> Rows:
    """A row for each text, or, of a single one, for each stretch of it."""
    if len(texts) > 1:
        return Rows(framed(texts, words, context), words.padding)
    numbers = words.encode(texts[0])
    rows = torch.full((-(-len(numbers) // (context - 2)), context), words.padding, dtype=torch.int32)
    for row, start in zip(rows, range(0, len(numbers), context - 2), strict=True):
        stretch = [words.first, *numbers[start : start + context - 2], words.last]
        row[: len(stretch)] = torch.tensor(stretch, dtype=torch.int32)
    return Rows(rows, words.padding)
