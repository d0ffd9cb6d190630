"""A small GPT learns to write, character by character or by byte pairs: Python by default, Shakespeare, or any text of yours.

Run it       learnable train gpt                          the standard library of the Python that runs it
             learnable train gpt --data tinyshakespeare
             learnable train gpt --data ./my-novel.txt
             learnable train gpt --data ./my-novel.txt --tokenizer bpe      pieces of words, learned from the text
Then         learnable generate gpt --prompt "def "
Takes        some two and a half minutes on two CPU cores

To be worth anything it has to beat counting: on the standard library `ngram_loss` reaches 3.76 bits per character by pairs,
3.15 by threes and 2.97 by fours; by more it gets worse.
"""

import torch
from torch import Tensor

from learnable.data.examples import Info
from learnable.data.tokens import tokenized
from learnable.metrics.language import language_metrics
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.objectives.next_token import next_token
from learnable.optim.factories import adamw
from learnable.optim.schedules import warmup_cosine
from learnable.sampling.text import stream_text, write_text
from learnable.train.recipe import Expected, Player, Recipe


def small(info: Info, depth: int = 4, width: int = 128, heads: int = 4) -> GPT:
    return GPT(GPTConfig(depth=depth, width=width, heads=heads, vocab=info.vocab, context=info.context))


def example(info: Info) -> tuple[Tensor, ...]:
    """Two texts for export."""
    return (torch.arange(2 * info.context).reshape(2, info.context) % info.vocab,)


RECIPE = Recipe(
    model=small,
    data=tokenized,
    data_settings={"context": 128, "tokenizer": "characters", "vocab": 0},
    sources={
        "stdlib": "1 MB of Python's own standard library (default)",
        "tinyshakespeare": "1 MB of Shakespeare's plays",
        "names": "32,033 first names",
    },
    model_settings={"depth": 4, "width": 128, "heads": 4},
    players=(Player(next_token, adamw, learning_rate=3e-3, schedule=warmup_cosine),),
    steps=800,
    batch_size=32,
    clip=1.0,
    every=200,
    evaluate=language_metrics,
    expected=Expected("bits_per_character", at_most=2.5, minutes=2.5),
    generate=write_text,
    stream=stream_text,
    example=example,
    inputs=("tokens",),
    free=("batch", "tokens"),
)
