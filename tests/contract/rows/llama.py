"""Llama and its kin, and the small model whose positions are handed over."""

import math
from functools import partial

from contract.case import Case, read
from contract.rows.first import text
from learnable.models.language.llama import LLAMA, Llama, LlamaConfig
from learnable.models.language.placed import PlacedLM
from learnable.nn.positions import RelativeBias
from learnable.objectives.next_token import next_token


def small_llama() -> Llama:
    """Grouped keys, a window shorter than the text, biases, a head of its own: every part that a row may have."""
    return Llama(LlamaConfig(2, 32, 4, 2, hidden=88, vocab=65, context=16, window=7, biases=True))


def small_placed() -> PlacedLM:
    """With T5's buckets, so few that a text of thirteen tokens uses each."""
    return PlacedLM(65, 32, 4, 2, longest=16, at_score=RelativeBias(4, buckets=8, furthest=10, causal=True))


CASES = {
    "Llama": Case(
        small_llama, text, read, next_token, guessing=math.log(65), causal="tokens",
        variants=[(partial(Llama, config), size) for config, size in LLAMA.values()],
    ),
    "PlacedLM": Case(small_placed, text, read, next_token, guessing=math.log(65), causal="tokens"),
}  # fmt: skip
