import json

import pytest
import torch
from safetensors import SafetensorError

from learnable import tensors
from learnable.errors import WorldError


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_views_and_transposes_are_stored_as_what_they_show(tmp_path):
    whole = torch.randn(6, 4)
    views = {"row": whole[1], "turned": whole.t(), "part": whole[:, 1:3], "whole": whole}
    tensors.write(tmp_path / "file", views)
    assert_same(tensors.read(tmp_path / "file"), views)


def test_a_tensor_with_two_names_is_stored_once(tmp_path):
    big = torch.randn(1000, 10)
    tensors.write(tmp_path / "tied", {"token": big, "head": big})
    tensors.write(tmp_path / "alone", {"token": big, "head": big.clone()})
    assert (tmp_path / "tied").stat().st_size < 0.6 * (tmp_path / "alone").stat().st_size
    assert_same(tensors.read(tmp_path / "tied"), {"token": big, "head": big})


def test_empty_tensors_are_not_taken_for_one_another(tmp_path):
    state = {"a": torch.zeros(0, 3), "b": torch.zeros(0, 3)}
    assert tensors.once(state)[1] == {}
    tensors.write(tmp_path / "file", state)
    assert_same(tensors.read(tmp_path / "file"), state)


@pytest.mark.parametrize("bytes_", [b"\xff" * 100, b"\x08" + b"\0" * 7 + b"notjson!", b"{}", b"\0" * 64, b""])
def test_rubbish_is_an_error_and_not_a_crash(tmp_path, bytes_):
    (tmp_path / "x.safetensors").write_bytes(bytes_)
    with pytest.raises(WorldError, match="damaged or cut short"):
        tensors.read(tmp_path / "x.safetensors")


@pytest.mark.parametrize("tied", ["{", '{"head": "nothing"}', "[]", "3"])
def test_a_hostile_header_is_an_error(tmp_path, tied):
    tensors.write(tmp_path / "x", {"a": torch.zeros(2)}, {"tied": tied})
    with pytest.raises(WorldError, match="cannot be read"):
        tensors.read(tmp_path / "x")


def test_a_pickle_is_called_by_its_name_and_not_opened(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(WorldError, match="it is a pickle, not safetensors"):
        tensors.read(tmp_path / "model.safetensors")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(WorldError, match="there is no file"):
        tensors.read(tmp_path / "none")


def test_a_full_disk_is_the_systems_error(tmp_path, monkeypatch):
    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(OSError, match="No space left") as caught:
        tensors.write(tmp_path / "file", {"a": torch.zeros(3)})
    assert caught.value.errno == 28


def test_the_header_says_what_is_tied(tmp_path):
    weight = torch.randn(2)
    tensors.write(tmp_path / "file", {"token": weight, "head": weight}, {"about": "x"})
    size = int.from_bytes((tmp_path / "file").read_bytes()[:8], "little")
    header = json.loads((tmp_path / "file").read_bytes()[8 : 8 + size])
    assert json.loads(header["__metadata__"]["tied"]) == {"head": "token"}
    assert header["__metadata__"]["about"] == "x"
