"""Classification: of all the classes, say which; be the more surprised by the truth, the less you believed in it.

    logits   one score for each class; softmax makes probabilities of them
    total    cross-entropy: minus the logarithm of the probability of the right class, in nats, mean over the batch

Who has learned nothing and knows it gives each of n classes 1/n and pays ln n: 2.30 for ten digits.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from learnable.data.examples import Batch


def classify(model: nn.Module, batch: Batch, *, inputs: str = "image") -> dict[str, Tensor]:
    """Cross-entropy of the right classes, and how many of a batch the model has right.

    `model(batch[inputs])` gives logits (batch, classes); `batch["label"]` (batch) numbers the right class. Where the
    input is not a picture, name it: `partial(classify, inputs="features")`.

    >>> import torch
    >>> losses = classify(nn.Identity(), {"image": torch.zeros(4, 10), "label": torch.tensor([0, 1, 2, 3])})
    >>> {name: round(loss.item(), 4) for name, loss in losses.items()}
    {'total': 2.3026, 'accuracy': 0.25}
    """
    logits = model(batch[inputs])
    right = logits.detach().argmax(dim=-1) == batch["label"]
    return {"total": F.cross_entropy(logits, batch["label"]), "accuracy": right.float().mean()}
