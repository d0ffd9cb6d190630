"""BERT with each of its heads."""

import math
from functools import partial

import torch
from torch import Generator, Tensor, nn

from contract.case import Batch, Case
from learnable.models.language.bert import (
    BERT,
    BERTS,
    BERTConfig,
    Encoder,
    MaskedLM,
    Pretraining,
    TextClassifier,
    TokenClassifier,
)
from learnable.objectives.classification import classify
from learnable.objectives.masked import masked_tokens, masked_tokens_and_order

TOY = BERTConfig(depth=2, width=32, heads=4, vocab=65, context=16)
MASK = 3

MASKED = {  # without a pooler, with a head
    "bert-tiny": 4_416_698, "bert-mini": 11_201_594, "bert-small": 28_795_194, "bert-medium": 41_404_730,
    "bert-base": 109_514_298, "bert-large": 335_174_458, "roberta-base": 124_697_433, "roberta-large": 355_412_057,
}  # fmt: skip


def blotted(generator: Generator, examples: int) -> Batch:
    """Texts of 13 tokens in two segments, two of them blotted out, the last ones padding in half of the texts."""
    tokens = torch.randint(4, 65, (examples, 13), generator=generator)
    tokens[::2, 11:] = 0
    places = torch.stack([torch.randperm(11, generator=generator)[:2] for _ in range(examples)])
    target = torch.full_like(tokens, -100).scatter(1, places, tokens.gather(1, places))
    return {
        "tokens": torch.where(target >= 0, MASK, tokens),
        "target": target,
        "segments": (torch.arange(13) >= torch.randint(3, 10, (examples, 1), generator=generator)).long(),
        "label": torch.randint(2, (examples,), generator=generator),
    }


def body(model: nn.Module, batch: Batch) -> Tensor:
    return model(batch["tokens"], batch["segments"])


def pooled(model: nn.Module, batch: Batch) -> Tensor:
    features = body(model, batch)
    return torch.cat([features, model.pool(features)[:, None]], dim=1)


def both(model: nn.Module, batch: Batch) -> Tensor:
    return torch.cat([answer.flatten(1) for answer in body(model, batch)], dim=1)


def first_says(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """A body has no task of its own: here its first two channels are the logits of a label."""
    logits = body(model, batch)[:, 0, :2]
    return {"total": nn.functional.cross_entropy(logits, batch["label"])}


def pool_says(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    logits = model.pool(body(model, batch))[:, :2] * 5  # a hyperbolic tangent alone cannot be sure
    return {"total": nn.functional.cross_entropy(logits, batch["label"])}


def tag(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    logits = body(model, batch)
    return {"total": nn.functional.cross_entropy(logits.flatten(0, 1), batch["segments"].flatten())}


CASES = {
    # A norm's output is not near zero, so a body that is read as logits is not undecided: it guesses with a spread of 1.
    "Encoder": Case(partial(Encoder, TOY), blotted, body, first_says, guessing=1.5 * math.log(2)),
    "BERT": Case(
        partial(BERT, TOY), blotted, pooled, pool_says, guessing=1.5 * math.log(2),
        variants=[(partial(BERT, config), size) for config, size in BERTS.values()],
    ),
    "MaskedLM": Case(
        partial(MaskedLM, TOY), blotted, body, masked_tokens, guessing=math.log(65),
        variants=[(partial(MaskedLM, BERTS[name][0]), size) for name, size in MASKED.items()],
    ),
    "Pretraining": Case(
        partial(Pretraining, TOY), blotted, both, masked_tokens_and_order, guessing=math.log(65) + math.log(2),
        variants=[(partial(Pretraining, BERTS["bert-base"][0]), 110_106_428)],
    ),
    "TextClassifier": Case(
        partial(TextClassifier, TOY, 2), blotted, body, partial(classify, inputs="tokens"), guessing=math.log(2),
        variants=[(partial(TextClassifier, BERTS["bert-base"][0], 2), 109_483_778),
                  (partial(TextClassifier, BERTS["roberta-base"][0], 2), 124_647_170)],
    ),
    "TokenClassifier": Case(partial(TokenClassifier, TOY, 2), blotted, body, tag, guessing=math.log(2)),
}  # fmt: skip
