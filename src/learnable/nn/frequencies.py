"""The smallest language model: how often each token occurs, whatever stands before it.

    tokens -> for every place the same logits: ln(count + 1)

It knows nothing of a text but which tokens it is made of, so what it makes of a text is the tokenizer's merit alone: pieces
of words, each said to be rare or common, pack a text better than letters do.

Paper    Shannon 1948, section 3 (the first-order approximation) - https://doi.org/10.1002/j.1538-7305.1948.tb01338.x;
         every count one higher, as Laplace proposed, so that nothing is impossible
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Frequencies(nn.Module):
    """Logits of the next token that do not depend on the text.

    >>> model = Frequencies.counted(torch.tensor([0, 0, 0, 1]), vocab=3)
    >>> model(torch.tensor([[2, 1]])).softmax(dim=-1)[0, 0].detach()
    tensor([0.5714, 0.2857, 0.1429])
    """

    def __init__(self, vocab: int):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(vocab))

    def forward(self, tokens: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens vocab"]:
        return self.logits.expand(*tokens.shape, -1)

    @classmethod
    def counted(cls, tokens: Int[Tensor, "tokens"], vocab: int) -> "Frequencies":
        """The model of a text."""
        model = cls(vocab)
        with torch.no_grad():
            model.logits.copy_(tokens.bincount(minlength=vocab).add(1).log())
        return model
