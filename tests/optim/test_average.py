import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.testing import assert_close

from learnable.optim.average import Average


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def wander(model, generator):
    """What a step does to the weights, here by chance."""
    with torch.no_grad():
        for tensor in model.state_dict(keep_vars=True).values():
            if tensor.is_floating_point():
                tensor.add_(torch.randn(tensor.shape, generator=generator))


@pytest.mark.reference
def test_it_is_torchs_when_early_steps_are_over():
    """After 9 · decay / (1 - decay) steps the share that is kept is `decay`; from there on torch's average is the same."""
    model, generator = net(), torch.Generator().manual_seed(0)
    average = Average(model.state_dict(keep_vars=True), 0.5)
    average.steps = 1000
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
    reference.n_averaged += 1  # the first call would copy
    for _ in range(5):
        wander(model, generator)
        average.update()
        reference.update_parameters(model)
    theirs = {name: tensor for name, tensor in reference.module.state_dict().items() if tensor.is_floating_point()}
    assert set(average.values) == set(theirs)
    for name, tensor in theirs.items():
        assert_close(average.values[name], tensor)


def test_early_steps_by_hand():
    """Weights 0 at first, then 1: kept are 1/10, then 2/11, then 3/12 of the average."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = Average(model.state_dict(keep_vars=True), 0.999)
    nn.init.ones_(model.weight)
    missing = 1.0
    for kept in (1 / 10, 2 / 11, 3 / 12):
        average.update()
        missing *= kept
        assert average.values["weight"].item() == pytest.approx(1 - missing, abs=1e-6)


def test_the_decay_is_never_exceeded():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = Average(model.state_dict(keep_vars=True), 0.3)
    average.steps = 10**6
    nn.init.ones_(model.weight)
    average.update()
    assert average.values["weight"].item() == pytest.approx(0.7)


def test_within_the_block_the_module_holds_the_average():
    model, generator = net(), torch.Generator().manual_seed(1)
    average = Average(model.state_dict(keep_vars=True), 0.9)
    wander(model, generator)
    average.update()
    live = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with average.in_place():
        for name, tensor in average.values.items():
            assert torch.equal(model.state_dict()[name], tensor)
        assert not torch.equal(model[0].weight, live["0.weight"])
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, live[name])


def test_the_weights_come_back_after_an_error():
    model = net()
    average = Average(model.state_dict(keep_vars=True), 0.9)
    wander(model, torch.Generator().manual_seed(1))
    live = model[0].weight.clone()
    with pytest.raises(RuntimeError), average.in_place():
        raise RuntimeError
    assert torch.equal(model[0].weight, live)


def test_it_is_no_part_of_the_gradient_and_does_not_follow_the_weights_by_itself():
    model = net()
    average = Average(model.state_dict(keep_vars=True), 0.9)
    before = average.values["0.weight"].clone()
    wander(model, torch.Generator().manual_seed(1))
    assert torch.equal(average.values["0.weight"], before)
    average.update()
    assert not any(tensor.requires_grad for tensor in average.values.values())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_whole_numbers_are_not_averaged():
    """Batch norm counts its batches."""
    assert "1.num_batches_tracked" not in Average(net().state_dict(keep_vars=True), 0.9).values
    assert "1.running_mean" in Average(net().state_dict(keep_vars=True), 0.9).values


def test_it_goes_on_from_its_state():
    one, other = net(), net()
    whole, first = Average(one.state_dict(keep_vars=True), 0.9), Average(other.state_dict(keep_vars=True), 0.9)
    steady, stopped = torch.Generator().manual_seed(2), torch.Generator().manual_seed(2)
    for _ in range(6):
        wander(one, steady)
        whole.update()
    for _ in range(3):
        wander(other, stopped)
        first.update()
    state = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    second = Average(other.state_dict(keep_vars=True), 0.9)
    second.load_state_dict(state)
    for _ in range(3):
        wander(other, stopped)
        second.update()
    assert second.steps == whole.steps == 6
    assert all(torch.equal(second.values[name], whole.values[name]) for name in whole.values)


def test_a_state_that_lacks_a_weight_is_refused():
    average = Average(net().state_dict(keep_vars=True), 0.9)
    state = average.state_dict()
    state.pop("0.weight")
    with pytest.raises(KeyError):
        average.load_state_dict(state)


def test_tied_weights_stay_tied():
    model = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
    model["b"].weight = model["a"].weight
    average = Average(model.state_dict(keep_vars=True), 0.9)
    wander(model, torch.Generator().manual_seed(0))
    average.update()
    assert torch.equal(average.values["a.weight"], average.values["b.weight"])
    with average.in_place():
        assert model["a"].weight is model["b"].weight
        assert torch.equal(model["a"].weight, average.values["a.weight"])


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_decay_that_makes_no_sense_is_refused(decay):
    with pytest.raises(ValueError, match="a decay between 0 and 1"):
        Average(net().state_dict(keep_vars=True), decay)
