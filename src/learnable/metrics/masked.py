"""How well blotted-out tokens are guessed, beside what counting alone gives."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from learnable.metrics.classification import watching


@torch.no_grad()
def masked_metrics(model: nn.Module, examples: Any, info: Any, batch_size: int = 128) -> dict[str, float]:
    """Share of right guesses and mean cross-entropy (nats) over all places that are to be guessed, the same ones every time.

    Args:
        info: its `more["unigram"]`, where it is there, says what always guessing the commonest token reaches.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    right, loss, places = 0, 0.0, 0
    for indexes in torch.arange(len(examples)).split(batch_size):
        batch = examples.batch(indexes, examples.draw(len(indexes), generator))
        target = batch["target"].to(device)
        chosen = target >= 0
        with watching(model):
            logits = model(batch["tokens"].to(device), batch.get("segments"), chosen=chosen).float()
        right += int((logits.argmax(dim=-1) == target[chosen]).sum())
        loss += float(F.cross_entropy(logits, target[chosen], reduction="sum"))
        places += int(chosen.sum())
    counted = {f"unigram_{key}": value for key, value in info.more.get("unigram", {}).items()}
    return {"accuracy": right / places, "loss": loss / places, **counted}
