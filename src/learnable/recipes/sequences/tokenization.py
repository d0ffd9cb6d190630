"""Bytes, byte pairs, WordPiece and unigram, learned from the same text and measured on text that none of them has seen.

Run it       learnable train tokenization                            the standard library of the Python that runs it
             learnable train tokenization --data tinyshakespeare
             learnable train tokenization --data ./my-novel.txt
Takes        some forty seconds on one CPU core, most of it for unigram
Then         learnable generate tokenization                         tokens out of a bag

A fifth of the training part, drawn by the seed, is learned from. Of the test part are measured, for vocabularies of 512 to
4,096 tokens: `bytes_per_token_...`, how many times shorter the text becomes, and `fertility_...`, tokens for each word. With
the vocabulary of `--vocab`: `returned_...`, the share of pieces of 200 characters that come back as they were;
`premium_...`, how many times the tokens of an English text its translation takes, or, where a language has letters that the
tokenizer does not know, `unknown_...`, the share of tokens that say only so; `megabytes_per_second_...`, how fast the test
part becomes tokens.

WordPiece and unigram know blanks only as ends of words, so all are given texts with single ones.

What is kept is the smallest language model, `Frequencies`, of byte pairs learned from the whole training part:
its bits per character are what the pieces alone are worth. The promise: 2,048 byte pairs make the text 2.4 times as short.
"""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from learnable.data.examples import Examples, Info, TextWindows
from learnable.data.tokenizers.learning import learn_bpe, learn_unigram, learn_wordpiece
from learnable.data.tokenizers.tokenizer import Tokenizer
from learnable.data.tokens import to_text, tokenized
from learnable.errors import CallError
from learnable.metrics.language import language_metrics
from learnable.metrics.tokenization import bytes_per_token, come_back, fertility, premium, unknown
from learnable.nn.frequencies import Frequencies
from learnable.train.recipe import Expected, Metrics, Program
from learnable.train.workbench import Workbench

BLOCK, PIECE = 2_000, 200  # characters: what the seed chooses among, and what is to come back
SHARE = 5  # one block in so many is learned from
SIZES = (512, 1024, 2048, 4096)

ENGLISH = (
    "The old house on the hill has a garden full of flowers. In summer the children play there until it gets dark."
)
TRANSLATIONS = {
    "german": "Das alte Haus auf dem Hügel hat einen Garten voller Blumen. Im Sommer spielen die Kinder dort, bis es dunkel wird.",
    "french": "La vieille maison sur la colline a un jardin plein de fleurs. En été, les enfants y jouent jusqu'à la tombée de la "
    "nuit.",
    "russian": "У старого дома на холме есть сад, полный цветов. Летом дети играют там, пока не стемнеет.",
    "chinese": "山上的老房子有一个开满鲜花的花园。夏天，孩子们在那里玩到天黑。",
}

LEARN: dict[str, Callable[[str, int], Tokenizer]] = {
    "bpe": learn_bpe,
    "wordpiece": partial(learn_wordpiece, lowercase=False),
    "unigram": learn_unigram,
}


def compare(bench: Workbench, *, vocab: int, largest: int) -> Metrics:
    """Learn them all, measure them, and keep how often the byte pairs of the data occur."""
    sizes = sorted({vocab, *(size for size in SIZES if size <= largest)})
    if vocab < SIZES[0]:
        raise CallError(
            f"expected a --vocab of at least {SIZES[0]}, as 256 bytes and all letters are tokens, came {vocab}"
        )
    info = bench.data.info
    known, asked = windows(bench.data.train).tokens, windows(bench.data.test).tokens
    text, unseen = single_blanks(to_text(known, info)), single_blanks(to_text(asked, info))
    seen = drawn(text, bench.seed)
    metrics: Metrics = {}
    works = [(size, name) for size in sizes for name in LEARN]
    for step, (size, name) in enumerate(works, start=1):
        begun = time.perf_counter()
        cutter = LEARN[name](seen, size)
        seconds = time.perf_counter() - begun
        begun = time.perf_counter()
        tokens = cutter.encode(unseen, special=False)
        speed = len(unseen.encode()) / (time.perf_counter() - begun) / 1e6
        found = {"bytes_per_token": bytes_per_token(unseen, tokens), "fertility": fertility(unseen, tokens)}
        metrics |= {f"{key}_{name}_{size}": value for key, value in found.items()}
        if size == vocab:
            metrics |= {f"{key}_{name}": value for key, value in suits(cutter, unseen).items()}
            metrics |= {f"megabytes_per_second_{name}": speed, f"seconds_to_learn_{name}": seconds}
        bench.report(step, len(works), {"bytes_per_token": found["bytes_per_token"]})
        if bench.stopping:
            return metrics
    metrics |= {
        f"premium_{language}_bytes": len(said.encode()) / len(ENGLISH) for language, said in TRANSLATIONS.items()
    }
    metrics["bytes_per_token"] = metrics[f"bytes_per_token_bpe_{vocab}"]
    model = Frequencies.counted(known.long(), info.vocab)
    bench.save(len(works), {"logits": model.logits.detach().numpy()})
    return metrics | language_metrics(model, bench.data.test, info)


def windows(examples: Examples) -> TextWindows:
    assert isinstance(examples, TextWindows), "tokenized gives windows of one long row of tokens"
    return examples


def suits(cutter: Tokenizer, unseen: str) -> dict[str, float]:
    """What comes back, and what other languages pay: in tokens where each letter has some, else in letters that are lost."""
    pieces = [unseen[start : start + PIECE].strip() for start in range(0, len(unseen), PIECE)]
    found = {"returned": come_back(cutter, pieces)}
    for language, said in TRANSLATIONS.items():
        lost = unknown(cutter, said)
        found |= {f"unknown_{language}": lost} if lost else {f"premium_{language}": premium(cutter, said, ENGLISH)}
    return found


def single_blanks(text: str) -> str:
    """The text as WordPiece and unigram see it.

    >>> single_blanks("def f():    pass ")
    'def f(): pass'
    """
    return " ".join(text.split())


def drawn(text: str, seed: int) -> str:
    """One in `SHARE` of the text's blocks, as the dice of this seed fall, in their order."""
    starts = range(0, len(text), BLOCK)
    taken = random.Random(seed).sample(starts, max(1, len(starts) // SHARE))
    return " ".join(text[start : start + BLOCK] for start in sorted(taken))


def shake(
    model: nn.Module, info: Info, prompt: str, *, count: int = 200, seed: int = 0, temperature: float = 1.0
) -> dict[str, Any]:
    """The prompt, and tokens drawn by how frequent they are, as out of a bag: what a model knows that looks at nothing."""
    if count < 1 or temperature < 0:
        raise CallError(
            f"expected a count of at least 1 and a temperature of at least 0, came {count} and {temperature}"
        )
    logits = model.get_parameter("logits")
    shares = (logits.detach().cpu().double() / max(temperature, 1e-6)).softmax(dim=-1)
    tokens = shares.multinomial(count, replacement=True, generator=torch.Generator().manual_seed(seed))
    return {"text": prompt + to_text(tokens, info)}


def example(info: Info) -> tuple[Tensor, ...]:
    """Two texts for export."""
    return (torch.arange(2 * info.context).reshape(2, info.context) % info.vocab,)


def frequencies(info: Info) -> Frequencies:
    return Frequencies(info.vocab)


RECIPE = Program(
    run=compare,
    data=partial(tokenized, tokenizer="bpe"),
    data_settings={"context": 64},
    sources={
        "stdlib": "1 MB of Python's own standard library (default)",
        "tinyshakespeare": "1 MB of Shakespeare's plays",
    },
    model=frequencies,
    run_settings={"vocab": 2048, "largest": SIZES[-1]},
    quick={"vocab": 512, "largest": 512},
    evaluate=language_metrics,
    expected=Expected("bytes_per_token", at_least=2.4, minutes=0.6, machine="1 CPU core"),
    generate=shake,
    example=example,
    inputs=("tokens",),
    free=("batch", "tokens"),
)
