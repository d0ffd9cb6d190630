import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.optim.muon import Muon, orthogonalize

SHAPES = [(6, 6), (5, 9), (9, 5), (1, 4), (4, 1), (16, 64)]


def matrix(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_directions_are_those_of_the_svd_and_the_sizes_are_near_one(shape):
    """With U S Vᵀ given, Uᵀ X V is diagonal, and its numbers lie in the published band."""
    given = matrix(*shape)
    u, _, vt = torch.linalg.svd(given, full_matrices=False)
    sizes = u.T @ orthogonalize(given, dtype=None) @ vt.T
    assert_close(sizes, torch.diag(sizes.diagonal()), atol=1e-10, rtol=0)
    assert (sizes.diagonal() > 0.6).all() and (sizes.diagonal() < 1.3).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_polynomial_acts_on_the_singular_values_alone(shape):
    """The same five rounds on the numbers themselves: a twin that decomposes."""
    given = matrix(*shape)
    u, s, vt = torch.linalg.svd(given, full_matrices=False)
    s = s / given.norm()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    assert_close(orthogonalize(given, dtype=None), u @ torch.diag(s) @ vt, atol=1e-10, rtol=0)


def test_what_is_orthogonal_after_many_rounds_of_a_tame_polynomial_is_the_svds(monkeypatch):
    """With coefficients that come to rest at 1, it is U Vᵀ itself."""
    monkeypatch.setattr("learnable.optim.muon.QUINTIC", (1.875, -1.25, 0.375))
    given = matrix(5, 8)
    u, _, vt = torch.linalg.svd(given, full_matrices=False)
    assert_close(orthogonalize(given, rounds=40, dtype=None), u @ vt, atol=1e-9, rtol=0)


def test_many_at_once_are_each_by_itself():
    given = matrix(3, 4, 7)
    assert_close(orthogonalize(given, dtype=None), torch.stack([orthogonalize(one, dtype=None) for one in given]))


def test_nothing_stays_nothing():
    assert not orthogonalize(torch.zeros(3, 4)).any()


def test_bfloat16_is_near_and_gives_back_the_type():
    given = matrix(16, 24, dtype=torch.float32)
    rough, fine = orthogonalize(given), orthogonalize(given, dtype=None)
    assert rough.dtype == torch.float32
    assert_close(rough, fine, atol=0.03, rtol=0)


def twins(shapes, dtype=torch.float64):
    return [nn.Parameter(matrix(*shape, seed=i, dtype=dtype)) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize("dtype, close", [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_moves_matrices_as_torch_does_step_by_step(dtype, close, decay, monkeypatch):
    """torch rounds to bfloat16 for the products; here it is kept from that, so that all digits can be compared."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor.clone())
    shapes = [(6, 6), (5, 9), (9, 5), (6, 6), (9, 5)]
    ours, theirs = twins(shapes, dtype), twins(shapes, dtype)
    mine = Muon([{"params": ours, "orthogonal": True}], lr=0.02, weight_decay=decay, dtype=None)
    reference = torch.optim.Muon(theirs, lr=0.02, weight_decay=decay, momentum=0.95)
    for step in range(12):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            one.grad = matrix(*one.shape, seed=100 * step + number, dtype=dtype)
            other.grad = one.grad.clone()
        mine.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            assert_close(one, other, atol=close, rtol=0)


def test_moves_matrices_as_torch_does_in_bfloat16():
    """Both round, in another order: after one step the difference is that of the rounding."""
    (one,), (other,) = twins([(32, 64)], torch.float32), twins([(32, 64)], torch.float32)
    one.grad = matrix(32, 64, seed=9, dtype=torch.float32)
    other.grad = one.grad.clone()
    Muon([{"params": [one], "orthogonal": True}], lr=1.0).step()
    torch.optim.Muon([other], lr=1.0, weight_decay=0.0).step()
    assert_close(one, other, atol=0.02, rtol=0)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_moves_the_rest_as_adamw_does(decay):
    ours, theirs = twins([(5,), (4, 3)]), twins([(5,), (4, 3)])
    mine = Muon(ours, lr=0.01, betas=(0.9, 0.95), weight_decay=decay)
    reference = torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.95), weight_decay=decay)
    for step in range(12):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            one.grad = matrix(*one.shape, seed=100 * step + number)
            other.grad = one.grad.clone()
        mine.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            assert_close(one, other, atol=1e-12, rtol=0)


def test_the_first_step_of_a_square_has_the_rate_in_every_direction():
    """By hand: a diagonal gradient of any sizes; five rounds of the polynomial, times the rate."""
    weight = nn.Parameter(torch.zeros(2, 2, dtype=torch.float64))
    weight.grad = torch.diag(torch.tensor([3.0, 4.0], dtype=torch.float64))
    Muon([{"params": [weight], "orthogonal": True}], lr=0.1, dtype=None).step()
    sizes = torch.tensor([0.6, 0.8], dtype=torch.float64)
    for _ in range(5):
        sizes = 3.4445 * sizes - 4.7750 * sizes**3 + 2.0315 * sizes**5
    assert_close(weight.detach(), torch.diag(-0.1 * sizes))


def test_what_has_no_gradient_stays():
    (weight,) = twins([(3, 4)])
    before = weight.detach().clone()
    Muon([{"params": [weight], "orthogonal": True}], lr=1.0, weight_decay=0.5).step()
    assert torch.equal(weight, before)


def test_its_memory_is_tensors_that_a_file_can_hold():
    matrix_, vector = twins([(3, 4), (5,)])
    optimizer = Muon([{"params": [matrix_], "orthogonal": True}, {"params": [vector]}])
    matrix_.grad, vector.grad = torch.ones_like(matrix_), torch.ones_like(vector)
    optimizer.step()
    assert set(optimizer.state[matrix_]) == {"memory"} and set(optimizer.state[vector]) == {"step", "mean", "square"}
    assert all(isinstance(value, torch.Tensor) for state in optimizer.state.values() for value in state.values())


def test_torchs_own_way_of_saving_works_too():
    (one,), (other,) = twins([(3, 4)]), twins([(3, 4)])
    first = Muon([{"params": [one], "orthogonal": True}], dtype=None)
    second = Muon([{"params": [other], "orthogonal": True}], dtype=None)
    one.grad = matrix(3, 4, seed=5)
    first.step()
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # torch's own shares its tensors
    with torch.no_grad():
        other.copy_(one)
    one.grad = matrix(3, 4, seed=6)
    other.grad = one.grad.clone()
    first.step()
    second.step()
    assert torch.equal(one, other)


@pytest.mark.parametrize("settings", [{"lr": -1.0}, {"momentum": 1.0}, {"betas": (0.9, 1.0)}, {"weight_decay": -0.1}])
def test_numbers_out_of_range(settings):
    with pytest.raises(CallError, match="expected a rate and a decay of at least 0"):
        Muon(twins([(2, 2)]), **settings)


def test_only_matrices_can_be_orthogonalized():
    with pytest.raises(CallError, match=r"expected matrices.*shape \(5,\)"):
        Muon([{"params": twins([(5,)]), "orthogonal": True}])
