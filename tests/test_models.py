"""The front door: models by the names of their variants."""

from pathlib import Path

import pytest
import torch

from learnable import models
from learnable.errors import CallError


def test_every_family_has_its_variants_and_no_two_share_a_name():
    rows = [
        name for module, _, table, _ in models.FAMILIES for name in getattr(__import__(module, fromlist=[table]), table)
    ]
    assert len(models.variants()) == len(rows)
    assert {"resnet50", "gpt2-small"} <= set(models.variants())


def test_patterns():
    assert models.list("resnet1??") == ["resnet101", "resnet152"]
    assert set(models.list()) == set(models.variants())
    with pytest.raises(CallError, match="no model 'resnet5'; did you mean 'resnet50'"):
        models.list("resnet5")


def test_made_to_measure():
    model = models.create("resnet18", classes=4, channels=2)
    assert model(torch.rand(2, 2, 32, 32)).shape == (2, 4)
    assert models.create("resnet18").classes == 1000  # type: ignore[union-attr]


def test_feature_maps_instead_of_logits():
    maps = models.create("resnet18", channels=1, features_only=True)(torch.rand(1, 1, 64, 64))
    assert [tuple(m.shape) for m in maps] == [(1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4), (1, 512, 2, 2)]


def test_pretrained_from_a_folder(tmp_path: Path):
    torch.manual_seed(0)
    saved = models.create("resnet18", classes=3)
    saved.save_pretrained(tmp_path)  # type: ignore[operator]
    again = models.create("resnet18", pretrained=tmp_path)
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(saved.eval()(image), again.eval()(image))
    assert models.create("resnet18", classes=7, pretrained=tmp_path)(image.expand(2, 3, 32, 32)).shape == (2, 7)
    with pytest.raises(CallError, match="another variant than resnet34"):
        models.create("resnet34", pretrained=tmp_path)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(CallError, match="model of text"):
        models.create("gpt2-small", classes=3)
    with pytest.raises(CallError, match="no published weights of gpt2-small"):
        models.create("gpt2-small", pretrained=True)
    with pytest.raises(CallError, match="did you mean 'resnet50'"):
        models.create("resnet5O")


def test_the_best_of_the_known_weights():
    rows = models.published("resnet50")
    assert models._best("resnet50") == "torchvision/resnet50.IMAGENET1K_V2"
    assert {row.variant for row in rows} == {"resnet50"} and all(row.licence for row in rows)
