"""The Vision Transformer: what it refuses, its tokens as a map, and what it does not know of order."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.vision.vit import ViT, ViTConfig, stretched
from learnable.nn.activations import Features
from learnable.weights.images import Preprocessing

TOY = ViTConfig(depth=4, width=16, heads=2, patch=8, size=32)


def test_another_size_of_picture_is_refused_and_can_be_had():
    model = ViT(TOY, classes=3)
    with pytest.raises(CallError, match=r"expected pictures of 32x32 .*model\.resized\(48\)"):
        model(torch.zeros(1, 3, 48, 48))
    for odd in ((33, 65), (33, 33)):
        with pytest.raises(CallError, match=r"resize them$"):
            model(torch.zeros(1, 3, *odd))
    with pytest.raises(CallError, match="the size that the patches do|size that the patches"):
        model.resized(50)
    assert model.resized(48)(torch.zeros(1, 3, 48, 48)).shape == (1, 3)
    assert torch.equal(model.resized(32).position, model.position)


@pytest.mark.parametrize("numbers", [{"heads": 3}, {"patch": 5}, {"depth": 0}])
def test_numbers_that_do_not_fit_are_refused(numbers: dict):
    with pytest.raises(CallError, match="expected"):
        ViTConfig(**{"depth": 4, "width": 16, "heads": 2, "patch": 8, "size": 32} | numbers)


def test_all_norms_have_the_eps_of_the_config():
    model = ViT(replace(TOY, eps=0.25))
    assert {norm.eps for norm in model.modules() if isinstance(norm, torch.nn.LayerNorm)} == {0.25}


def test_without_positions_the_order_of_patches_does_not_matter():
    torch.manual_seed(0)
    model = ViT(TOY, classes=3).eval()
    torch.nn.init.normal_(model.head.weight)
    torch.nn.init.zeros_(model.position)
    image = torch.rand(1, 3, 32, 32)
    turned = torch.cat([image[..., 16:], image[..., :16]], dim=-1)  # whole patches change places
    assert_close(model(turned), model(image))
    torch.nn.init.normal_(model.position)
    assert not torch.allclose(model(turned), model(image))


def test_maps_lie_as_the_picture_does():
    model = ViT(TOY).eval()
    tokens = torch.arange(17.0)[None, :, None].expand(1, 17, 16)
    assert model.as_map(tokens)[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    maps = Features(model)(torch.rand(2, 3, 32, 32))
    assert model.taps == ("blocks.0", "blocks.1", "blocks.2", "blocks.3")
    assert [tuple(m.shape) for m in maps] == [(2, 16, 4, 4)] * 4
    image = torch.rand(1, 3, 32, 32)
    last = Features(model)(image)[-1]
    assert_close(model.norm(last.movedim(1, -1)).movedim(-1, 1), model.features(image))


def test_a_resized_model_stays_in_its_mode_and_says_what_pictures_it_wants():
    model = ViT(TOY).eval()
    assert model.resized(48).preprocessing is None
    model.preprocessing = Preprocessing(size=32, crop=0.9)
    other = model.resized(48)
    assert other.preprocessing == Preprocessing(size=48, crop=0.9) and not other.training
    assert model.train().resized(48).training


def test_a_smaller_table_is_made_of_the_whole_one():
    """Every third column says 1: picked out they would be all there is, and they are a third of it."""
    grid = torch.tensor([0.0, 1.0, 0.0]).repeat(9 * 3)[None, :, None]
    smaller = stretched(torch.cat([torch.zeros(1, 1, 1), grid], dim=1), 3)[0, 1:]
    assert_close(smaller, torch.full((9, 1), 1 / 3), atol=0.1, rtol=0)


def test_stretching_keeps_the_class_token_and_a_constant():
    position = torch.cat([torch.full((1, 1, 4), 9.0), torch.ones(1, 16, 4)], dim=1)
    longer = stretched(position, 6)
    assert longer.shape == (1, 37, 4)
    assert_close(longer[:, 0], position[:, 0])
    assert_close(longer[:, 1:], torch.ones(1, 36, 4))
