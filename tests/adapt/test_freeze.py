import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.adapt.freeze import FrozenBatchNorm, freeze


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Sequential(nn.BatchNorm2d(4, eps=0.1)))
    for norm in (model[1], model[3][0]):
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
            tensor.normal_()
        norm.running_var.uniform_(0.5, 2)
    return model


def test_it_gives_in_training_what_it_gave_in_evaluation():
    model, image = network(), torch.rand(3, 2, 8, 8)
    before = model.eval()(image)
    frozen = freeze(model).train()
    assert_close(frozen(image), before)
    frozen(image * 5 + 1)
    assert_close(frozen(image), before)  # what it has seen meanwhile has changed nothing


def test_nothing_in_it_learns_and_gradients_pass_through():
    frozen = freeze(network()).train()
    image = torch.rand(3, 2, 8, 8, requires_grad=True)
    frozen(image).sum().backward()
    assert all(parameter.grad is None for parameter in frozen.parameters()) and image.grad.abs().sum() > 0


def test_a_frozen_model_and_a_free_one_read_each_others_files():
    free, frozen = network(), freeze(network())
    assert set(free.state_dict()) == set(frozen.state_dict())
    frozen.load_state_dict(free.state_dict())
    free.load_state_dict(frozen.state_dict())
    image = torch.rand(1, 2, 6, 6)
    assert_close(frozen(image), free.eval()(image))


def test_the_rest_of_a_model_stays_free():
    model = nn.ModuleDict({"body": network(), "head": nn.BatchNorm2d(4)})
    freeze(model["body"])
    assert isinstance(model["head"], nn.BatchNorm2d) and model["head"].weight.requires_grad
    assert isinstance(model["body"][3][0], FrozenBatchNorm)


def test_a_batch_norm_that_remembers_nothing_cannot_be_frozen():
    with pytest.raises(ValueError, match="without statistics"):
        freeze(nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False)))
