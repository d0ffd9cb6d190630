"""ShuffleNet beyond parity and contract: what the shuffle does, and what is refused."""

import pytest
import torch

from learnable.errors import CallError
from learnable.models.vision.shufflenet import SHUFFLENETS, Half, ShuffleNetV2, ShuffleNetV2Config


def test_without_the_shuffle_half_of_the_channels_stay_as_they_came():
    x = torch.rand(2, 8, 5, 5)
    blocks = torch.nn.Sequential(Half(8, shuffle=False), Half(8, shuffle=False)).eval()
    assert torch.equal(blocks(x)[:, :4], x[:, :4])


def test_with_it_the_same_channels_are_worked_on_by_the_next_block():
    x = torch.rand(2, 8, 5, 5)
    once, twice = Half(8).eval()(x), torch.nn.Sequential(Half(8), Half(8)).eval()(x)
    assert sum(any(torch.equal(once[:, c], x[:, d]) for d in range(8)) for c in range(8)) == 4
    assert sum(any(torch.equal(twice[:, c], x[:, d]) for d in range(8)) for c in range(8)) == 2


def test_without_it_it_costs_the_same_and_comes_back_from_the_disk(tmp_path):
    config = ShuffleNetV2Config(widths=(16, 32, 48), depths=(2, 2, 2), last=32, shuffle=False)
    model = ShuffleNetV2(config, classes=5)
    model.save_pretrained(tmp_path)
    again = ShuffleNetV2.from_pretrained(tmp_path).eval()
    image = torch.rand(2, 3, 64, 64)
    assert again.config == config and torch.equal(again(image), model.eval()(image))


def test_maps_at_four_scales():
    from learnable.nn.activations import Features

    with torch.device("meta"):
        maps = Features(ShuffleNetV2(SHUFFLENETS["shufflenet_v2_x1_0"][0]).eval())(torch.empty(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(24, 32, 32), (116, 8, 8), (232, 4, 4), (464, 2, 2)]


@pytest.mark.parametrize(
    "widths, depths", [((15, 32, 64), (1, 1, 1)), ((16, 32), (1, 1, 1)), ((16, 32, 64), (0, 1, 1))]
)
def test_what_makes_no_sense_is_refused(widths, depths):
    with pytest.raises(CallError):
        ShuffleNetV2Config(widths=widths, depths=depths)
