"""Examples show what the model thinks, and training neither knows nor minds."""

import json

import pytest
import torch
from torch import nn

from learnable import catalog
from learnable.runs import examples, training
from learnable.runs.examples import Album, opinions
from learnable.train import checkpoint
from learnable.train.batches import stream

SMALL = {"steps": 6, "every": 2}
RECIPES = [
    ("lenet", {"batch_size": 16}, "images"),
    ("gpt", {"depth": 1, "width": 16, "heads": 2, "context": 16}, "text"),
    ("gpt", {"depth": 1, "width": 16, "heads": 2, "context": 16, "tokenizer": "bpe", "vocab": 258}, "text"),
    ("self-attention", {"width": 8}, "lines"),
    ("gan", {"width": 8}, "points"),
]


@pytest.fixture
def unlimited(monkeypatch):
    monkeypatch.setattr(examples, "SHARE", 1e9)


def weights(run):
    return checkpoint.latest(run.folder, lambda text: None)[1]["model"]


@pytest.mark.parametrize("name, flags, kind", RECIPES)
def test_each_kind_of_data_is_shown_and_the_training_is_bit_for_bit_the_same(name, flags, kind, unlimited, monkeypatch):
    shown = training.start(name, {**SMALL, **flags})
    facts = json.loads((shown.folder / "examples.json").read_text())
    assert facts["kind"] == kind and facts["step"] == 6
    monkeypatch.setattr(Album, "keep", lambda *_: None)
    plain = training.start(name, {**SMALL, **flags})
    assert not (plain.folder / "examples.json").exists()
    one, other = weights(shown), weights(plain)
    assert set(one) == set(other) and all(torch.equal(one[key], other[key]) for key in one)
    assert shown.record["metrics"] == plain.record["metrics"]


def test_a_programs_twin_is_asked(unlimited):
    run = training.start("autodiff", {"steps": 200, "hidden": 8})
    facts = json.loads((run.folder / "examples.json").read_text())
    assert facts["step"] == 200 and len(facts["items"]) == examples.FIXED
    assert facts["asked"] - facts["right"] >= len(facts["wrong"])
    assert all(item["truth"] != item["prediction"] for item in facts["wrong"])


def opened():
    recipe = catalog.load(catalog.recipe_row("lenet")[1])
    data = recipe.data(None, **recipe.data_settings)
    torch.manual_seed(stream(0, "model").initial_seed())
    return recipe, data, recipe.model(data.info, **recipe.model_settings)


def test_what_is_said_is_what_the_model_says_and_it_is_left_as_it_was():
    recipe, data, model = opened()
    model.train()
    state = torch.get_rng_state()
    facts = opinions(model, recipe, data)
    assert model.training and torch.equal(state, torch.get_rng_state())
    batch = data.valid.batch(torch.arange(1), {})
    with torch.no_grad():
        probabilities = model.eval()(batch["image"])[0].softmax(0)
    first = facts["items"][0]
    assert first["prediction"] == str(int(probabilities.argmax())) and first["truth"] == str(int(batch["label"][0]))
    assert first["probability"] == pytest.approx(float(probabilities.max()), abs=1e-4)
    assert first["pixels"] == (batch["image"][0, 0] * 255).round().int().tolist()


class Broken(nn.Module):
    def forward(self, x):
        torch.rand(3)  # and draws a number of the training's on its way down
        raise RuntimeError("no answer")


def test_no_failure_is_a_failure_of_the_run(tmp_path):
    recipe, data, _ = opened()
    state = torch.get_rng_state()
    Album(tmp_path, recipe, data, lambda: 10.0).keep(Broken(), 1)
    assert torch.equal(state, torch.get_rng_state()) and not list(tmp_path.iterdir())
    Album(tmp_path / "gone", recipe, data, lambda: 10.0).keep(opened()[2], 1)


def test_an_album_that_has_used_up_its_share_waits(tmp_path):
    recipe, data, model = opened()
    now = 0.0
    album = Album(tmp_path, recipe, data, lambda: now)
    album.keep(model, 1)
    album.keep(model, 2)
    assert json.loads((tmp_path / "examples.json").read_text())["step"] == 1
    now = (album.spent + album.last) / examples.SHARE + 1
    album.keep(model, 3)
    assert json.loads((tmp_path / "examples.json").read_text())["step"] == 3
