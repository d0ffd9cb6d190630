"""Associative recall as a loss: the digit beside the letter that the question asks for."""

import torch.nn.functional as F
from torch import Tensor, nn

from learnable.data.examples import Batch


def recall(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the answer, in nats, and the share of right ones.

    `model` turns `tokens` (batch, tokens, 2) into logits (batch, values); `label` (batch,) is the answer.
    """
    logits = model(batch["tokens"])
    accuracy = (logits.argmax(dim=-1) == batch["label"]).float().mean()
    return {"total": F.cross_entropy(logits, batch["label"]), "accuracy": accuracy}
