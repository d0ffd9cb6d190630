import numpy as np
import pytest
import torch

from learnable.engine import MLP, SGD, LeNet, Linear, Tensor
from learnable.models.vision.lenet import LeNet as LeNetTwin
from learnable.models.vision.mlp import MLP as Twin


def both(dtype=np.float64):
    network = MLP(12, [7, 5], 4, np.random.default_rng(0), dtype)
    twin = Twin(12, [7, 5], 4).to(torch.float64)
    twin.load_state_dict({name: torch.tensor(t.data) for name, t in network.parameters().items()})
    return network, twin


@pytest.mark.reference
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_twenty_steps_are_those_of_torch(momentum):
    """Outputs, the gradient of every parameter, and where twenty steps lead."""
    network, twin = both()
    ours = SGD(network.parameters(), learning_rate=0.1, momentum=momentum)
    theirs = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=momentum)
    random = np.random.default_rng(1)
    for _ in range(20):
        images, labels = random.normal(size=(8, 1, 3, 4)), random.integers(4, size=8)
        ours.zero_grad()
        theirs.zero_grad()
        logits, expected = network(Tensor(images)), twin(torch.tensor(images))
        loss = logits.cross_entropy(labels)
        reference = torch.nn.functional.cross_entropy(expected, torch.tensor(labels))
        loss.backward()
        reference.backward()
        np.testing.assert_allclose(logits.data, expected.detach(), rtol=0, atol=1e-12)
        for name, parameter in twin.named_parameters():
            np.testing.assert_allclose(
                network.parameters()[name].grad, parameter.grad, rtol=0, atol=1e-12, err_msg=name
            )
        ours.step()
        theirs.step()
    for name, parameter in twin.named_parameters():
        np.testing.assert_allclose(
            network.parameters()[name].data, parameter.detach(), rtol=0, atol=1e-12, err_msg=name
        )


def test_a_step_with_momentum_by_hand():
    weight = Tensor([1.0], requires_grad=True)
    optimizer = SGD({"weight": weight}, learning_rate=0.1, momentum=0.5)
    for expected in (0.8, 0.5):  # the gradient is 2; velocities are 2 and then 0.5 · 2 + 2 = 3
        optimizer.zero_grad()
        (weight * 2).sum().backward()
        optimizer.step()
        np.testing.assert_allclose(weight.data, [expected])


def test_a_parameter_without_a_gradient_stays():
    used, unused = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = SGD({"used": used, "unused": unused}, learning_rate=0.1)
    used.sum().backward()
    optimizer.step()
    assert unused.data == 1 and used.data == 0.9


def train(network, optimizer, steps):
    for step in steps:
        random = np.random.default_rng(step)
        optimizer.zero_grad()
        network(Tensor(random.normal(size=(8, 12)).astype(np.float32))).cross_entropy(
            random.integers(4, size=8)
        ).backward()
        optimizer.step()


def test_a_saved_training_goes_on_bit_for_bit():
    networks = [MLP(12, [7], 4, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    whole, first, second = (SGD(network.parameters(), 0.1, 0.9) for network in networks)
    train(networks[0], whole, range(10))
    train(networks[1], first, range(5))
    state = first.state()
    train(networks[1], first, range(5, 7))  # what was saved is a copy
    second.load(state)
    train(networks[2], second, range(5, 10))
    for name, array in whole.state().items():
        np.testing.assert_array_equal(second.state()[name], array, err_msg=name)
        assert array.dtype == np.float32 and array.flags.writeable  # what a copy is for


def test_a_state_that_does_not_fit_is_refused():
    optimizer = SGD(MLP(12, [7], 4, np.random.default_rng(0)).parameters(), 0.1)
    with pytest.raises(KeyError, match=r"velocity\.layers\.1\.bias"):
        optimizer.load({name: array for name, array in optimizer.state().items() if name != "velocity.layers.1.bias"})
    with pytest.raises(ValueError, match=r"float32 of shape \(7, 12\), came float32 of shape \(12, 7\)"):
        optimizer.load({name: array.T for name, array in optimizer.state().items()})


@pytest.mark.parametrize(
    "wrong, message",
    [
        (np.zeros(4, np.float32), r"float32 of shape \(7,\), came float32 of shape \(4,\)"),
        (np.zeros(7), "came float64"),
        (None, "came object"),
    ],
)
def test_a_velocity_that_does_not_fit_is_refused_by_name(wrong, message):
    optimizer = SGD(MLP(12, [7], 4, np.random.default_rng(0)).parameters(), 0.1)
    before = optimizer.state()
    with pytest.raises(
        ValueError, match=rf"velocity\.layers\.0\.bias: expected .*{message.removeprefix('float32 of ')}"
    ):
        optimizer.load({name: array + 1 for name, array in before.items()} | {"velocity.layers.0.bias": wrong})
    for name, array in optimizer.state().items():  # nothing was loaded by halves
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_parameters_are_named_and_learn():
    network = MLP(12, [7], 4, np.random.default_rng(0))
    assert list(network.parameters()) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    network(Tensor(np.ones((2, 12), np.float32))).cross_entropy([0, 1]).backward()
    for parameter in network.parameters().values():
        assert parameter.grad is not None and parameter.grad.dtype == np.float32
        assert np.abs(parameter.grad).sum() > 0


def test_a_new_layer_is_neither_loud_nor_silent():
    y = Linear(1000, 500, np.random.default_rng(0))(Tensor(np.random.default_rng(1).normal(size=(100, 1000))))
    assert 0.4 < y.data.std() < 0.8


@pytest.mark.reference
def test_a_convolutional_network_is_that_of_torch():
    """Outputs and the gradient of every parameter, in float64."""
    network, twin = LeNet(10, 1, np.random.default_rng(0), np.float64), LeNetTwin().double()
    twin.load_state_dict({name: torch.tensor(t.data) for name, t in network.parameters().items()})
    random = np.random.default_rng(1)
    images, labels = random.normal(size=(3, 1, 28, 28)), random.integers(10, size=3)
    logits, expected = network(Tensor(images)), twin(torch.tensor(images))
    logits.cross_entropy(labels).backward()
    torch.nn.functional.cross_entropy(expected, torch.tensor(labels)).backward()
    np.testing.assert_allclose(logits.data, expected.detach(), rtol=0, atol=1e-12)
    for name, parameter in twin.named_parameters():
        np.testing.assert_allclose(network.parameters()[name].grad, parameter.grad, rtol=0, atol=1e-12, err_msg=name)
