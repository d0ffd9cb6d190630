"""Models that read one text and write another."""

import math
from functools import partial

import torch
from torch import Generator, Tensor, nn

from contract.case import Batch, Case
from learnable.models.language.transformer import VASWANI, Transformer, TransformerConfig
from learnable.objectives.translation import translate

VOCAB = 300


def sentences(generator: Generator, examples: int) -> Batch:
    """Sources of 3 to 7 tokens and targets of 6, of words 3 to 299; 0 is padding, 1 the start."""
    source = torch.randint(3, VOCAB, (examples, 7), generator=generator)
    lengths = torch.randint(3, 8, (examples, 1), generator=generator)
    target = torch.randint(3, VOCAB, (examples, 7), generator=generator)
    target[:, 0] = 1
    return {"source": source.masked_fill(torch.arange(7) >= lengths, 0), "target": target}


def written(model: nn.Module, batch: Batch) -> Tensor:
    return model(batch["source"], batch["target"])


def small_transformer() -> Transformer:
    return Transformer(TransformerConfig(depth=2, width=32, heads=4, hidden=64, vocab=VOCAB, context=16, dropout=0.0))


CASES = {
    "Transformer": Case(
        small_transformer, sentences, written, partial(translate, smoothing=0.0), guessing=math.log(VOCAB),
        causal="target", variants=[(partial(Transformer, config), size) for config, size in VASWANI.values()],
    ),
}  # fmt: skip
