"""Fewer heads for keys and values than for queries: what a small language model loses, and how much less it has to remember.

Run it       learnable train multi-head-attention                 MHA: each of 8 heads asks keys of its own
             learnable train multi-head-attention-grouped         GQA: 2 heads of keys and values, 4 heads of queries ask each
             learnable train multi-head-attention-single          MQA: all ask the same keys
Takes        some three quarters of a minute each on one CPU core
Compare      learnable runs multi-head-attention multi-head-attention-grouped multi-head-attention-single

All are Llamas of the same width, depth and number of heads, and of the same data, steps and optimizer. What fewer keys save in
weights is given back to the MLP, as Shazeer did (2019, section 4.1), so that they have equally many, to one in three hundred.
`bits_per_character` is how well the text is expected, `cache_bytes` what every token of a text adds to the memory of whoever
continues it (in float32; `cache_values` are the numbers), and that is what every further token has to read again.
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from learnable.data.examples import Examples, Info
from learnable.data.text import characters
from learnable.metrics.language import language_metrics
from learnable.models.language.llama import Llama, LlamaConfig
from learnable.nn.multihead import MultiHeadAttention
from learnable.objectives.next_token import next_token
from learnable.optim.factories import adamw
from learnable.optim.schedules import warmup_cosine
from learnable.sampling.text import stream_text, write_text
from learnable.train.recipe import Expected, Metrics, Player, Recipe


def llama(info: Info, key_heads: int, depth: int = 3, width: int = 96, heads: int = 8) -> Llama:
    saved = (
        2 * (heads - key_heads) * (width // heads)
    )  # rows of the matrices of keys and values, each as long as the width
    hidden = 8 * width // 3 + round(saved / 3)  # SwiGLU has three matrices
    return Llama(LlamaConfig(depth, width, heads, key_heads, hidden, vocab=info.vocab, context=info.context, tied=True))


def evaluate(model: nn.Module, examples: Examples, info: Info) -> Metrics:
    """How well the text is expected, and what is remembered of each token of it."""
    attentions = [part for part in model.modules() if isinstance(part, MultiHeadAttention)]
    values = sum(2 * part.key_heads * part.head_width for part in attentions)  # a key and a value
    return language_metrics(model, examples, info) | {"cache_values": values, "cache_bytes": 4 * values}


def example(info: Info) -> tuple[Tensor, ...]:
    """Two texts for export."""
    return (torch.arange(2 * info.context).reshape(2, info.context) % info.vocab,)


RECIPE = Recipe(
    model=partial(llama, key_heads=8),
    data=characters,
    data_settings={"context": 64},
    sources={
        "stdlib": "1 MB of Python's own standard library (default)",
        "tinyshakespeare": "1 MB of Shakespeare's plays",
    },
    model_settings={"depth": 3, "width": 96, "heads": 8},
    players=(Player(next_token, adamw, learning_rate=5e-3, schedule=warmup_cosine),),
    steps=600,
    batch_size=32,
    clip=1.0,
    every=300,
    evaluate=evaluate,
    expected=Expected("bits_per_character", at_most=2.8, minutes=0.75, machine="1 CPU core"),
    generate=write_text,
    stream=stream_text,
    example=example,
    inputs=("tokens",),
    free=("batch", "tokens"),
)

GROUPED = replace(RECIPE, model=partial(llama, key_heads=2))
SINGLE = replace(RECIPE, model=partial(llama, key_heads=1))
