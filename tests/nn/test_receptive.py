"""Receptive fields: the rule and the gradient say the same, for models with and without branches."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.models.vision.alexnet import AlexNet, AlexNetConfig
from learnable.models.vision.densenet import DenseNet, DenseNetConfig
from learnable.models.vision.resnet import CIFARResNet, Highway, ResNet, ResNetConfig
from learnable.models.vision.shufflenet import ShuffleNetV2, ShuffleNetV2Config
from learnable.models.vision.swin import Swin, SwinConfig
from learnable.models.vision.vgg import VGG, VGGConfig
from learnable.nn.receptive import Field, receptive_field, sensitivity


class Through(nn.Module):
    """A 3x3 convolution, a function of its maps, and another convolution."""

    def __init__(self, function: Callable[[Tensor], Tensor], maps: int = 4):
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(maps, 4, 3, padding=1)
        self.function = function

    def forward(self, image: Tensor) -> Tensor:
        return self.after(self.function(self.before(image)))


def shuffled(x: Tensor) -> Tensor:
    """As the usual ShuffleNets have it."""
    return x.view(len(x), 2, 2, *x.shape[2:]).transpose(1, 2).contiguous().view(x.shape)


SHUFFLENET = ShuffleNetV2Config(widths=(8, 16), depths=(2, 2), last=8, stem=4)
MODELS = {
    "alexnet": (AlexNet(AlexNetConfig((4, 4, 4, 4, 4), hidden=4), 3), "pool2", 160),
    "vgg": (VGG(VGGConfig((1, 2), norm=True, width=4, hidden=4), 3), "stages.1", 40),
    "resnet": (ResNet(ResNetConfig((1, 1), bottleneck=True, width=4), 3), "stages.1", 96),
    "densenet": (DenseNet(DenseNetConfig((2, 2), growth=4, start=8), 3), "blocks.2", 120),
    "dilated": (
        nn.Sequential(nn.Conv2d(3, 2, 3, dilation=2), nn.Conv2d(2, 2, (1, 5), padding=(0, 2), stride=(1, 2))),
        "1",
        24,
    ),
    "shufflenet": (ShuffleNetV2(SHUFFLENET, 3), "stages.1", 112),
    "shufflenet, a half": (ShuffleNetV2(SHUFFLENET, 3), "stages.0.1", 64),
    "cifar-resnet": (CIFARResNet(8, width=4), "stages.2", 61),
    "highway": (CIFARResNet(14, width=4, join=Highway), "stages.1", 48),
    "shuffled": (Through(shuffled), "after", 16),
    "cut and joined": (Through(lambda x: torch.cat([*x.split([3, 1], 1), x[:, 1, None], x.unbind(1)[0][:, None]], 1), 6), "after", 16),
    "padded": (Through(lambda x: F.pad(x, (0, 1, 2, 0))[:, :, 1:, -9::3]), "after", 18),
}  # fmt: skip


@pytest.mark.parametrize("model, name, side", MODELS.values(), ids=MODELS)
def test_the_rule_and_the_gradient_agree(model: nn.Module, name: str, side: int):
    torch.manual_seed(0)
    model.eval()
    image = torch.randn(16, 3, side, side)
    down, across = receptive_field(model, name, image[:1])
    with torch.no_grad():
        from learnable.nn.activations import activations

        high, wide = activations(model, image[:1], names=name)[name].shape[2:]
    for unit in ((high // 2, wide // 2), (0, wide - 1)):
        moved = torch.zeros(side, side, dtype=torch.bool)
        for _ in range(8):  # a ReLU that is shut hides a way through the network; other weights open it
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    nn.init.kaiming_normal_(parameter)
            moved |= sensitivity(model, image, name, unit) > 0
        rows, columns = moved.any(dim=1).nonzero().flatten(), moved.any(dim=0).nonzero().flatten()
        assert (int(rows[0]), int(rows[-1])) == (down.pixels(unit[0], side)[0], down.pixels(unit[0], side)[-1])
        assert (int(columns[0]), int(columns[-1])) == (
            across.pixels(unit[1], side)[0],
            across.pixels(unit[1], side)[-1],
        )


def test_two_threes_see_a_five_and_three_a_seven():
    three = Field().through(3, 1, 1).through(3, 1, 1)
    assert three == Field().through(5, 1, 2)
    assert three.through(3, 1, 1) == Field().through(7, 1, 3)


def test_who_hears_two_sees_from_the_first_pixel_of_either_to_the_last():
    assert Field(3, 1, -1).joined(Field(3, 1, 1)) == Field(1, 1, 3).joined(Field(2, 1, -1)) == Field(5, 1, -1)


def test_a_pool_whose_stride_is_not_said_goes_on_by_its_width():
    class Pool(nn.Module):
        def forward(self, x):
            return F.max_pool2d(x, 2)

    model = nn.Sequential(Pool(), nn.Conv2d(1, 1, 3))
    assert receptive_field(model, "1", torch.zeros(1, 1, 12, 12)) == (Field(size=6, jump=2),) * 2


def test_the_field_of_vgg16_is_212_pixels():
    """As Araujo et al. 2019 have it for the last pool."""
    model = VGG(VGGConfig((2, 2, 3, 3, 3), width=1, hidden=2), 3).eval()
    assert receptive_field(model, "stages.4", torch.zeros(1, 3, 224, 224))[0].size == 212


def test_behind_a_dense_layer_there_is_no_field():
    model = MODELS["vgg"][0].eval()
    with pytest.raises(CallError, match="whole picture"):
        receptive_field(model, "head", torch.zeros(1, 3, 40, 40))
    with pytest.raises(CallError, match="unit of maps"):
        sensitivity(model, torch.zeros(1, 3, 40, 40), "head", (0, 0))
    with pytest.raises(CallError, match="no part of VGG"):
        receptive_field(model, "stage", torch.zeros(1, 3, 40, 40))
    with pytest.raises(CallError, match="came \\(99, 0\\)"):
        sensitivity(model, torch.zeros(1, 3, 40, 40), "stages.1", (99, 0))


def test_batch_norm_in_training_mode_hears_every_place():
    model = MODELS["resnet"][0].train()
    with pytest.raises(CallError, match=r"units of stages\.1 may see the whole picture"):
        receptive_field(model, "stages.1", torch.zeros(2, 3, 96, 96))
    assert receptive_field(model, "stem.conv", torch.zeros(2, 3, 96, 96))[0].size == 7


@pytest.mark.parametrize("function", [
    lambda x: torch.cat([x, x], dim=2),
    lambda x: torch.stack([x, x], dim=-1).flatten(3),
    lambda x: torch.cat(x.chunk(2, dim=-1)[::-1], dim=3),
    lambda x: x.transpose(2, 3),
    lambda x: x.flatten(2).unflatten(2, (8, 32)),
    lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"),
    lambda x: x[:, :, :1] + x,
], ids=["beside each other", "by turns", "halves changed", "turned", "in other rows", "around", "one row for all"])  # fmt: skip
def test_what_moves_places_has_no_rule(function: Callable[[Tensor], Tensor]):
    with pytest.raises(CallError, match="units of after may see the whole picture"):
        receptive_field(Through(function), "after", torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize("see", [receptive_field, lambda model, name, image: sensitivity(model, image, name, (0, 0))])
def test_one_part_is_asked_about(see):
    with pytest.raises(CallError, match=r"expected the name of one part, came 'stages\.\*', which fits"):
        see(MODELS["resnet"][0].eval(), "stages.*", torch.zeros(1, 3, 96, 96))


def test_a_swins_units_are_places_and_not_channels():
    """Before windows are moved a place of the first stage sees its own window, 4x4 patches of 4x4 pixels."""
    model = Swin(SwinConfig(depths=(1, 1), heads=(2, 4), width=16, window=4, size=64), classes=2).eval()
    moved = sensitivity(model, torch.rand(2, 3, 64, 64), "stages.0", (5, 13)) > 0
    rows, columns = moved.any(dim=1).nonzero(), moved.any(dim=0).nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 31, 48, 63)
    with pytest.raises(CallError, match="nothing that has the picture's places"):
        sensitivity(model, torch.rand(1, 3, 64, 64), "stages.0.0.attention.to_qkv", (0, 0))
