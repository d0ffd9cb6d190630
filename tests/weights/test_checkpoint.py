import builtins
import json
import os
import shutil
import sys
from fnmatch import fnmatch
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from learnable import tensors
from learnable.errors import WorldError
from learnable.models.language.bert import BERT, MaskedLM, TextClassifier, TokenClassifier
from learnable.models.language.gpt import GPT
from learnable.models.language.llama import Llama
from learnable.models.language.modern_gpt import ModernGPT
from learnable.models.language.transformer import Transformer
from learnable.weights.checkpoint import bare, download, read_checkpoint, read_pickle, write_checkpoint


def state():
    return {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.int64)}


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_folder_goes_there_and_back(tmp_path):
    write_checkpoint(tmp_path / "new", {"kind": "toy"}, state())
    config, read = read_checkpoint(tmp_path / "new")
    assert config == {"kind": "toy"}
    assert_same(read, state())
    assert_same(read_checkpoint(tmp_path / "new" / "model.safetensors")[1], state())
    assert_same(read_checkpoint(str(tmp_path / "new"))[1], state())


def shards(folder, **changes):
    save_file({"a": state()["a"]}, folder / "model-00001-of-00002.safetensors")
    save_file({"b": state()["b"]}, folder / "model-00002-of-00002.safetensors")
    places = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"} | changes
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "config.json").write_text("{}")


def test_a_save_removes_the_shards_of_an_earlier_one(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    shards(folder, c="../outside.safetensors", d="model.safetensors", e="config.json", f="notes.txt")
    for kept in (tmp_path / "outside.safetensors", folder / "notes.txt", folder / "other.safetensors"):
        kept.write_text("somebody else's")
    write_checkpoint(folder, {"kind": "toy"}, {"a": torch.zeros(1)})
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "notes.txt",
        "other.safetensors",
    }
    assert (tmp_path / "outside.safetensors").exists()
    assert_same(read_checkpoint(folder)[1], {"a": torch.zeros(1)})


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', "{}"])
def test_a_damaged_index_is_removed_as_well(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    write_checkpoint(tmp_path, {}, state())
    assert {file.name for file in tmp_path.iterdir()} == {"config.json", "model.safetensors"}


def test_a_save_that_fails_leaves_the_shards(tmp_path):
    shards(tmp_path)
    (tmp_path / "model.safetensors").mkdir()  # nothing can be written there
    (tmp_path / "model.safetensors" / "x").touch()
    with pytest.raises((WorldError, OSError)):
        write_checkpoint(tmp_path, {}, {"a": torch.zeros(1)})
    (tmp_path / "model.safetensors" / "x").unlink()
    (tmp_path / "model.safetensors").rmdir()
    assert_same(read_checkpoint(tmp_path)[1], state())


def test_shards_are_put_together(tmp_path):
    shards(tmp_path)
    assert_same(read_checkpoint(tmp_path)[1], state())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"c": "model-00002-of-00002.safetensors"}, "says that c is in model-00002.*it is not"),
        ({"b": "model-00001-of-00002.safetensors"}, "says that b is in model-00001"),
        ({"b": "../outside.safetensors"}, "points out of its folder"),
        ({"b": "gone.safetensors"}, "there is no file .*gone.safetensors"),
        ({"b": 7}, "expected a table 'weight_map'"),
    ],
    ids=["a name too many", "elsewhere", "outside", "no file", "a number"],
)
def test_an_index_that_lies_is_not_believed(tmp_path, changes, message):
    shards(tmp_path, **changes)
    with pytest.raises(WorldError, match=message):
        read_checkpoint(tmp_path)


def test_a_shard_with_more_than_the_index_says(tmp_path):
    shards(tmp_path)
    save_file(state(), tmp_path / "model-00001-of-00002.safetensors")
    with pytest.raises(WorldError, match=r"model-00001-of-00002.safetensors holds b"):
        shards_index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
        del shards_index["weight_map"]["b"]
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(shards_index))
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_torn_file_is_an_error_and_not_a_crash(tmp_path, share):
    write_checkpoint(tmp_path, {}, {"a": torch.randn(1000)})
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(WorldError, match=r"model.safetensors cannot be read, it is damaged or cut short"):
        read_checkpoint(tmp_path)


def test_a_pickle_in_the_place_of_safetensors_is_called_by_its_name(tmp_path):
    torch.save(state(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WorldError, match="it is a pickle, not safetensors"):
        read_checkpoint(tmp_path)


def test_a_pickle_is_read_only_when_asked_for(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    torch.save(state(), tmp_path / "pytorch_model.bin")
    with pytest.raises(WorldError, match=r"pytorch_model.bin.*allow_pickle=True"):
        read_checkpoint(tmp_path)
    assert_same(read_checkpoint(tmp_path, allow_pickle=True)[1], state())
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert_same(read_checkpoint(tmp_path, allow_pickle=True)[1], {"a": torch.zeros(1)})  # safetensors comes first


class Hostile:
    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return os.mkdir, (self.witness,)


def test_a_hostile_pickle_runs_nothing(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    torch.save({"a": Hostile(str(tmp_path / "witness"))}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WorldError, match="holds more than tensors"):
        read_checkpoint(tmp_path, allow_pickle=True)
    assert not (tmp_path / "witness").exists()


def test_a_pickle_of_something_else(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    torch.save([torch.zeros(1)], tmp_path / "pytorch_model.bin")
    with pytest.raises(WorldError, match="expected a table from names to tensors"):
        read_checkpoint(tmp_path, allow_pickle=True)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_a_training_programs_checkpoint_is_opened(tmp_path, key):
    optimizer = {"state": {0: {"step": torch.ones(()), "exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    torch.save({key: state(), "optimizer": optimizer, "epoch": 3, "best": 0.5}, tmp_path / "last.pth")
    assert_same(read_pickle(tmp_path / "last.pth"), state())


def test_which_of_two_tables_is_not_guessed(tmp_path):
    torch.save({"state_dict": state(), "state_dict_ema": state(), "epoch": 3}, tmp_path / "last.pth")
    with pytest.raises(WorldError, match=r"several tables of tensors \(state_dict, state_dict_ema\)"):
        read_pickle(tmp_path / "last.pth")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_what_wrappers_put_before_the_names_is_taken_off(tmp_path, prefix):
    torch.save({prefix + name: tensor for name, tensor in state().items()}, tmp_path / "last.pth")
    assert_same(read_pickle(tmp_path / "last.pth"), state())
    average = torch.optim.swa_utils.AveragedModel(torch.nn.Linear(1, 1)).state_dict()
    assert bare(average).keys() == {"weight", "bias"}
    mixed = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    assert bare(mixed).keys() == mixed.keys()


@pytest.mark.parametrize("text, message", [
    ("{", "damaged or cut short"), ("[1]", "expected an object"),
    (None, "expected config.json beside the weights in .*, came model.safetensors. .* put the one there that belongs"),
])  # fmt: skip
def test_a_config_that_cannot_be_read(tmp_path, text, message):
    save_file(state(), tmp_path / "model.safetensors")
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(WorldError, match=message):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "family", [GPT, ModernGPT, Llama, BERT, MaskedLM, TextClassifier, TokenClassifier, Transformer]
)
def test_every_model_of_text_asks_for_its_config(tmp_path, family):
    save_file(state(), tmp_path / "model.safetensors")
    for place in (tmp_path, tmp_path / "model.safetensors"):
        with pytest.raises(
            WorldError, match="expected config.json .*, came model.safetensors. It says what no tensor shows"
        ):
            family.from_pretrained(place)


def test_a_folder_without_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WorldError, match=r"expected model.safetensors .* came config.json"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["gpt2", "./nowhere", "/no/where", "a/b/c", "../x", "-x/y", "a b/c"])
def test_what_is_neither_a_folder_nor_a_name_on_the_hub(name):
    with pytest.raises(WorldError, match=r"no folder or file .*owner/name, such as openai-community/gpt2"):
        read_checkpoint(name)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A repository in a folder; what is asked for, and there, is fetched into another."""
    repository, cache = tmp_path / "repository", tmp_path / "cache"
    repository.mkdir(), cache.mkdir()

    def snapshot_download(name, allow_patterns):
        assert name == "openai-community/gpt2"
        for file in repository.iterdir():
            if any(fnmatch(file.name, pattern) for pattern in allow_patterns):
                shutil.copy(file, cache)
        return str(cache)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    return repository


def test_config_safetensors_and_tokenizer_are_fetched_and_nothing_else(hub):
    write_checkpoint(hub, {"kind": "toy"}, state())
    weights = {"config.json", "model.safetensors"}
    tokenizer = {
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
    }
    for name in tokenizer | {"pytorch_model.bin", "README.md", "onnx.json", "train.py", "flax_model.msgpack"}:
        (hub / name).write_text("x")
    assert read_checkpoint("openai-community/gpt2")[0] == {"kind": "toy"}
    assert {file.name for file in download("openai-community/gpt2").iterdir()} == weights | tokenizer


def test_a_repository_without_a_tokenizer_is_fetched_too(hub):
    write_checkpoint(hub, {"kind": "toy"}, state())
    (hub / "vocab.txt").write_text("x")
    names = {file.name for file in download("openai-community/gpt2").iterdir()}
    assert names == {"config.json", "model.safetensors", "vocab.txt"}


def test_without_a_network_it_says_so(monkeypatch):
    def snapshot_download(name, allow_patterns):
        raise ConnectionError("no route to host\nand more")

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    with pytest.raises(WorldError, match=r"could not be fetched .*ConnectionError: no route to host\). .*network"):
        download("owner/name")


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "huggingface_hub":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "huggingface_hub", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(WorldError, match=r"pip install 'learnable\[hub\]'"):
        download("owner/name")


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    write_checkpoint(tmp_path, {}, {"a": torch.zeros(3)})

    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(WorldError, match="the disk is full"):
        write_checkpoint(tmp_path, {"kind": "new"}, state())
    assert_same(read_checkpoint(tmp_path)[1], {"a": torch.zeros(3)})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_saving_over_shards_is_what_is_read_next(tmp_path):
    shards(tmp_path)
    write_checkpoint(tmp_path, {}, {"a": torch.zeros(1)})
    assert_same(read_checkpoint(tmp_path)[1], {"a": torch.zeros(1)})
