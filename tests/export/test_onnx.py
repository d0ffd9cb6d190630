"""ONNX: the same answers in ONNX Runtime, on any batch, and what the model is stands in the file."""

import builtins
import json

import numpy as np
import pytest
import torch
from torch import nn

from learnable.errors import CallError, WorldError
from learnable.export.onnx import to_onnx


def test_onnx_runtime_answers_like_the_model(case, tmp_path, capfd):
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model, example, dynamic = case
    path = tmp_path / "model.onnx"
    about = {"classes": ["0", "großes Ä"], "input": "gray pictures, 0 to 1", "run": "lenet/now"}
    exported = to_onnx(model, example, path, names=(["image"], ["logits"]), dynamic=dynamic, about=about)
    assert exported.difference < 1e-4
    assert len(exported.tried) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert capfd.readouterr() == ("", "")

    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    kept = {item.key: item.value for item in proto.metadata_props}
    assert json.loads(kept["classes"]) == ["0", "großes Ä"]
    assert (kept["input"], kept["run"]) == ("gray pictures, 0 to 1", "lenet/now")
    assert kept["library"].startswith("learnable ")

    session = onnxruntime.InferenceSession(path)
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, given.name) == ("image", "logits")
    assert taken.shape[: len(dynamic)] == list(dynamic)
    for size in (1, 5):
        x = example[0][torch.zeros(size, dtype=torch.long)]
        if x.is_floating_point():
            x = torch.rand(x.shape)
        (answer,) = session.run(None, {"image": x.numpy()})
        np.testing.assert_allclose(answer, model.eval()(x).detach().numpy(), atol=1e-5)


def test_any_length_up_to_the_context(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    from learnable.models.language.gpt import GPT, GPTConfig

    torch.manual_seed(0)
    model = GPT(GPTConfig(depth=1, width=16, heads=2, vocab=7, context=12)).eval()
    names = (["tokens"], ["logits"])
    to_onnx(model, (torch.randint(7, (2, 6)),), tmp_path / "g.onnx", names=names, dynamic=("batch", "tokens"))
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx")
    for length in (1, 2, 7, 12):
        tokens = torch.randint(7, (3, length))
        (answer,) = session.run(None, {"tokens": tokens.numpy()})
        np.testing.assert_allclose(answer, model(tokens).detach().numpy(), atol=1e-5)


class Two(nn.Module):
    def forward(self, a, b):
        return {"sum": a + b, "both": (a * b,)}


def test_several_inputs_and_outputs(tmp_path):
    pytest.importorskip("onnxruntime")
    example = (torch.randn(2, 3), torch.randn(2, 3))
    exported = to_onnx(Two(), example, tmp_path / "m.onnx", names=(["a", "b"], ["sum", "product"]))
    assert exported.tried == ("2x3, 2x3", "3x3, 3x3")
    with pytest.raises(CallError, match="input names"):
        to_onnx(Two(), example, tmp_path / "n.onnx", names=(["a"], ["sum", "product"]))
    with pytest.raises(CallError, match="output names"):
        to_onnx(Two(), example, tmp_path / "n.onnx", names=(["a", "b"], ["sum"]))


def test_what_stands_there_is_kept(tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "m.onnx"
    path.write_text("precious")
    model, example = nn.Linear(3, 2), (torch.randn(2, 3),)
    with pytest.raises(WorldError, match="exists already"):
        to_onnx(model, example, path)
    assert path.read_text() == "precious"
    to_onnx(model, example, path, overwrite=True)
    with pytest.raises(CallError, match=r"\.onnx"):
        to_onnx(model, example, tmp_path / "m.pb")
    with pytest.raises(WorldError, match="does not exist"):
        to_onnx(model, example, tmp_path / "missing" / "m.onnx")


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_library_gives_the_command_that_installs_it(missing, tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name, *rest, **more):
        if name == missing:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(WorldError, match=rf'needs {missing}: pip install "learnable\[onnx\]"'):
        to_onnx(nn.Linear(3, 2), (torch.randn(2, 3),), tmp_path / "m.onnx")


class Eigenvalues(nn.Module):
    """Something that ONNX has no word for."""

    def forward(self, x):
        return torch.linalg.eigvals(x).real


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


@pytest.mark.parametrize("model", [Eigenvalues(), Noisy()], ids=lambda model: type(model).__name__)
def test_what_cannot_be_exported_leaves_nothing_and_says_one_sentence(model, tmp_path, capfd):
    pytest.importorskip("onnxruntime")
    with pytest.raises(WorldError) as caught:
        to_onnx(model, (torch.randn(2, 3, 3),), tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_model_beyond_the_formats_limit_is_refused_before_the_work(tmp_path):
    pytest.importorskip("onnxruntime")
    with torch.device("meta"):
        model = nn.Linear(30_000, 30_000)
    with pytest.raises(WorldError, match="2 GB in one file"):
        to_onnx(model, (torch.randn(2, 30_000),), tmp_path / "m.onnx")
