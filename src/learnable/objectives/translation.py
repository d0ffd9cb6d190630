"""Learning to translate: at each place of the known translation, say the next word.

Paper    Vaswani et al. 2017, sections 3.1 (the target is shifted by one) and 5.4 (label smoothing)
"""

from torch import Tensor, nn

from learnable.data.examples import Batch


def translate(model: nn.Module, batch: Batch, *, padding: int = 0, smoothing: float = 0.1) -> dict[str, Tensor]:
    r"""Smoothed cross-entropy, in nats, of each word of `target` (batch, 1 + words) given `source` and the words before it.

    The right word is to have the share 1 - smoothing + smoothing / V, each other one smoothing / V. So a model gains nothing
    from being surer than that, the loss does not fall to zero, and the perplexity suffers; the translations get better.
    Padding counts for nothing: the loss is the mean over all real words of the batch, so long sentences count more.

    Returns `total`, and `surprise`: the plain cross-entropy, without smoothing.

    >>> import torch
    >>> class Undecided(nn.Module):
    ...     def forward(self, source, target):
    ...         return torch.zeros(*target.shape, 4)
    >>> undecided = Undecided()
    >>> translate(undecided, {"source": torch.tensor([[3]]), "target": torch.tensor([[1, 3, 2, 0]])})["total"]  # ln 4
    tensor(1.3863)
    """
    target = batch["target"]
    log_shares = model(batch["source"], target[:, :-1]).log_softmax(dim=-1)  # (batch, words, vocab)
    answers = target[:, 1:]
    real = answers != padding
    surprise = -log_shares.gather(-1, answers[..., None])[..., 0][real].mean()
    indifference = -log_shares.mean(dim=-1)[real].mean()
    return {"total": (1 - smoothing) * surprise + smoothing * indifference, "surprise": surprise.detach()}
