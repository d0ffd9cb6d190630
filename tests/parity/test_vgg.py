"""VGG against torchvision and timm: same weights in, same logits, gradients and statistics out."""

import pytest
import torch
from torch import nn

from learnable.models.vision.vgg import VGG, VGGS, VGGConfig
from learnable.weights.vgg import TIMM, TORCHVISION
from parity import pictures as parity

pytestmark = pytest.mark.reference

TOYS = {
    "plain": VGGConfig((1, 2, 1, 2, 1), width=8, hidden=16, dropout=0),
    "norm": VGGConfig((1, 2, 1, 2, 1), norm=True, width=8, hidden=16, dropout=0),
}
ROW = [8, "M", 16, 16, "M", 32, "M", 64, 64, "M", 64, "M"]


def torchvisions(config: VGGConfig) -> nn.Module:
    vgg = pytest.importorskip("torchvision").models.vgg
    with torch.device("meta"):
        model = vgg.VGG(nn.Identity(), num_classes=7, init_weights=False)
    model.features = vgg.make_layers(ROW, batch_norm=config.norm)
    model.classifier = nn.Sequential(
        nn.Linear(64 * 49, 16), nn.ReLU(True), nn.Dropout(0), nn.Linear(16, 16), nn.ReLU(True), nn.Dropout(0), nn.Linear(16, 7)
    )  # fmt: skip
    return model


def timms(config: VGGConfig) -> nn.Module:
    vgg = pytest.importorskip("timm").models.vgg
    model = vgg.VGG(ROW, num_classes=7, mlp_ratio=1 / 256, norm_layer=nn.BatchNorm2d if config.norm else None)
    model.pre_logits.fc2, model.head.fc = nn.Conv2d(16, 16, 1), nn.Linear(16, 7)
    return model


@pytest.mark.parametrize("size", parity.odd_sizes(), ids=str)
@pytest.mark.parametrize("dtype, train", [(torch.float64, True), (torch.float64, False), (torch.float32, False)])
@pytest.mark.parametrize("config", TOYS.values(), ids=TOYS)
def test_agrees_with_torchvision(config, dtype, train, size):
    parity.assert_parity(
        VGG(config, classes=7), torchvisions(config), TORCHVISION, parity.pictures(2, 3, *size), dtype, train
    )


@pytest.mark.parametrize("size", [(224, 224), (65, 47)], ids=str)
@pytest.mark.parametrize("config", TOYS.values(), ids=TOYS)
def test_agrees_with_timm(config, size):
    parity.assert_parity(VGG(config, classes=7), timms(config), TIMM, parity.pictures(2, 3, *size))


@pytest.mark.slow
def test_reads_and_writes_the_folders_of_timm(tmp_path):
    """At full size, since timm has no other: what it saves we read, what we save it reads."""
    timm = pytest.importorskip("timm")
    reference = timm.create_model("vgg11_bn", num_classes=5)
    parity.assert_goes_both_ways(VGG, reference, parity.timm_writes, parity.timm_reads, tmp_path,
                                 parity.pictures(1, 3, 32, 32))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "vgg16_bn"])
def test_full_size_goes_through_files(tmp_path, name):
    models = pytest.importorskip("torchvision").models
    parity.assert_full_size(VGG, VGGS[name][0], lambda: models.get_model(name), tmp_path)
