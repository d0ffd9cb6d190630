import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from learnable.data.cifar import read_cifar, restricted
from learnable.errors import WorldError

META = {b"label_names": [b"cat", b"dog"], b"num_vis": 3072}


def rows(count, value=0):
    data = np.full((count, 3072), value, dtype=np.uint8)
    data[:, 0] = np.arange(count)  # red, top left
    return {b"data": data, b"labels": [n % 2 for n in range(count)]}


def archive(path, **members):
    with tarfile.open(path, "w:gz") as file:
        for name, value in members.items():
            data = value if isinstance(value, bytes) else pickle.dumps(value, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name.replace('meta', 'batches.meta')}")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def test_batches_and_names(tmp_path):
    path = archive(tmp_path / "c.tar.gz", meta=META, data_batch_1=rows(4), test_batch=rows(2, 9), readme=b"no pickle")
    batches, classes = read_cifar(path)
    assert classes == ("cat", "dog") and set(batches) == {"data_batch_1", "test_batch"}
    image, label = batches["data_batch_1"]
    assert image.shape == (4, 3, 32, 32) and image.dtype == np.uint8
    assert image[:, 0, 0, 0].tolist() == [0, 1, 2, 3] and label.tolist() == [0, 1, 0, 1]
    assert batches["test_batch"][0][0, 1, 0, 0] == 9


@pytest.mark.parametrize("protocol", range(5))
def test_every_way_in_which_both_pythons_write_it(protocol):
    value = restricted(pickle.dumps(rows(2), protocol=protocol), "it")
    assert np.array_equal(value[b"data"], rows(2)[b"data"])


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "evil, name",
    [
        (Evil(os.system, "touch bad"), "system"),
        (Evil(eval, "open('bad', 'w')"), "eval"),
        (Evil(np.ndarray, (1,)), "not callable|takes no arguments|Array"),
        (Evil(np.dtype, "O"), "dtype"),
        (Evil(np.load, "x"), "load"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pickle_that_wants_to_run_something(evil, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in (evil, {b"data": evil, b"labels": []}):
        with pytest.raises(WorldError, match=name):
            restricted(pickle.dumps(value, protocol=2), "it")
    assert not (tmp_path / "bad").exists()


def test_a_pickle_cut_short():
    with pytest.raises(WorldError, match="it is damaged"):
        restricted(pickle.dumps(rows(2), protocol=2)[:-40], "it")


@pytest.mark.parametrize(
    "members, message",
    [
        ({"data_batch_1": rows(2)}, "expected cifar-10-batches-py/batches.meta"),
        ({"meta": META, "test_batch": {b"data": np.zeros((2, 9), np.uint8), b"labels": [0, 1]}}, r"shape \(2, 9\)"),
        ({"meta": META, "test_batch": {b"data": [1], b"labels": [0, 1]}}, "came list"),
        ({"meta": META, "test_batch": rows(2) | {b"labels": [0]}}, "expected 2 labels .* came 1"),
        ({"meta": META, "test_batch": rows(2) | {b"labels": [0, 10]}}, "labels from 0 to 9"),
    ],
)
def test_an_archive_that_is_something_else(members, message, tmp_path):
    with pytest.raises(WorldError, match=message):
        read_cifar(archive(tmp_path / "c.tar.gz", **members))


def test_a_torn_archive(tmp_path):
    path = archive(tmp_path / "c.tar.gz", meta=META, test_batch=rows(50))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(WorldError, match="no whole archive"):
        read_cifar(path)
    with pytest.raises(WorldError, match="no whole archive"):
        read_cifar(tmp_path / "none.tar.gz")
