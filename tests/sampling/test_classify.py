"""A picture in, a name out: on real pictures, from files and from bytes."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from learnable.data.examples import Info
from learnable.data.images import prepare
from learnable.errors import CallError, WorldError
from learnable.sampling.classify import classify_image

INFO = Info("colors", classes=("dark", "bright", "Ähnliches"), image=(1, 8, 8))


def png(level):
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 20), level, dtype=np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


class Brightness(nn.Module):
    """Bright pictures are bright; whether it is at rest shows in the third logit."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, image):
        bright = self.scale * (image.mean(dim=(1, 2, 3)) - 0.5)
        return torch.stack([-bright, bright, torch.full_like(bright, 50.0 if self.training else -50.0)], dim=1)


@pytest.mark.parametrize("level, name", [(0, "dark"), (255, "bright")])
def test_the_prediction_is_the_likeliest_and_the_probabilities_are_the_softmax(level, name, tmp_path):
    file = tmp_path / "a b.png"
    file.write_bytes(png(level))
    model = Brightness()
    answer = classify_image(model, INFO, file)
    assert answer["prediction"] == name
    assert tuple(answer["probabilities"]) == INFO.classes
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-12)
    logits = model.eval()(prepare(file, INFO)[None])[0]
    expected = logits.softmax(0).tolist()
    assert list(answer["probabilities"].values()) == pytest.approx(expected, abs=1e-6)
    assert json.loads(json.dumps(answer)) == answer


def test_a_path_a_string_and_the_bytes_are_the_same(tmp_path):
    file = tmp_path / "p.png"
    file.write_bytes(png(90))
    model = Brightness()
    assert (
        classify_image(model, INFO, file)
        == classify_image(model, INFO, str(file))
        == classify_image(model, INFO, png(90))
    )


def test_the_model_is_asked_at_rest_and_left_as_it_was():
    model = nn.Sequential(Brightness(), nn.Identity())
    model[1].eval()
    assert classify_image(model, INFO, png(255))["prediction"] == "bright"
    assert [model.training, model[0].training, model[1].training] == [True, True, False]
    with pytest.raises(WorldError):
        classify_image(model, INFO, b"no picture")
    assert model.training


class Broken(nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, image):
        if self.logits is None:
            raise RuntimeError("boom")
        return self.logits


def test_the_mode_comes_back_after_a_failure():
    model = Broken(None)
    with pytest.raises(RuntimeError):
        classify_image(model, INFO, png(0))
    assert model.training


def test_models_that_cannot_answer_say_why():
    with pytest.raises(CallError, match="3 logits"):
        classify_image(Broken(torch.zeros(1, 4)), INFO, png(0))
    with pytest.raises(WorldError, match="diverged"):
        classify_image(Broken(torch.full((1, 3), torch.nan)), INFO, png(0))
    for info in (Info("text", alphabet=("a",)), Info("pictures", image=(1, 8, 8))):
        with pytest.raises(CallError, match="named classes"):
            classify_image(Brightness(), info, png(0))


@pytest.mark.parametrize("bad", [b"", b"no picture", png(0)[:40]])
def test_what_is_no_picture_is_the_worlds_fault(bad, tmp_path):
    with pytest.raises(WorldError):
        classify_image(Brightness(), INFO, bad)
    with pytest.raises(WorldError):
        classify_image(Brightness(), INFO, tmp_path / "missing.png")
