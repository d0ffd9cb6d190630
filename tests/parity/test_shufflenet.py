"""ShuffleNet V2 against torchvision: same weights in, same logits, gradients and statistics out."""

import pytest
import torch

from learnable.models.vision.shufflenet import SHUFFLENETS, ShuffleNetV2, ShuffleNetV2Config
from learnable.weights.shufflenet import TORCHVISION
from parity import pictures as parity

pytestmark = pytest.mark.reference


@pytest.mark.parametrize("size", parity.odd_sizes(), ids=str)
@pytest.mark.parametrize("dtype, train", [(torch.float64, True), (torch.float64, False), (torch.float32, False)])
def test_agrees_with_torchvision(dtype, train, size):
    shufflenetv2 = pytest.importorskip("torchvision").models.shufflenetv2
    config = ShuffleNetV2Config(widths=(12, 20, 36), last=40, depths=(2, 3, 1))
    theirs = shufflenetv2.ShuffleNetV2([2, 3, 1], [24, 12, 20, 36, 40], num_classes=7)
    image = parity.pictures(2, 3, *size)
    parity.assert_parity(ShuffleNetV2(config, classes=7), theirs, TORCHVISION, image, dtype, train)


def test_goes_both_ways_with_torchvision(tmp_path):
    models = pytest.importorskip("torchvision").models

    def read(folder):
        from safetensors.torch import load_file

        theirs = models.shufflenet_v2_x0_5()
        theirs.load_state_dict(load_file(folder / "model.safetensors"))
        return theirs

    parity.assert_goes_both_ways(ShuffleNetV2, models.shufflenet_v2_x0_5(), parity.torch_writes, read, tmp_path,
                                 parity.pictures(2, 3, 64, 47), allow_pickle=True)  # fmt: skip


@pytest.mark.slow
def test_full_size_goes_through_files(tmp_path):
    """Full size, random numbers, from torchvision's file to ours."""
    models = pytest.importorskip("torchvision").models
    parity.assert_full_size(ShuffleNetV2, SHUFFLENETS["shufflenet_v2_x2_0"][0], models.shufflenet_v2_x2_0, tmp_path)
