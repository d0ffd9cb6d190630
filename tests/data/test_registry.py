import importlib
import json
import re
import subprocess
import sys

import pytest

from learnable.data.registry import DATASETS, find, name_or_path
from learnable.errors import CallError, WorldError

FILES = [(name, file) for name, row in DATASETS.items() for file in row.files]


@pytest.mark.parametrize("name", DATASETS)
def test_a_row_names_its_reader_and_its_licence(name):
    row = DATASETS[name]
    module, _, function = row.reads.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert row.title and row.licence and (row.home or row.embedded)
    assert row.embedded == (row.bytes == 0)


@pytest.mark.parametrize("name", [name for name, row in DATASETS.items() if row.embedded])
def test_an_embedded_data_set_needs_no_network(name, monkeypatch):
    monkeypatch.delenv("LEARNABLE_DATA_MIRROR", raising=False)
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail("asked the network"))
    module, _, function = DATASETS[name].reads.partition(":")
    data = getattr(importlib.import_module(module), function)(name)
    assert min(len(data.train), len(data.valid), len(data.test)) > 0
    assert name in data.info.data


@pytest.mark.parametrize("name, file", FILES, ids=[f"{name}-{file.name}" for name, file in FILES])
def test_a_file_has_what_is_needed_to_know_it(name, file):
    assert re.fullmatch("[0-9a-f]{64}", file.sha256) and file.bytes > 0
    assert file.urls and all(url.startswith(("https://", "http://")) and url.endswith(file.name) for url in file.urls)
    assert file.urls[0].startswith("https://")


def test_the_mirror_says_the_same(mirror):
    manifest = json.loads((mirror / "MANIFEST.json").read_text(encoding="utf-8"))["datasets"]
    parts = [(name, row.subset) for name, row in DATASETS.items() if row.subset is not None]
    assert len(parts) == 2
    for name, file in [(name, file) for name, file in FILES if file.name in manifest[name]["files"]] + parts:
        entry = manifest[name]["files"][file.name]
        assert (entry["bytes"], entry["sha256"]) == (file.bytes, file.sha256)
        urls = file.urls or DATASETS[name].files[0].urls
        assert entry["official_url"] in [url.partition("#")[0] for url in urls]  # behind # is a file of an archive
    lacking = {name for name, file in FILES if file.name not in manifest[name]["files"]}
    assert lacking == {name for name, _ in parts} | {"ag_news"}
    assert not any(manifest[name]["complete"] for name in lacking)


def test_what_is_only_in_a_mirror_is_never_the_only_way():
    for row in DATASETS.values():
        if row.subset is not None:
            assert "subset" in row.subset.name and not row.subset.urls and len(row.files) == 1
            assert row.subset.bytes < row.bytes and not row.embedded


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, learnable.data.registry; sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'requests')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_points_are_listed_as_they_are_called():
    from learnable.data.points import SOURCES

    assert {name: DATASETS[name].title.partition(": ")[2] for name in SOURCES if "." not in name} == {
        name: what for name, what in SOURCES.items() if "." not in name
    }


def test_an_unknown_data_set():
    with pytest.raises(CallError, match="did you mean 'fashion-mnist'"):
        find("fashion_mnist")


def test_a_name_goes_before_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    assert name_or_path(None, ["digits", "mnist"]) == "digits"
    assert name_or_path("mnist", ["digits", "mnist"]) == "mnist"
    assert str(name_or_path("./mnist", ["digits", "mnist"])) == "mnist"


@pytest.mark.parametrize(
    "source, kind, message",
    [
        ("mnits", CallError, "did you mean 'mnist'"),
        ("", CallError, "no dataset"),
        ("photos/none", WorldError, "there is no file or folder photos/none"),
        ("none.csv", WorldError, "there is no file or folder none.csv"),
        ("x" * 5000, WorldError, "cannot be used"),
    ],
)
def test_what_is_neither_name_nor_path(source, kind, message):
    with pytest.raises(kind, match=message):
        name_or_path(source, ["digits", "mnist"])
