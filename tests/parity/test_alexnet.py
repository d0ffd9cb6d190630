"""AlexNet against torchvision; the paper's own against the layers of torch that say the same."""

import pytest
import torch
from torch import nn

from learnable.models.vision.alexnet import ALEXNETS, AlexNet, AlexNet2012, AlexNetConfig, normalize_neighbors
from learnable.weights.alexnet import TORCHVISION
from parity import pictures as parity

pytestmark = pytest.mark.reference

SMALL = AlexNetConfig(hidden=16, dropout=0)  # what is left out by chance cannot be compared


def theirs(classes: int = 7) -> nn.Module:
    """torchvision's, with fewer neurons in its dense layers."""
    model = pytest.importorskip("torchvision").models.alexnet(dropout=0.0)
    model.classifier[1], model.classifier[4] = nn.Linear(256 * 36, 16), nn.Linear(16, 16)
    model.classifier[6] = nn.Linear(16, classes)
    return model


@pytest.mark.parametrize("size", [(64, 64), (97, 131)], ids=str)
@pytest.mark.parametrize("dtype, train", [(torch.float64, True), (torch.float32, False)])
def test_agrees_with_torchvision(dtype, train, size):
    parity.assert_parity(AlexNet(SMALL, classes=7), theirs(), TORCHVISION, parity.pictures(2, 3, *size), dtype, train)


def test_drops_the_same_neurons_as_torchvision():
    """Dropout draws from the same generator in the same order: the published share, 0.5, in training."""
    ours, reference = AlexNet(AlexNetConfig(hidden=16), classes=7), theirs()
    reference.classifier[0].p = reference.classifier[3].p = 0.5
    parity.same_weights(ours, reference, TORCHVISION, torch.float64)
    image = parity.pictures(2, 3, 64, 64).double()
    torch.manual_seed(5)
    mine = ours.train()(image)
    torch.manual_seed(5)
    torch.testing.assert_close(mine, reference.train()(image))


def test_neighbors_are_normalized_as_torch_does_it():
    x = (8 * parity.pictures(2, 7, 3, 4)).double().requires_grad_()
    y = (8 * parity.pictures(2, 7, 3, 4)).double().requires_grad_()
    weight = parity.pictures(2, 7, 3, 4, seed=4).double()
    mine = normalize_neighbors(x)
    reference = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(y)  # torch takes the mean of the squares
    (mine * weight).sum().backward(), (reference * weight).sum().backward()
    torch.testing.assert_close(mine, reference)
    torch.testing.assert_close(x.grad, y.grad)


def test_the_paper_s_own_is_these_layers_in_a_row():
    ours = parity.randomize(AlexNet2012(classes=7, width=12, hidden=16, dropout=0)).double()
    norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    row = nn.Sequential(
        ours.conv1, nn.ReLU(), norm, nn.MaxPool2d(3, 2), ours.conv2, nn.ReLU(), norm, nn.MaxPool2d(3, 2),
        ours.conv3, nn.ReLU(), ours.conv4, nn.ReLU(), ours.conv5, nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(), ours.dense6, nn.ReLU(), ours.dense7, nn.ReLU(), ours.head,
    )  # fmt: skip
    image = parity.pictures(2, 3, 97, 71).double()
    torch.testing.assert_close(ours(image), row(image))


@pytest.mark.slow
def test_goes_both_ways_with_torchvision(tmp_path):
    from safetensors.torch import load_file

    models = pytest.importorskip("torchvision").models

    def read(folder):
        model = models.alexnet(num_classes=5)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return model

    parity.assert_goes_both_ways(AlexNet, models.alexnet(num_classes=5), parity.torch_writes, read, tmp_path,
                                 parity.pictures(1, 3, 64, 64), allow_pickle=True)  # fmt: skip


@pytest.mark.slow
def test_full_size_goes_through_files(tmp_path):
    models = pytest.importorskip("torchvision").models
    parity.assert_full_size(AlexNet, ALEXNETS["alexnet"][0], models.alexnet, tmp_path)
