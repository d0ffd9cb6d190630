"""One training step of GPT: ours against transformers' GPT-2, same shapes, weights, optimizer, attention kernel and threads.

Forward, loss, backward, AdamW, zeroed gradients; no dropout on either side; both sides alternate in one run.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from learnable.models.language.gpt import GPT, GPTConfig
from learnable.objectives.next_token import next_token
from learnable.optim.factories import adamw
from learnable.weights.gpt import TABLE, config_json
from learnable.weights.table import untranslate

BOUNDS = {"GPT training step / transformers' step": 1.03}
CONFIG = GPTConfig(depth=4, width=256, heads=4, vocab=1024, context=128)
BATCH = 8


def measure(rounds: int = 30, threads: int = 2) -> dict[str, float]:
    """Our time over theirs, medians; below 1 is faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        we, they = sides()
        seconds: dict[Callable[[], float], list[float]] = {we: [], they: []}
        for round_ in range(rounds + 3):
            for step in (we, they) if round_ % 2 else (they, we):
                start = time.perf_counter()
                step()
                if round_ >= 3:  # before that, memory is still being set up
                    seconds[step].append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return {name: statistics.median(seconds[we]) / statistics.median(seconds[they]) for name in BOUNDS}


def sides() -> tuple[Callable[[], float], Callable[[], float]]:
    """A step of ours and a step of theirs, from the same weights on the same text; each gives its loss."""
    import transformers

    torch.manual_seed(0)
    ours = GPT(CONFIG)
    config = transformers.GPT2Config(
        **config_json(vars(CONFIG), torch.float32), attn_implementation="sdpa", use_cache=False
    )
    theirs = transformers.GPT2LMHeadModel(config).train()
    theirs.transformer.load_state_dict(untranslate(ours.state_dict(), TABLE))
    tokens = torch.randint(CONFIG.vocab, (BATCH, CONFIG.context + 1), generator=torch.Generator().manual_seed(1))
    optimizers = adamw(ours, 1e-4), adamw(theirs, 1e-4)

    def we() -> float:
        loss = next_token(ours, {"tokens": tokens})["total"]
        loss.backward()
        optimizers[0].step()
        optimizers[0].zero_grad()
        return loss.item()

    def they() -> float:
        logits = theirs(tokens[:, :-1]).logits
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        optimizers[1].step()
        optimizers[1].zero_grad()
        return loss.item()

    if abs(we() - they()) > 1e-4:
        raise AssertionError("the two sides do not compute the same loss")
    return we, they


def main() -> None:
    for name, number in measure().items():
        print(f"{name}: {number:.2f} (bound {BOUNDS[name]:.2f})")


if __name__ == "__main__":
    main()
