"""GPT as one would build it today, trained with Muon: nanoGPT's published result in a fraction of its time.

Run it       learnable train gpt-modern                          the standard library of the Python that runs it
             learnable train gpt-modern --data tinyshakespeare
             learnable train gpt-modern --data ./my-novel.txt
Then         learnable generate gpt-modern --prompt "def "
Takes        half a minute on two CPU cores; less with --precision bf16 where the processor has bfloat16

Compared with nanoGPT's own configuration for a CPU (4 blocks of width 128, context 64, 2,000 steps of 12 texts with AdamW),
whose loss of 1.88 on Tiny Shakespeare it reaches: `python -m benchmarks nanogpt` runs both in turn. What each of its parts
brings is written down in `recipes/LOG.md`.
"""

from functools import partial

import torch
from torch import Tensor

from learnable.data.examples import Info
from learnable.data.text import characters
from learnable.metrics.language import language_metrics
from learnable.models.language.modern_gpt import ModernGPT, ModernGPTConfig
from learnable.objectives.next_token import next_token
from learnable.optim.factories import muon
from learnable.optim.schedules import hold_then_fall
from learnable.sampling.text import write_text
from learnable.train.recipe import Expected, Player, Recipe


def small(info: Info, depth: int = 2, width: int = 128, heads: int = 4) -> ModernGPT:
    return ModernGPT(ModernGPTConfig(depth=depth, width=width, heads=heads, vocab=info.vocab, context=info.context))


def example(info: Info) -> tuple[Tensor, ...]:
    """Two texts for export."""
    return (torch.arange(2 * info.context).reshape(2, info.context) % info.vocab,)


RECIPE = Recipe(
    model=small,
    data=characters,
    data_settings={"context": 64},
    sources={
        "stdlib": "1 MB of Python's own standard library (default)",
        "tinyshakespeare": "1 MB of Shakespeare's plays",
        "names": "32,033 first names",
    },
    promises={"tinyshakespeare": Expected("loss", at_most=1.88, minutes=0.5)},
    model_settings={"depth": 2, "width": 128, "heads": 4},
    players=(
        Player(
            next_token,
            partial(muon, momentum=0.8, adam_share=0.375, betas=(0.9, 0.99)),
            learning_rate=0.08,
            schedule=hold_then_fall,
        ),
    ),
    steps=200,
    batch_size=24,
    every=50,
    evaluate=language_metrics,
    expected=Expected("bits_per_character", at_most=2.6, minutes=0.5),
    generate=write_text,
    example=example,
    inputs=("tokens",),
    free=("batch", "tokens"),
)
