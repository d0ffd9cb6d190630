"""Llama and its kin."""

import math
from functools import partial

from contract.case import Case, read
from contract.rows.first import text
from learnable.models.language.llama import LLAMA, Llama, LlamaConfig
from learnable.objectives.next_token import next_token


def small_llama() -> Llama:
    """Grouped keys, a window shorter than the text, biases, a head of its own: every part that a row may have."""
    return Llama(LlamaConfig(2, 32, 4, 2, hidden=88, vocab=65, context=16, window=7, biases=True))


CASES = {
    "Llama": Case(
        small_llama, text, read, next_token, guessing=math.log(65), causal="tokens",
        variants=[(partial(Llama, config), size) for config, size in LLAMA.values()],
    ),
}  # fmt: skip
