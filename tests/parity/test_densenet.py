"""DenseNet against torchvision and timm: same weights in, same logits, gradients and statistics out."""

import re

import pytest
import torch
from torch import nn

from learnable.models.vision.densenet import DENSENETS, DenseNet, DenseNetConfig
from learnable.weights.densenet import TIMM, TORCHVISION
from parity import pictures as parity

pytestmark = pytest.mark.reference

TOY = DenseNetConfig(depths=(2, 1, 3), growth=8, start=16, neck=2)


def torchvisions(config: DenseNetConfig) -> nn.Module:
    densenet = pytest.importorskip("torchvision").models.densenet
    return densenet.DenseNet(config.growth, config.depths, config.start, config.neck, num_classes=7)


@pytest.mark.parametrize("size", parity.odd_sizes(), ids=str)
@pytest.mark.parametrize("dtype, train", [(torch.float64, True), (torch.float64, False), (torch.float32, False)])
def test_agrees_with_torchvision(dtype, train, size):
    parity.assert_parity(
        DenseNet(TOY, classes=7), torchvisions(TOY), TORCHVISION, parity.pictures(2, 3, *size), dtype, train
    )


@pytest.mark.parametrize("train", [True, False])
def test_agrees_with_timm(train):
    densenet = pytest.importorskip("timm").models.densenet
    reference = densenet.DenseNet(
        TOY.growth, TOY.depths, num_classes=7, bn_size=TOY.neck
    )  # starts with twice the growth
    parity.assert_parity(DenseNet(TOY, classes=7), reference, TIMM, parity.pictures(2, 3, 65, 47), train=train)


@pytest.mark.parametrize("channels", [1, 3])
def test_goes_both_ways_with_timm(tmp_path, channels):
    timm = pytest.importorskip("timm")
    reference = timm.create_model("densenet121", num_classes=5, in_chans=channels)
    parity.assert_goes_both_ways(
        DenseNet, reference, parity.timm_writes, parity.timm_reads, tmp_path, parity.pictures(2, channels, 64, 64)
    )


def test_reads_a_file_as_torchvision_published_it(tmp_path):
    """With the names of 2017, and without counts of batches."""
    models = pytest.importorskip("torchvision").models
    reference = parity.randomize(models.densenet121(num_classes=5)).eval()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): tensor
           for name, tensor in reference.state_dict().items() if not name.endswith("num_batches_tracked")}  # fmt: skip
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "densenet121-a639ec97.pth")
    model = DenseNet.from_pretrained(tmp_path / "densenet121-a639ec97.pth", allow_pickle=True).eval()
    image = parity.pictures(2, 3, 64, 64)
    torch.testing.assert_close(model(image), reference(image), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_full_size_goes_through_files(tmp_path):
    models = pytest.importorskip("torchvision").models
    parity.assert_full_size(DenseNet, DENSENETS["densenet121"][0], models.densenet121, tmp_path)
