"""The models' pages say what the tables say, and the written ones are what would be written now."""

import json
from pathlib import Path

import pytest

from house_rules.tree import ROOT
from learnable import models
from learnable.errors import CallError
from learnable.runs import model_pages


def test_every_variant_is_on_one_page():
    names = [variant["name"] for family in model_pages.families() for variant in model_pages.page(family)["variants"]]
    assert sorted(names) == sorted(models.variants())


def test_a_page_by_any_name():
    told = model_pages.page("resnet50")
    assert told == model_pages.page("ResNet") == model_pages.page("resnet")
    assert told["topic"] == "resnet" and "3x3" in told["departures"] and told["papers"].startswith("He, Zhang")
    [row] = [row for row in told["weights"] if row["name"] == "torchvision/resnet50.IMAGENET1K_V2"]
    assert row["licence"] == "BSD-3-Clause" and row["preprocessing"]["resized"] == 232
    with pytest.raises(CallError, match="did you mean 'resnet50'"):
        model_pages.page("resnet5O")


def test_the_measured_differences_are_of_families_and_small():
    """Where there is none yet the page says so; `python -m benchmarks.parity` measures."""
    measured = model_pages.parity()
    assert {"resnet", "gpt"} <= set(measured) <= set(model_pages.families())
    for family, row in measured.items():
        assert row["float64"]["outputs"] < 1e-10 and row["float32"]["outputs"] < 1e-4, family
        assert row["comparisons"] and row["against"], family


def test_the_written_pages_are_fresh():
    """If not: make docs."""
    folder = ROOT / "docs" / "models"
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    assert written == model_pages.documents()
    kept = Path(models.__file__).with_name("pages.json").read_text(encoding="utf-8")
    assert json.loads(kept) == json.loads(json.dumps(model_pages.table()))
