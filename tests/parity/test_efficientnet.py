"""EfficientNet against torchvision, timm and transformers: same weights in, same logits, gradients and statistics out."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from learnable.models.vision.efficientnet import EFFICIENTNETS, EfficientNet, EfficientNetConfig
from learnable.weights.efficientnet import TIMM, TORCHVISION, TRANSFORMERS
from parity import pictures as parity

pytestmark = pytest.mark.reference

STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2))
CONFIG = EfficientNetConfig(1.1, 1.2, dropout=0.0, stages=STAGES, last=64, drop=0.0, norm=(1e-3, 0.01))


def torchvisions(config: EfficientNetConfig, classes: int = 7):
    efficientnet = pytest.importorskip("torchvision").models.efficientnet
    inputs = [config.stem, *(stage[3] for stage in config.stages)]
    settings = [
        efficientnet.MBConvConfig(expansion, kernel, stride, before, out, depth, config.width, config.depth)
        for before, (expansion, kernel, stride, out, depth) in zip(inputs, config.stages, strict=False)
    ]
    eps, momentum = config.norm

    def norm(channels: int):
        return torch.nn.BatchNorm2d(channels, eps=eps, momentum=momentum)

    theirs = efficientnet.EfficientNet(settings, config.dropout, config.drop, classes, norm, last_channel=72)
    assert EfficientNet(config).widen.conv.out_channels == 72
    return theirs


@pytest.mark.parametrize("size", parity.odd_sizes(), ids=str)
@pytest.mark.parametrize("dtype, train", [(torch.float64, True), (torch.float64, False), (torch.float32, False)])
def test_agrees_with_torchvision(dtype, train, size):
    image = parity.pictures(2, 3, *size)
    parity.assert_parity(EfficientNet(CONFIG, classes=7), torchvisions(CONFIG), TORCHVISION, image, dtype, train)


def test_the_same_dice_drop_the_same_blocks():
    """Stochastic depth and dropout as torchvision draws them, from the same seed."""
    config = replace(CONFIG, dropout=0.3, drop=0.5)
    ours, theirs = EfficientNet(config, classes=7), torchvisions(config)
    parity.same_weights(ours, theirs, TORCHVISION, torch.float64)
    image = parity.pictures(8, 3, 32, 32).double()
    torch.manual_seed(0)
    mine = ours.train()(image)
    torch.manual_seed(0)
    assert_close(mine, theirs.train()(image))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["efficientnet_b0", "tf_efficientnet_b0"])
def test_agrees_with_timm(name, train):
    theirs = pytest.importorskip("timm").create_model(name, num_classes=7)
    tf = name.startswith("tf_")
    config = EfficientNetConfig(dropout=0.0, drop=0.0, norm=(1e-3 if tf else 1e-5, 0.1), same=tf)
    parity.assert_parity(EfficientNet(config, classes=7), theirs, TIMM, parity.pictures(2, 3, 65, 48), train=train)


def test_agrees_with_transformers(tmp_path):
    """In use, at sizes whose maps stay even where they are halved: theirs decides the padding once, when it is built."""
    transformers = pytest.importorskip("transformers")
    settings = transformers.EfficientNetConfig(width_coefficient=1.0, depth_coefficient=1.1, hidden_dim=1280, image_size=64,
                                               dropout_rate=0.2, num_labels=7)  # fmt: skip
    theirs = parity.randomize(transformers.EfficientNetForImageClassification(settings)).eval()
    theirs.save_pretrained(tmp_path)
    ours = EfficientNet.from_pretrained(tmp_path)
    assert ours.config == EFFICIENTNETS["efficientnet_b1"][0] and ours.config.same
    parity.assert_parity(ours, theirs, TRANSFORMERS, parity.pictures(2, 3, 64, 96), train=False)


@pytest.mark.parametrize("name, channels", [("efficientnet_b0", 1), ("tf_efficientnet_b0", 3)])
def test_goes_both_ways_with_timm(tmp_path, name, channels):
    reference = pytest.importorskip("timm").create_model(name, num_classes=5, in_chans=channels)
    image = parity.pictures(2, channels, 47, 64)
    parity.assert_goes_both_ways(EfficientNet, reference, parity.timm_writes, parity.timm_reads, tmp_path, image)


@pytest.mark.slow
def test_reads_the_files_of_torchvision_and_timm_reads_ours(tmp_path):
    models = pytest.importorskip("torchvision").models
    parity.assert_goes_both_ways(EfficientNet, models.efficientnet_b0(), parity.torch_writes, parity.timm_reads, tmp_path,
                                 parity.pictures(2, 3, 64, 64), allow_pickle=True)  # fmt: skip


@pytest.mark.slow
def test_full_size_goes_through_files(tmp_path):
    """Full size, random numbers, from torchvision's file to ours."""
    models = pytest.importorskip("torchvision").models
    parity.assert_full_size(EfficientNet, EFFICIENTNETS["efficientnet_b5"][0], models.efficientnet_b5, tmp_path)
