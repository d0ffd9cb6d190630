"""Safetensors: every bit of every weight comes back, tied ones are stored once."""

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from learnable.errors import CallError, WorldError
from learnable.export.safetensors import to_safetensors


def test_a_file_holds_all_weights_and_says_what_they_are(case, tmp_path):
    model, _, _ = case
    path = tmp_path / "m.safetensors"
    exported = to_safetensors(model, path, config={"width": 32}, about={"classes": ["a", "b"]})
    assert exported.size == path.stat().st_size
    state, back = model.state_dict(), load_file(path)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
    with safe_open(path, "pt") as file:
        header = file.metadata()
    assert json.loads(header["config"]) == {"width": 32}
    assert json.loads(header["about"])["classes"] == ["a", "b"]


def test_a_folder_has_config_and_info_beside_the_weights(tmp_path):
    to_safetensors(nn.Linear(3, 2), tmp_path / "out", config={"width": 3}, about={"run": "x/y"})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json",
        "info.json",
        "model.safetensors",
    ]
    assert json.loads((tmp_path / "out/config.json").read_text()) == {"width": 3}
    assert json.loads((tmp_path / "out/info.json").read_text())["run"] == "x/y"
    assert load_file(tmp_path / "out/model.safetensors").keys() == {"weight", "bias"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_odd_tensors_come_back_bit_for_bit(tmp_path):
    model = nn.Module()
    model.register_buffer("nan", torch.tensor([float("nan"), -0.0, float("inf")]))
    model.register_buffer("scalar", torch.tensor(7))
    model.register_buffer("empty", torch.zeros(0, 3))
    model.register_buffer("turned", torch.arange(6.0).reshape(2, 3).T)
    model.register_buffer("brain", torch.randn(4).bfloat16())
    model.register_buffer("slice", torch.arange(10.0)[3:5])
    to_safetensors(model, tmp_path / "m.safetensors")
    back = load_file(tmp_path / "m.safetensors")
    assert back.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert back[name].dtype == tensor.dtype
        torch.testing.assert_close(back[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_tied_weights_are_stored_once_and_the_header_says_under_which_name(tmp_path):
    model = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 50))
    model[1].weight = model[0].weight
    to_safetensors(model, tmp_path / "m.safetensors")
    assert load_file(tmp_path / "m.safetensors").keys() == {"0.weight", "1.bias"}
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert file.metadata()["1.weight"] == "0.weight"


def test_what_stands_there_is_kept(tmp_path):
    model = nn.Linear(3, 2)
    for name in ("m.safetensors", "folder"):
        to_safetensors(model, tmp_path / name)
        with pytest.raises(WorldError, match=r"is a folder|exists already"):
            to_safetensors(nn.Linear(3, 2), tmp_path / name)
    assert torch.equal(load_file(tmp_path / "m.safetensors")["weight"], model.weight)
    with pytest.raises(CallError, match="not overwritten"):
        to_safetensors(model, tmp_path / "folder", overwrite=True)
    new = nn.Linear(3, 2)
    to_safetensors(new, tmp_path / "m.safetensors", overwrite=True)
    assert torch.equal(load_file(tmp_path / "m.safetensors")["weight"], new.weight)
    with pytest.raises(CallError, match="safetensors"):
        to_safetensors(model, tmp_path / "m.bin")
    with pytest.raises(WorldError, match="does not exist"):
        to_safetensors(model, tmp_path / "missing" / "m.safetensors")


@pytest.mark.parametrize("name", ["m.safetensors", "folder"])
def test_a_full_disk_leaves_nothing(name, tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WorldError, match="disk is full"):
        to_safetensors(nn.Linear(3, 2), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
