"""Filling in what was blotted out: the task that BERT and RoBERTa are trained for, and BERT's second one beside it.

    the [MASK] sat on the mat     ->  cat

Which tokens are blotted out is the data's business; the loss counts these places alone.

Papers   Devlin et al. 2019, section 3.1, tasks 1 and 2; Liu et al. 2019, section 4.2, who found the second one needless
"""

import torch.nn.functional as F
from torch import Tensor, nn

from learnable.data.examples import Batch


def masked_tokens(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy, in nats, of the tokens that were blotted out, and the share that the model names.

    `tokens` (batch, length) is the text with its blots; `target` (batch, length) what stood there, and -100 elsewhere;
    `segments`, where the data has them, says which sentence each token is of. `model(tokens, segments, chosen=places)`
    gives logits (places, vocab).

    >>> import torch
    >>> class Undecided(nn.Module):
    ...     def forward(self, tokens, segments, chosen):
    ...         return torch.zeros(int(chosen.sum()), 4)
    >>> batch = {"tokens": torch.tensor([[0, 3, 2]]), "target": torch.tensor([[-100, 1, -100]])}
    >>> masked_tokens(Undecided(), batch)["total"]  # ln 4
    tensor(1.3863)
    """
    chosen = batch["target"] >= 0
    logits = model(batch["tokens"], batch.get("segments"), chosen=chosen)
    return _filled_in(logits, batch["target"][chosen])


def masked_tokens_and_order(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """The same, plus the cross-entropy of whether the second sentence followed the first: `label` 0, or not: 1."""
    chosen = batch["target"] >= 0
    logits, order = model(batch["tokens"], batch.get("segments"), chosen=chosen)
    losses = _filled_in(logits, batch["target"][chosen])
    follows = F.cross_entropy(order, batch["label"])
    return losses | {"total": losses["total"] + follows, "masked": losses["total"], "order": follows}


def _filled_in(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    right = logits.detach().argmax(dim=-1) == target
    return {"total": F.cross_entropy(logits, target), "accuracy": right.float().mean()}
