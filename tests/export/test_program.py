"""`.pt2`: what is loaded back answers like the model, on sizes that were never shown to the exporter."""

import json
import logging
import sys
import warnings

import pytest
import torch
from torch import nn

from learnable.errors import CallError, WorldError
from learnable.export.program import compared, quiet, to_program, traceable, trials


def test_the_program_is_the_model(case, tmp_path, capfd):
    model, example, dynamic = case
    path = tmp_path / "model.pt2"
    exported = to_program(model, example, path, dynamic=dynamic, about={"classes": ["a", "b"]})
    assert exported.difference < 1e-5
    assert exported.size == path.stat().st_size > 0
    assert len(exported.tried) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt2"]
    assert capfd.readouterr() == ("", "")

    files = {"about.json": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.export.load(path, extra_files=files).module()
    assert json.loads(files["about.json"])["classes"] == ["a", "b"]
    assert json.loads(files["about.json"])["library"].startswith("learnable ")
    x = example[0][torch.zeros(7, dtype=torch.long)]
    torch.testing.assert_close(loaded(x), model.eval()(x))


def test_the_model_is_as_it_was(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    model[1].eval()  # a frozen part stays frozen, the others stay in training
    before = {name: value.clone() for name, value in model.state_dict().items()}
    to_program(model, (torch.randn(2, 3),), tmp_path / "m.pt2")
    assert [module.training for module in model] == [True, False, True]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_what_stands_there_is_kept(tmp_path):
    path = tmp_path / "m.pt2"
    path.write_text("precious")
    model, example = nn.Linear(3, 2), (torch.randn(2, 3),)
    with pytest.raises(WorldError, match="exists already"):
        to_program(model, example, path)
    assert path.read_text() == "precious"
    to_program(model, example, path, overwrite=True)
    assert path.stat().st_size > 100


def test_wrong_places(tmp_path):
    model, example = nn.Linear(3, 2), (torch.randn(2, 3),)
    with pytest.raises(CallError, match=r"m\.pt2"):
        to_program(model, example, tmp_path / "m.onnx")
    with pytest.raises(WorldError, match="does not exist"):
        to_program(model, example, tmp_path / "missing" / "m.pt2")
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(WorldError, match="is a folder"):
        to_program(model, example, tmp_path / "folder.pt2", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.pt2"]


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


def test_what_cannot_be_exported_says_so_in_one_sentence_and_leaves_nothing(tmp_path, capfd):
    with pytest.raises(WorldError, match="cannot take this model") as caught:
        to_program(Branching(), (torch.randn(2, 3),), tmp_path / "m.pt2")
    assert "\n" not in str(caught.value)
    with pytest.raises(WorldError, match="differs from the model"):
        to_program(Noisy(), (torch.randn(2, 3),), tmp_path / "m.pt2")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


class LongOnly(nn.Module):
    """Fits its example alone: 5 is written into it."""

    def forward(self, x):
        return x.reshape(2, 5)


def test_a_size_that_is_built_in_is_found(tmp_path):
    with pytest.raises(WorldError):
        to_program(LongOnly(), (torch.randn(2, 5),), tmp_path / "m.pt2")


def test_a_difference_beyond_rounding_is_an_error_even_when_the_example_hides_it():
    model = nn.Linear(3, 2)
    with torch.no_grad():
        shifted = nn.Linear(3, 2)
        shifted.load_state_dict({"weight": model.weight + 1e-3, "bias": model.bias})
        zeros = (torch.zeros(2, 3),)  # on which the two agree
        with pytest.raises(WorldError, match="differs"):
            compared(model, lambda inputs: [shifted(*inputs)], zeros, ("batch",), "it")
        broken = lambda inputs: [model(*inputs) * float("nan")]
        with pytest.raises(WorldError, match="differs"):
            compared(model, broken, zeros, ("batch",), "it")
        with pytest.raises(WorldError, match="shapes"):
            compared(model, lambda inputs: [model(*inputs)[:1]], zeros, ("batch",), "it")


def test_what_is_tried():
    floats, tokens = torch.zeros(2, 3), torch.tensor([[4, 9, 9, 4]])
    same, other = trials((floats, tokens), ("batch", "tokens"))
    assert same[0].equal(floats) and same[1].equal(tokens)
    assert other[0].shape == (3, 1) and other[1].shape == (3, 2)
    assert other[0].abs().min() > 0
    assert set(other[1].flatten().tolist()) <= {4, 9}
    assert [tuple(x.shape) for x in traceable((torch.zeros(1, 1, 5), torch.zeros(3)), 2)] == [(2, 2, 5), (3,)]


def test_quiet_swallows_chatter_but_no_failure(capfd, caplog):
    with quiet("it"):
        print("chatter")
        print("chatter", file=sys.stderr)
        warnings.warn("chatter", stacklevel=1)
        logging.getLogger("tool").error("chatter")
    logging.getLogger("tool").warning("heard again")
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == ["heard again"]
    with pytest.raises(WorldError, match=r"^it cannot take this model \(ValueError: first line\)"), quiet("it"):
        raise ValueError("\n first line\nsecond line")
    with pytest.raises(OSError, match="disk"), quiet("it"):
        raise OSError("disk")
