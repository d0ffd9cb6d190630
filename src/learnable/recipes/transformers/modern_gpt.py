"""GPT as one would build it today, trained with Muon: it learns the same from far fewer texts.

Run it       learnable train gpt-modern                          the standard library of the Python that runs it
             learnable train gpt-modern --data tinyshakespeare
             learnable train gpt-modern --data ./my-novel.txt
             learnable train gpt-modern --data ./my-novel.txt --tokenizer bpe
Then         learnable generate gpt-modern --prompt "def "
Takes        some half a minute on two CPU cores; --precision bf16 makes it faster where the processor has bfloat16

To be compared with nanoGPT's own configuration for a CPU (4 blocks of width 128, context 64, 2,000 steps of 12 texts with
AdamW, a loss of 1.88 to 1.91 on Tiny Shakespeare). What is promised so far is to beat counting, whose best is 2.97 bits per
character on the standard library (see `gpt`); `recipes/LOG.md` has what was found on the way.
"""

from functools import partial

import torch
from torch import Tensor

from learnable.data.examples import Info
from learnable.data.tokens import tokenized
from learnable.metrics.language import language_metrics
from learnable.models.language.modern_gpt import ModernGPT, ModernGPTConfig
from learnable.objectives.next_token import next_token
from learnable.optim.factories import muon
from learnable.optim.schedules import hold_then_fall
from learnable.sampling.text import stream_text, write_text
from learnable.train.recipe import Expected, Player, Recipe


def small(info: Info, depth: int = 2, width: int = 128, heads: int = 4) -> ModernGPT:
    return ModernGPT(ModernGPTConfig(depth=depth, width=width, heads=heads, vocab=info.vocab, context=info.context))


def example(info: Info) -> tuple[Tensor, ...]:
    """Two texts for export."""
    return (torch.arange(2 * info.context).reshape(2, info.context) % info.vocab,)


RECIPE = Recipe(
    model=small,
    data=tokenized,
    data_settings={"context": 64, "tokenizer": "characters", "vocab": 0},
    sources={
        "stdlib": "1 MB of Python's own standard library (default)",
        "tinyshakespeare": "1 MB of Shakespeare's plays",
        "names": "32,033 first names",
    },
    model_settings={"depth": 2, "width": 128, "heads": 4},
    players=(
        Player(
            next_token,
            partial(muon, momentum=0.8, adam_share=0.375, betas=(0.9, 0.99)),
            learning_rate=0.08,
            schedule=hold_then_fall,
        ),
    ),
    steps=300,
    batch_size=24,
    every=50,
    evaluate=language_metrics,
    expected=Expected("bits_per_character", at_most=2.5, minutes=0.5),
    generate=write_text,
    stream=stream_text,
    example=example,
    inputs=("tokens",),
    free=("batch", "tokens"),
)
