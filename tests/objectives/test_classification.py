import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.objectives.classification import classify

LOGITS = torch.tensor(
    [[0.0, math.log(3.0)], [math.log(4.0), 0.0], [0.0, 0.0]]
)  # probabilities 1/4 3/4, 4/5 1/5, 1/2 1/2


def test_the_loss_is_minus_the_logarithm_of_the_right_ones_probability():
    losses = classify(nn.Identity(), {"image": LOGITS, "label": torch.tensor([1, 1, 0])})
    assert_close(losses["total"], -torch.tensor([3 / 4, 1 / 5, 1 / 2]).log().mean())
    assert_close(losses["accuracy"], torch.tensor(2 / 3))  # the third is a draw, which goes to the first class


def test_only_the_loss_carries_a_gradient():
    model = nn.Linear(2, 3)
    losses = classify(model, {"image": torch.rand(4, 2), "label": torch.tensor([0, 1, 2, 0])})
    assert losses["total"].requires_grad and losses["total"].ndim == 0
    assert not losses["accuracy"].requires_grad and losses["accuracy"].ndim == 0


def test_a_gradient_step_is_towards_the_right_class():
    logits = torch.zeros(2, 3, requires_grad=True)
    classify(nn.Identity(), {"image": logits, "label": torch.tensor([0, 2])})["total"].backward()
    assert_close(logits.grad, torch.tensor([[-2.0, 1.0, 1.0], [1.0, 1.0, -2.0]]) / 6)


def test_the_input_goes_by_the_name_that_it_is_given():
    batch = {"features": LOGITS, "label": torch.tensor([1, 1, 0])}
    assert_close(
        partial(classify, inputs="features")(nn.Identity(), batch),
        classify(nn.Identity(), {"image": LOGITS, "label": batch["label"]}),
    )
    with pytest.raises(KeyError, match="image"):
        classify(nn.Identity(), batch)
