"""The game against the field's own pieces: torch's binary cross-entropy, scikit-learn's toys."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from learnable.data.points import circles, moons
from learnable.models.generative.gan import mlp_gan
from learnable.objectives.adversarial import discriminate, minimax, non_saturating

pytestmark = pytest.mark.reference


def real_is(label, logits):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def torchs_discriminator(model, batch):
    """The usual script: two calls, labels 1 and 0, `detach`."""
    real, fake = model.discriminator(batch["point"]), model.discriminator(model.generator(batch["noise"]).detach())
    return real_is(1.0, real) + real_is(0.0, fake)


def torchs_minimax(model, batch):
    return -real_is(0.0, model.discriminator(model.generator(batch["noise"])))


def torchs_non_saturating(model, batch):
    return real_is(1.0, model.discriminator(model.generator(batch["noise"])))


@pytest.mark.parametrize(
    "ours, theirs",
    [(discriminate, torchs_discriminator), (minimax, torchs_minimax), (non_saturating, torchs_non_saturating)],
    ids=["discriminate", "minimax", "non_saturating"],
)
def test_losses_and_gradients_are_those_of_binary_cross_entropy(ours, theirs):
    torch.manual_seed(0)
    model = mlp_gan(noise=3, width=16).double()
    batch = {"point": torch.randn(12, 2).double(), "noise": torch.randn(12, 3).double()}
    found = []
    for loss in (lambda: ours(model, batch)["total"], lambda: theirs(model, batch)):
        total = loss()
        total.backward()
        found.append((total.detach(), [None if p.grad is None else p.grad.clone() for p in model.parameters()]))
        model.zero_grad()
    (mine, my_gradients), (reference, reference_gradients) = found
    assert_close(mine, reference)
    for gradient, expected in zip(my_gradients, reference_gradients, strict=True):
        assert (gradient is None) == (expected is None)
        if gradient is not None:
            assert_close(gradient, expected)


@pytest.mark.parametrize("name, ours", [("make_moons", moons), ("make_circles", circles)])
def test_toys_are_scikit_learns(name, ours):
    datasets = pytest.importorskip("sklearn.datasets")
    settings = {"factor": 0.5} if ours is circles else {}
    points, labels = getattr(datasets, name)(100, shuffle=False, noise=None, **settings)
    mine, my_labels = ours(100, noise=0.0)
    for label in (0, 1):
        apart = torch.cdist(mine[my_labels == label], torch.tensor(points[labels == label]).float())
        assert apart.min(dim=0).values.max() < 1e-3 and apart.min(dim=1).values.max() < 1e-3
