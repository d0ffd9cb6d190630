"""Text as tokens: characters, or pieces of words that are learned from the text itself, or those of somebody else's tokenizer.

Byte pairs make a text some three times shorter, so a model sees three times as far back, and no character is unknown to them.
They are learned from the training part alone: a piece that only the test has would tell of it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor

from learnable.data.examples import Data, Info, TextWindows
from learnable.data.text import characters, cut, encode, source_text
from learnable.data.tokenizers import formats, joining
from learnable.data.tokenizers.bpe import BPE
from learnable.data.tokenizers.learning import learn_bpe
from learnable.data.tokenizers.tokenizer import Tokenizer
from learnable.errors import CallError, WorldError, unknown

BYTES = 256
USUAL = (512, 8192)  # sizes of a vocabulary where none is asked for
RARE = (
    10  # characters of the training part for each token of the vocabulary: with fewer, most tokens are met too seldom
)


def tokenized(
    source: str | None = None, *, context: int = 128, tokenizer: str = "characters", vocab: int = 0
) -> Data:  # fmt: skip
    """The text `source` in windows of `context` + 1 tokens.

    Args:
        source: "stdlib" (also None), "tinyshakespeare", "names", or the path of a text file in UTF-8.
        context: how many tokens the model sees at most.
        tokenizer: "characters"; "bpe": byte pairs, learned from the training part; or the path of a tokenizer of bytes, as
            GPT-2's: a tokenizer.json, or a folder with it or with vocab.json and merges.txt.
        vocab: how many tokens are learned; 0: one for every thousand characters, rounded to a power of two, from 512 to 8192.

    Raises:
        CallError: no such data set or tokenizer, a context below 1, a vocabulary that is out of range.
        WorldError: no such file, not UTF-8, too short for the context, a tokenizer that cannot be read.
    """
    if vocab and tokenizer != "bpe":
        raise CallError(
            "--vocab says how many tokens are learned, which is for --tokenizer bpe; leave it out, or add that"
        )
    if tokenizer == "characters":
        return characters(source, context=context)
    if context < 1:
        raise CallError(f"expected a context of at least 1 token, came {context}")
    text, name, more = source_text(source)
    parts = cut(text, context, name)
    cutter = learned(parts[0], vocab, name) if tokenizer == "bpe" else of_bytes(tokenizer)
    more = {**more, "characters": str(len(parts[2]))}  # of the test part, whatever its number of tokens
    info = Info(data=name, tokenizer=formats.to_json(cutter), context=context, more=more)
    return _windows(parts, info)


def tokenized_like(source: str | None, info: Info) -> Data:
    """Another text, or the same one, by the tokenizer that a model was trained with.

    Raises:
        CallError: no such data set.
        WorldError: no such file, not UTF-8, too short for the context.
    """
    text, name, _ = source_text(source)
    return _windows(cut(text, info.context, name), info)


def learned(text: str, vocab: int = 0, name: str = "the text") -> Tokenizer:
    """Byte pairs out of a text; `vocab` of them, or as many as suit its length.

    >>> len(learned("low lower lowest " * 200, 258))
    258

    Raises:
        CallError: below 257, more than a tenth of the characters, or more than the text has pairs for.
    """
    if not vocab:
        return learn_bpe(text, usual(len(text)))
    most = max(USUAL[0], len(text) // RARE)
    if not BYTES < vocab <= most:
        raise CallError(f"expected a --vocab from {BYTES + 1} (every byte is a token) to {most:,} (a token for every {RARE} "
                        f"characters to learn from in {name}), came {vocab}")  # fmt: skip
    found = learn_bpe(text, vocab)
    if len(found) < vocab:
        raise CallError(
            f"expected a --vocab of at most {len(found)}, as {name} has no more pairs to merge, came {vocab}"
        )
    return found


def usual(characters: int) -> int:
    """How many tokens are learned from a text of this length, if nobody asks for a number.

    >>> [usual(length) for length in (5_000, 900_000, 3_000_000, 10**9)]
    [512, 1024, 4096, 8192]
    """
    least, most = USUAL
    return min(max(2 ** round(math.log2(max(characters, 1000) / 1000)), least), most)


def of_bytes(place: str) -> Tokenizer:
    """A tokenizer out of a file, if it is one of bytes: only with such a one is every text possible and comes back as it was.

    Raises:
        CallError: neither a way to cut text nor a path; a tokenizer of another kind.
        WorldError: it cannot be read.
    """
    path = Path(place).expanduser()
    if not path.exists():
        raise unknown("tokenizer", place, ["bpe", "characters", "the path of a tokenizer.json"])
    found = formats.load(path)
    clean = found.normalizer is None and isinstance(found.decoder, joining.ByteLevel)
    if not clean or found.decode(found.encode("Ab  c\né", special=False), skip_special=False) != "Ab  c\né":
        raise CallError(f"expected a tokenizer of bytes as GPT-2's, which gives every text back as it was; {place} changes it, "
                        "so bits per character would be those of another text")  # fmt: skip
    return found


# ------------------------------------------------------------------------------------------------- there and back


def to_tokens(text: str, info: Info) -> Integer[Tensor, "tokens"]:
    """A text as the model of this data reads it, in the smallest integers that hold the numbers.

    >>> to_tokens("baa", Info("toy", alphabet=("a", "b")))
    tensor([1, 0, 0], dtype=torch.uint8)

    Raises:
        CallError: by characters, one that is not in the alphabet.
    """
    if info.cutter is None:
        return encode(text, info.alphabet)
    smallest = np.int16 if info.vocab <= 1 << 15 else np.int32
    return torch.from_numpy(np.array(info.cutter.encode(text, special=False), dtype=smallest))


def to_text(tokens: Iterable[int] | Tensor, info: Info) -> str:
    """The text that these tokens stand for; a character that was cut in two is shown as �.

    >>> to_text([0, 1, 1, 0], Info("toy", alphabet=("a", "b")))
    'abba'
    """
    return "".join(to_pieces(tokens, info))


def to_pieces(tokens: Iterable[int] | Tensor, info: Info) -> Iterator[str]:
    """The text piece by piece, as the tokens come; never half a character."""
    numbers = (int(token) for token in tokens)
    if info.cutter is not None:
        return info.cutter.stream(numbers)
    return (info.alphabet[number] for number in numbers)


def opening(info: Info) -> str:
    """What stands before a text of which nothing is said: a new line, where there is one."""
    return "\n" if info.cutter is not None or "\n" in info.alphabet else info.alphabet[0]


def tokenizer_of(info: Info) -> Tokenizer:
    """What `tokenizer.json` says of this data; an alphabet is a table without pairs.

    Raises:
        CallError: this data is no text by characters or byte pairs.
    """
    if info.cutter is not None:
        return info.cutter
    if not info.alphabet or info.classes:
        raise CallError(f"{info.data} has no tokenizer")
    return Tokenizer(BPE({letter: number for number, letter in enumerate(info.alphabet)}, []), decoder=joining.Fuse())


def _windows(parts: Sequence[str], info: Info) -> Data:
    rows = [to_tokens(part, info) for part in parts]
    room = min(map(len, rows)) - 1
    if info.context > room:
        help = f"give more text, or --context {room} or less." if room > 0 else "give more text."
        raise WorldError(f"the text is too short: its smallest part has {room + 1} tokens, and a context of {info.context} needs "
                         f"{info.context + 1}; {help}")  # fmt: skip
    return Data(info, *(TextWindows(row, info.context) for row in rows))
