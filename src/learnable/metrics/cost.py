"""What a model costs: its numbers to keep, and its multiplications to do.

The multiplications are counted while the model runs, at every convolution and matrix product that it really computes; what
is done once a number (norms, activations, sums) is left out, as papers leave it out.
"""

import itertools
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from learnable.data.examples import Examples, Info
from learnable.metrics.classification import classification_metrics


class Cost(NamedTuple):
    """Of one call with these inputs."""

    parameters: int
    multiply_adds: int  # a multiplication and the addition that follows it count as one


def cost(model: nn.Module, *inputs: Any) -> Cost:
    """What `model(*inputs)` costs. On the meta device nothing is computed, and the count is the same.

    >>> cost(nn.Conv2d(3, 8, kernel_size=3, bias=False), torch.rand(1, 3, 12, 12))
    Cost(parameters=216, multiply_adds=21600)
    """
    return costs(model, *inputs)[""]


def costs(model: nn.Module, *inputs: Any) -> dict[str, Cost]:
    """The same for every part of the model by its name; "" is the whole.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> costs(model, torch.rand(5, 4))["2"]
    Cost(parameters=18, multiply_adds=80)
    """
    training = model.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    model.train(training)
    counts = counter.get_flop_counts()
    root = type(model).__name__
    table = {}
    for name, module in model.named_modules():
        counted = counter.get_total_flops() if not name else sum(counts.get(f"{root}.{name}", {}).values())
        table[name] = Cost(sum(parameter.numel() for parameter in module.parameters()), counted // 2)
    return table


def classification_and_cost(model: nn.Module, examples: Examples, info: Info) -> dict[str, float]:
    """`classification_metrics`, and what one picture costs."""
    assert info.image is not None, "the data say how large their pictures are"
    device = next(itertools.chain(model.parameters(), model.buffers())).device
    measured = cost(model, torch.zeros(1, *info.image, device=device))
    return {
        **classification_metrics(model, examples, info),
        "parameters": float(measured.parameters),
        "multiply_adds": float(measured.multiply_adds),
    }
