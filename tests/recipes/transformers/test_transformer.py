import math
import subprocess
import sys
from dataclasses import fields

import pytest
import torch
from torch.testing import assert_close

from learnable.data import translation
from learnable.data.translation import PADDING, SPECIAL
from learnable.recipes.transformers.transformer import RECIPE, TORCH, evaluate, example, reader, small, torchs
from learnable.runs.configure import configure
from learnable.sampling.translation import Remembering, Rereading
from learnable.train.recipe import smoke


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(translation, "DATES", (64, 8, 8))
    return translation.sentence_pairs(context=48)


def test_the_model_follows_from_the_data(data):
    model = small(data.info, depth=1, width=16, heads=2)
    assert (model.config.vocab, model.config.context) == (data.info.vocab, 48)
    assert model.config.dropout == RECIPE.model_settings["dropout"] == 0.0


def test_the_example_fits_the_model_and_holds_no_padding(data):
    model = small(data.info, depth=1, width=16, heads=2)
    source, target = example(data.info)
    assert min(int(source.min()), int(target.min())) >= len(SPECIAL) > PADDING
    assert model(source, target).shape == (2, 48, data.info.vocab)


def test_its_parts_fit_each_other(data):
    """Dates in, a few steps, numbers and a date out; the first loss is near that of guessing and the last one is lower."""
    recipe = smoke(RECIPE)
    torch.manual_seed(0)
    model = recipe.model(data.info, depth=1, width=16, heads=2)
    (player,) = recipe.players
    optimizer = player.optimizer(model, player.learning_rate)
    before = recipe.evaluate(model.eval(), data.test, data.info)
    model.train()
    for _ in range(8):
        optimizer.zero_grad()
        player.objective(model, data.train.batch(torch.arange(64), {}))["total"].backward()
        optimizer.step()
    after = recipe.evaluate(model.eval(), data.test, data.info)
    assert set(after) == {"exact_match", "loss"} and RECIPE.expected.metric in after
    assert after["loss"] < before["loss"] < 1.3 * math.log(data.info.vocab)
    assert isinstance(recipe.generate(model, data.info, data.info.more["prompt"], count=5)["text"], str)


def test_the_twin_differs_in_the_body_alone(data):
    differs = {field.name for field in fields(RECIPE) if getattr(RECIPE, field.name) != getattr(TORCH, field.name)}
    assert differs == {"model", "generate"}
    torch.manual_seed(0)
    model = torchs(data.info, depth=1, width=16, heads=2).eval()
    assert reader(model) is Rereading and reader(small(data.info, 1, 16, 2)) is Remembering
    assert set(evaluate(model, data.test, data.info)) == {"exact_match", "loss"}
    assert isinstance(TORCH.generate(model, data.info, data.info.more["prompt"], count=5)["text"], str)


def test_captions_have_another_size_and_length():
    found = configure("transformer", RECIPE, {"data": "multi30k"})
    assert found.model_settings["width"] > 64 and found.steps > RECIPE.steps


def test_sentences_are_measured_by_beams(tmp_path):
    pytest.importorskip("sacrebleu")
    lines = [f"{a} Hund sah {b} Katzen.\t{a} dogs saw {b} cats." for a in range(6) for b in range(6)]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    data = translation.sentence_pairs(str(tmp_path / "pairs.tsv"), pieces=60, context=48)
    torch.manual_seed(0)
    ours, theirs = small(data.info, 1, 16, 2), torchs(data.info, 1, 16, 2)
    for model in (ours.eval(), theirs.eval()):
        assert set(evaluate(model, data.test, data.info)) == {"exact_match", "loss", "bleu"}


def test_an_exported_model_reads_shorter_texts_filled_up(data):
    torch.manual_seed(0)
    model = small(data.info, depth=1, width=16, heads=2).eval()
    source, target = example(data.info)
    filled = torch.cat([source[:, :9], torch.full((2, 39), PADDING)], dim=1)
    assert_close(model(filled, target)[:, :5], model(source[:, :9], target[:, :5]))


PROGRAM = """
import sys
from learnable.data.examples import Info
from learnable.data.translation import SPECIAL
from learnable.export.onnx import to_onnx
from learnable.recipes.transformers.transformer import RECIPE, example, small
info = Info("toy", alphabet=(*SPECIAL, *"abcdefgh"), context=12)
made = to_onnx(small(info, 1, 16, 2).eval(), example(info), sys.argv[1], names=(RECIPE.inputs, RECIPE.outputs), dynamic=RECIPE.free)
assert made.difference < 1e-4 and made.tried == ("2x12, 2x12", "3x6, 3x6"), made
"""


@pytest.mark.slow
def test_it_leaves_for_other_runtimes(tmp_path):
    """In a process of its own: the checks of shapes that only tests have would fix the number of examples."""
    pytest.importorskip("onnxruntime")
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "t.onnx")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
