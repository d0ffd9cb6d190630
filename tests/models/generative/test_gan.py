import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.generative.gan import GAN, Packed, mlp, mlp_gan


def test_a_gan_is_its_generator():
    gan = GAN(generator=nn.Linear(3, 2), discriminator=nn.Linear(2, 1))
    noise = torch.randn(4, 3)
    assert torch.equal(gan(noise), gan.generator(noise))


def test_parameters_by_hand():
    gan = mlp_gan(noise=8, width=64, depth=3)
    hidden = 2 * (64 * 64 + 64)
    assert sum(p.numel() for p in gan.generator.parameters()) == (8 * 64 + 64) + hidden + (64 * 2 + 2)
    assert sum(p.numel() for p in gan.discriminator.parameters()) == (2 * 64 + 64) + hidden + (64 + 1)


def test_depth_counts_hidden_layers():
    layers = [layer for layer in mlp(3, 2, width=5, depth=2) if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(3, 5), (5, 5), (5, 2)]


def test_examples_do_not_leak_into_each_other():
    torch.manual_seed(0)
    gan = mlp_gan(noise=3, width=8)
    noise = torch.randn(6, 3, requires_grad=True)
    logits = gan.discriminator(gan(noise))
    (slope,) = torch.autograd.grad(logits[2], noise)
    assert slope[2].abs().sum() > 0 and slope[[0, 1, 3, 4, 5]].abs().sum() == 0


def test_every_parameter_learns():
    torch.manual_seed(0)
    gan = mlp_gan(noise=3, width=8)
    gan.discriminator(gan(torch.randn(32, 3))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in gan.parameters())


def test_a_pack_is_made_of_neighbors():
    judge = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    packed = Packed(judge, size=3)
    points = torch.arange(12.0).view(6, 2)
    by_hand = torch.stack([judge(torch.cat([points[i], points[i + 1], points[i + 2]])[None])[0] for i in (0, 3)])
    assert_close(packed(points), by_hand)


def test_a_batch_that_makes_no_whole_packs_is_refused():
    with pytest.raises(CallError, match="multiple of 3"):
        mlp_gan(noise=3, pack=3).discriminator(torch.randn(7, 2))


@pytest.mark.parametrize("wrong", [{"noise": 0}, {"width": 0}, {"depth": 0}, {"pack": 0}], ids=str)
def test_sizes_below_one_are_refused(wrong):
    with pytest.raises(CallError, match="at least 1"):
        mlp_gan(**{"noise": 3, **wrong})
