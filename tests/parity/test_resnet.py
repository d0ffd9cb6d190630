"""ResNet against torchvision, timm and transformers: same weights in, same logits, gradients and statistics out."""

import pytest
import torch

from learnable.models.vision.resnet import RESNETS, ResNet, ResNetConfig
from learnable.weights.resnet import TORCHVISION, TRANSFORMERS
from parity import pictures as parity

pytestmark = pytest.mark.reference

TOYS = {
    "basic": ResNetConfig((1, 2, 1, 1), bottleneck=False),
    "bottleneck": ResNetConfig((1, 2, 1, 1), bottleneck=True),
}


def theirs(config: ResNetConfig, classes: int = 7, channels: int = 3):
    resnet = pytest.importorskip("torchvision").models.resnet
    assert channels == 3
    block = resnet.Bottleneck if config.bottleneck else resnet.BasicBlock
    return resnet.ResNet(block, list(config.depths), num_classes=classes)


@pytest.mark.parametrize("size", parity.odd_sizes(), ids=str)
@pytest.mark.parametrize("dtype, train", [(torch.float64, True), (torch.float64, False), (torch.float32, False)])
@pytest.mark.parametrize("config", TOYS.values(), ids=TOYS)
def test_agrees_with_torchvision(config, dtype, train, size):
    parity.assert_parity(
        ResNet(config, classes=7), theirs(config), TORCHVISION, parity.pictures(2, 3, *size), dtype, train
    )


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("config", TOYS.values(), ids=TOYS)
def test_agrees_with_transformers(config, train):
    transformers = pytest.importorskip("transformers")
    widths = [64 * 2**stage * (4 if config.bottleneck else 1) for stage in range(4)]
    settings = transformers.ResNetConfig(depths=list(config.depths), hidden_sizes=widths, embedding_size=64, num_labels=7,
                                         layer_type="bottleneck" if config.bottleneck else "basic")  # fmt: skip
    reference = transformers.ResNetForImageClassification(settings)
    parity.assert_parity(ResNet(config, classes=7), reference, TRANSFORMERS, parity.pictures(2, 3, 65, 47), train=train)


@pytest.mark.parametrize("channels", [1, 3])
def test_goes_both_ways_with_timm(tmp_path, channels):
    timm = pytest.importorskip("timm")
    reference = timm.create_model("resnet18", num_classes=5, in_chans=channels)
    parity.assert_goes_both_ways(
        ResNet, reference, parity.timm_writes, parity.timm_reads, tmp_path, parity.pictures(2, channels, 64, 64)
    )


def test_reads_the_files_of_torchvision_and_transformers(tmp_path):
    models = pytest.importorskip("torchvision").models
    image = parity.pictures(2, 3, 64, 64)
    parity.assert_goes_both_ways(
        ResNet, models.resnet18(), parity.torch_writes, parity.timm_reads, tmp_path, image, allow_pickle=True
    )


def test_reads_the_folder_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    settings = transformers.ResNetConfig(
        depths=[1, 1, 2, 1], hidden_sizes=[64, 128, 256, 512], embedding_size=64, num_labels=7, layer_type="basic"
    )
    reference = parity.randomize(transformers.ResNetForImageClassification(settings)).eval()
    reference.save_pretrained(tmp_path)
    model = ResNet.from_pretrained(tmp_path).eval()
    image = parity.pictures(2, 3, 64, 64)
    assert model.config == ResNetConfig((1, 1, 2, 1), bottleneck=False)
    torch.testing.assert_close(model(image), reference(image).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_full_size_goes_through_files(tmp_path):
    """Full size, random numbers, from torchvision's file to ours."""
    models = pytest.importorskip("torchvision").models
    parity.assert_full_size(ResNet, RESNETS["resnet50"][0], models.resnet50, tmp_path)
