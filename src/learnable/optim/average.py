"""A running average of the weights: what is evaluated and used is steadier than the last step's weights.

Polyak & Juditsky 1992; with an exponential window as in Izmailov et al. 2018 (section 3) and every diffusion model since.
"""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor


class Average:
    """An exponential moving average of parameters and floating buffers.

    Args:
        live: the tensors as they are trained, by name: `module.state_dict(keep_vars=True)`.
        decay: share of the old average that a step keeps. Early on less is kept, (1 + steps) / (10 + steps), or the
            first random weights would stay in the average for 1 / (1 - decay) steps.
    """

    def __init__(self, live: Mapping[str, Tensor], decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"expected a decay between 0 and 1, came {decay}")
        self.decay = decay
        self.steps = 0
        self.live = {name: tensor for name, tensor in live.items() if tensor.is_floating_point()}
        self.values = {name: tensor.detach().clone() for name, tensor in self.live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move the average a little toward the weights as they are now."""
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.values.values()), [tensor.detach() for tensor in self.live.values()], 1 - keep)
        self.steps += 1

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block, the module holds the averaged weights."""
        kept = {name: tensor.detach().clone() for name, tensor in self.live.items()}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(kept)

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, tensor in self.live.items():
            tensor.copy_(values[name])

    def state_dict(self) -> dict[str, Tensor]:
        return {**self.values, "steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.steps = int(state["steps"])
        with torch.no_grad():
            for name, value in self.values.items():
                value.copy_(state[name])
