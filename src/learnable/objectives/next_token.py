"""Predicting the next token: the one task that language models are trained for.

Paper    Radford et al. 2019, section 2 (equation 1: the probability of a text is a product, one factor for each token)
"""

import torch.nn.functional as F
from torch import Tensor, nn

from learnable.data.examples import Batch


def next_token(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy, in nats, of every token given the ones before it; `tokens` (batch, length + 1).

    The text is its own answer: shifted by one, each place's target is the token that follows.

    >>> import torch
    >>> undecided = nn.Embedding.from_pretrained(torch.zeros(4, 4))  # the same logits after every token
    >>> next_token(undecided, {"tokens": torch.tensor([[0, 1, 2, 3]])})["total"]  # ln 4
    tensor(1.3863)
    """
    tokens = batch["tokens"]
    logits = model(tokens[:, :-1])  # (batch, length, vocab)
    return {"total": F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())}
