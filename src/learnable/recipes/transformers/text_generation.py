"""Six ways to choose the next character, measured on a small GPT that was trained on the spot, against what people wrote.

Run it       learnable train text-generation                 the standard library of the Python that runs it
             learnable train text-generation --data tinyshakespeare
Then         learnable generate text-generation --prompt "def " --top-p 0.9
Takes        about a minute and a half on two CPU cores

32 pieces of the test part, each 32 characters long, are continued by 192 characters: always the likeliest (greedy), the likeliest
text that four beams find (8 pieces), drawn as they are expected (pure), from the 10 likeliest (top_k), from nine tenths of the
probability (top_p), from all at least a tenth as probable as the likeliest (min_p). Of each way, `repeated_...` is the share of
stretches of 12 characters that stood in the same text before, `distinct_...` how many stretches of 6 are different over all
texts, `bits_...` how unexpected the text is to the model itself. `..._human` is the same of what really followed.

The promise is the degeneration of maximization (Holtzman et al. 2020): how much more of its text greedy repeats than top_p
does.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.text import characters
from learnable.metrics.generation import bits_of, distinct, repeated
from learnable.metrics.language import language_metrics
from learnable.models.language.modern_gpt import ModernGPT, ModernGPTConfig
from learnable.objectives.next_token import next_token
from learnable.optim.factories import muon
from learnable.optim.schedules import hold_then_fall
from learnable.sampling.beam import generate_beam
from learnable.sampling.cache import generate_cached
from learnable.sampling.choosing import Choose
from learnable.sampling.text import greedy, sample, stream_text, write_text
from learnable.train.recipe import Expected, Metrics, Player, Recipe

PIECES, GIVEN, NEW, SEARCHED = 32, 32, 192, 8
REPEATED, DISTINCT = 12, 6  # characters of a stretch


def ways() -> dict[str, Choose]:
    """Each with dice of its own, so that none depends on the others."""
    dice: dict[str, dict[str, Any]] = {
        "pure": {},
        "top_k": {"top_k": 10},
        "top_p": {"top_p": 0.9},
        "min_p": {"min_p": 0.1},
    }
    drawn = {name: sample(generator=torch.Generator().manual_seed(0), **how) for name, how in dice.items()}
    return {"greedy": greedy, **drawn}


def evaluate(model: nn.Module, examples: Any, info: Info) -> Metrics:
    """What the model expects of the text, and what it makes of its beginnings."""
    metrics = language_metrics(model, examples, info)
    device = next(model.parameters()).device
    text = examples.tokens.long()
    if len(text) < PIECES + GIVEN + NEW:
        return metrics  # too little to begin with
    starts = torch.linspace(0, len(text) - GIVEN - NEW, PIECES).long()
    human = text[starts[:, None] + torch.arange(GIVEN + NEW)].to(device)
    written = {
        name: torch.stack(generate_cached(model, human[:, :GIVEN], NEW, choose)) for name, choose in ways().items()
    }
    few = human[:: PIECES // SEARCHED, :GIVEN]
    written["beam"] = torch.stack(generate_beam(model, few, NEW, size=4))
    for name, texts in {"human": human, **written}.items():
        new = texts[:, GIVEN:].tolist()
        metrics[f"repeated_{name}"] = sum(repeated(row, REPEATED) for row in new) / len(new)
        metrics[f"distinct_{name}"] = distinct(new[:SEARCHED] if name == "beam" else new, DISTINCT)
        metrics[f"bits_{name}"] = bits_of(model, texts, GIVEN)
    metrics["repetition_avoided"] = metrics["repeated_greedy"] - metrics["repeated_top_p"]
    return metrics


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
    every=300,
    evaluate=evaluate,
    expected=Expected("repetition_avoided", at_least=0.2, minutes=1.5),
    generate=write_text,
    stream=stream_text,
    example=example,
    inputs=("tokens",),
    free=("batch", "tokens"),
)
