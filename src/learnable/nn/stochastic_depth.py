r"""Stochastic depth: in training, each example skips a block now and then, as if the network were shorter.

    y = x + alive / keep * F(x)        alive is 1 with probability `keep`, else 0, drawn for each example

Dividing by `keep` lets the expected sum stay what it is in use, where nothing is skipped.

Paper    Huang et al. 2016, "Deep networks with stochastic depth", equation 2 - https://arxiv.org/abs/1603.09382
Letters  their b_l is our `alive`, their p_l our `keep`
Differs  theirs draws once for the whole batch and scales in use; drawn per example and scaled in training, as all do today
"""

from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError


class StochasticDepth(nn.Module):
    """What a block adds, dropped as a whole for some of the examples.

    >>> import torch
    >>> StochasticDepth(0.5).eval()(torch.ones(2, 1)).flatten()
    tensor([1., 1.])

    Raises:
        CallError: a probability below 0, or 1 and more: a block that never speaks is none.
    """

    def __init__(self, drop_probability: float):
        super().__init__()
        if not 0 <= drop_probability < 1:
            raise CallError(f"expected a probability of at least 0 and below 1, came {drop_probability}")
        self.drop_probability = drop_probability

    def forward(self, x: Float[Tensor, "batch *rest"]) -> Float[Tensor, "batch *rest"]:
        if not self.training or self.drop_probability == 0:
            return x
        keep = 1 - self.drop_probability
        alive = x.new_empty(x.shape[0], *(1 for _ in x.shape[1:])).bernoulli_(keep)
        return x * alive.div_(keep)

    def extra_repr(self) -> str:
        """What `print(model)` says of it."""
        return f"{self.drop_probability:g}"
