"""The modern GPT, which begins as a sum of nothing: here its zeros are made small numbers, so that all of it can be asked."""

import math
from functools import partial

import torch

from contract.case import Case, read
from contract.rows.first import text
from learnable.models.language.modern_gpt import NANOCHAT, ModernGPT, ModernGPTConfig
from learnable.objectives.next_token import next_token


def awake() -> ModernGPT:
    model = ModernGPT(ModernGPTConfig(depth=2, width=32, heads=4, vocab=65, context=16))
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return model


CASES = {
    "ModernGPT": Case(
        awake, text, read, next_token, guessing=math.log(65), causal="tokens",
        variants=[(partial(ModernGPT, config), size) for config, size in NANOCHAT.values()],
    ),
}  # fmt: skip
