"""A small Llama learns to write, character by character, with the parameters, the steps and the data of the small GPT.

Run it       learnable train llama                          the standard library of the Python that runs it
             learnable train llama --data tinyshakespeare
             learnable train llama --data ./my-novel.txt
             learnable train llama --data ./my-novel.txt --tokenizer bpe    pieces of words, learned from the text
Then         learnable generate llama --prompt "def "
Takes        some two and a half minutes on two CPU cores
Compare      learnable runs llama gpt
"""

import torch
from torch import Tensor

from learnable.data.examples import Info
from learnable.data.tokens import tokenized
from learnable.metrics.language import language_metrics
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.objectives.next_token import next_token
from learnable.optim.factories import adamw
from learnable.optim.schedules import warmup_cosine
from learnable.sampling.text import stream_text, write_text
from learnable.train.recipe import Expected, Player, Recipe


def small(info: Info, depth: int = 4, width: int = 128, heads: int = 4, key_heads: int = 2, hidden: int = 398) -> Llama:
    return Llama(LlamaConfig(depth, width, heads, key_heads, hidden, vocab=info.vocab, context=info.context, tied=True))


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
    model_settings={"depth": 4, "width": 128, "heads": 4, "key_heads": 2, "hidden": 398},
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
