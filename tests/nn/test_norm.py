import pytest
import torch
from torch.testing import assert_close

from learnable.nn.norm import RMSNorm, rms_norm


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 5, 7)])
def test_the_fast_one_is_the_equation(shape, dtype):
    torch.manual_seed(0)
    norm = RMSNorm(7, eps=1e-3).to(dtype)
    with torch.no_grad():
        norm.weight.normal_()
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    weight = torch.randn(shape, dtype=dtype)
    gradients = [
        torch.autograd.grad((y * weight).sum(), [x, norm.weight]) for y in (norm(x), rms_norm(x, norm.weight, 1e-3))
    ]
    assert_close(norm(x), rms_norm(x, norm.weight, 1e-3))
    assert_close(*gradients)


def test_by_hand():
    norm = RMSNorm(4, eps=0.0)
    assert_close(norm(torch.tensor([1.0, -1.0, 7.0, 7.0])), torch.tensor([0.2, -0.2, 1.4, 1.4]))  # sqrt(100 / 4) = 5


def test_the_size_of_a_vector_does_not_matter_and_its_mean_does():
    norm, x = RMSNorm(8, eps=0.0), torch.randn(3, 8)
    assert_close(norm(100 * x), norm(x))
    assert not torch.allclose(norm(x + 1), norm(x))


def test_zeros_stay_zeros():
    assert torch.equal(RMSNorm(8)(torch.zeros(2, 8)), torch.zeros(2, 8))


def test_half_precision_squares_in_float32():
    """300 squared is more than float16 holds."""
    norm = RMSNorm(4).half()
    assert_close(norm(torch.full((1, 4), 300.0, dtype=torch.float16)), torch.ones(1, 4, dtype=torch.float16))


def test_vectors_of_another_type_than_the_weight_keep_theirs():
    x = torch.ones(1, 4, dtype=torch.bfloat16)
    assert torch.equal(RMSNorm(4)(x), x)


def test_it_says_what_it_is():
    assert repr(RMSNorm(8, eps=1e-5)) == "RMSNorm(8, eps=1e-05)"
