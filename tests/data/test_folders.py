import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from learnable.data.folders import labeled_folder, natural, stratified
from learnable.errors import WorldError


def fill(folder: Path, count: int, value: int = 100, suffix: str = ".png") -> None:
    """Pictures that can be told apart: each is a little lighter than the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("L", (12, 9), value + i).save(folder / f"{i}{suffix}")


def read(folder: Path, **options):
    return labeled_folder(folder, **({"size": 4, "channels": 1} | options))


def columns(part) -> dict[str, torch.Tensor]:
    return part.batch(torch.arange(len(part)), {})


def test_each_sub_folder_is_a_class(tmp_path):
    for name, value in (("dogs", 0), ("cats 10", 100), ("cats 9", 200)):
        fill(tmp_path / "photos" / name, 10, value)
    data = read(tmp_path / "photos")
    assert data.info.data == "folder photos" and data.info.classes == ("cats 9", "cats 10", "dogs")
    assert data.info.image == (1, 4, 4) and data.info.more == {"ink": None, "invert": False}
    for part, count in ((data.train, 7), (data.valid, 1), (data.test, 2)):
        image, label = columns(part)["image"], columns(part)["label"]
        assert image.dtype == torch.float32 and image.shape[1:] == (1, 4, 4) and label.dtype == torch.int64
        assert label.bincount().tolist() == [count] * 3
        assert torch.equal(
            (image[:, 0, 0, 0] * 255 // 100).long(), 2 - label
        )  # by the value that they were filled with
    values = torch.cat([columns(part)["image"][:, 0, 0, 0] for part in (data.train, data.valid, data.test)])
    assert len(values.unique()) == 30  # no picture in two parts


def test_the_cut_is_the_same_every_time_and_does_not_depend_on_the_place(tmp_path):
    for place in ("here", "there"):
        fill(tmp_path / place / "a", 12)
        fill(tmp_path / place / "b", 12, 150)
    here, there = read(tmp_path / "here"), read(tmp_path / "there")
    assert torch.equal(columns(here.test)["image"], columns(there.test)["image"])


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "valid", "test"), ("train", "validation", "TEST")]
)
def test_parts_that_are_there_already_are_kept(tmp_path, names):
    for part, value, count in zip(names, (10, 100, 200), (4, 2, 3), strict=True):
        fill(tmp_path / part / "a", count, value)
        fill(tmp_path / part / "b", count, value)
    data = read(tmp_path)
    for part, value, count in zip((data.train, data.valid, data.test), (10, 100, 200), (4, 2, 3), strict=True):
        assert columns(part)["label"].bincount().tolist() == [count, count]
        assert torch.all((columns(part)["image"] * 255 - value).abs() < 10)


def test_a_part_that_is_missing_is_cut_from_the_training_part_and_said(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / "train" / name, 20, 0)
        fill(tmp_path / "val" / name, 5, 200)
    data = read(tmp_path)
    assert data.info.more["cut"] == "test cut from the folder train"
    assert len(data.valid) == 10 and torch.all(columns(data.valid)["image"] > 0.7)
    assert (
        len(data.train) + len(data.test) == 40 and len(data.test) == 9 and torch.all(columns(data.test)["image"] < 0.2)
    )


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "bus"):
        fill(tmp_path / name, 4)
    assert read(tmp_path).info.classes == ("bus", "train")


def test_other_files_are_left_out_and_counted(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name, 4)
    (tmp_path / "a" / "notes.txt").write_text("not a picture")
    (tmp_path / "a" / ".hidden.png").write_bytes(b"not a picture either")
    (tmp_path / "a" / "Thumbs.db").touch()
    fill(tmp_path / ".cache" / "c", 2)
    fill(tmp_path / "b" / "more", 2, suffix=".JPG")
    data = read(tmp_path)
    assert len(data.train) + len(data.valid) + len(data.test) == 10
    assert data.info.more["ignored"].startswith("5 ")


@pytest.mark.parametrize("above", ["", "train"], ids=["classes", "parts"])
def test_a_class_may_be_a_link_and_is_counted_like_a_folder(tmp_path, above):
    photos = tmp_path / "photos" / above
    fill(photos / "a", 4)
    fill(tmp_path / "elsewhere", 5)
    (photos / "b").symlink_to(tmp_path / "elsewhere")
    data = read(tmp_path / "photos")
    assert len(data.train) + len(data.valid) + len(data.test) == 9
    assert "ignored" not in data.info.more
    (tmp_path / "elsewhere" / "notes.txt").touch()
    (tmp_path / "photos" / "notes.txt").touch()
    (tmp_path / "photos" / ".cache").mkdir()
    (tmp_path / "photos" / ".cache" / "thumbnail.png").touch()
    assert read(tmp_path / "photos").info.more["ignored"].startswith("3 hidden files or")


def test_colors_and_inversion(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name, 4, 0)
    data = read(tmp_path, channels=3, invert=True)
    assert data.info.image == (3, 4, 4) and data.info.more["invert"] is True
    assert columns(data.train)["image"].shape[1:] == (3, 4, 4) and columns(data.train)["image"].min() > 0.9


def nothing(folder: Path) -> None:
    folder.mkdir()


def texts_only(folder: Path) -> None:
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "notes.txt").touch()


def loose(folder: Path) -> None:
    fill(folder, 5)


def one_class(folder: Path) -> None:
    fill(folder / "cats", 5)


def few(folder: Path) -> None:
    fill(folder / "cats", 5)
    fill(folder / "dogs", 2)


def none_of_one(folder: Path) -> None:
    fill(folder / "cats", 5)
    fill(folder / "dogs", 5)
    (folder / "emus").mkdir()


def broken(folder: Path) -> None:
    fill(folder / "cats", 5)
    fill(folder / "dogs", 5)
    Image.effect_noise((40, 40), 50).save(folder / "dogs" / "3.png")
    whole = (folder / "dogs" / "3.png").read_bytes()
    (folder / "dogs" / "3.png").write_bytes(whole[: len(whole) // 2])


def two_broken(folder: Path) -> None:
    broken(folder)
    (folder / "cats" / "1.png").write_bytes(b"")


def strange_class(folder: Path) -> None:
    for part in ("train", "test"):
        fill(folder / part / "cats", 5)
        fill(folder / part / "dogs", 5)
    fill(folder / "test" / "emus", 5)


def empty_part(folder: Path) -> None:
    for name in ("cats", "dogs"):
        fill(folder / "train" / name, 5)
    (folder / "test").mkdir()


def twice(folder: Path) -> None:
    for part in ("train", "val", "valid"):
        fill(folder / part / "cats", 5)
        fill(folder / part / "dogs", 5)


@pytest.mark.parametrize(
    "make, message",
    [
        (nothing, "no picture at all"),
        (texts_only, "no picture at all"),
        (loose, "5 pictures without a sub-folder .such as .*png"),
        (one_class, "one class, 'cats'"),
        (few, "at least 3 pictures in each class, came 2 in 'dogs'"),
        (none_of_one, "came 0 in 'emus'"),
        (broken, r"dogs.3\.png is damaged.* Of the 10 pictures in .*, 9 are fine; this one must"),
        (two_broken, "8 are fine; this one and 1 more must"),
        (strange_class, "the part 'test' .* has the class 'emus'"),
        (twice, "both val and valid of .* are the part 'valid'"),
        (empty_part, "the part 'test' .* has no pictures"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tmp_path, make, message):
    make(tmp_path / "photos")
    with pytest.raises(WorldError, match=message):
        read(tmp_path / "photos")


def test_ants_and_bees(mirror, tmp_path):
    with zipfile.ZipFile(mirror / "hymenoptera" / "hymenoptera_data-subset.zip") as archive:
        archive.extractall(tmp_path)
    data = read(tmp_path / "hymenoptera_data", size=32, channels=3)
    assert data.info.classes == ("ants", "bees") and data.info.data == "folder hymenoptera_data"
    assert columns(data.valid)["label"].bincount().tolist() == [35, 35]
    assert len(data.train) + len(data.test) == 120
    assert 0.3 < columns(data.train)["image"].mean() < 0.6


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.sampled_from([(70, 10, 20), (1, 1), (90, 10)]))
def test_a_stratified_cut_has_everything_once_and_every_class_everywhere(labels, shares):
    labels = torch.tensor(labels)
    parts = stratified(labels, shares)
    assert sorted(torch.cat(parts).tolist()) == list(range(len(labels)))
    for label, count in zip(*labels.unique(return_counts=True), strict=True):
        counts = [int((labels[part] == label).sum()) for part in parts]
        if count >= len(shares):
            assert min(counts) >= 1
        wanted = np.array(shares) / sum(shares) * int(count)
        assert np.all(np.abs(np.array(counts)[1:] - wanted[1:]) <= 1.5)


def test_rounding_takes_nothing_from_the_first_part():
    """Half of five is rounded down, and the half that is owed must not take both of the next class."""
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 1])
    assert [labels[part].unique().tolist() for part in stratified(labels, [1, 1])] == [[0, 1], [0, 1]]


def test_sizes_come_out_even_without_classes():
    labels = torch.arange(1000) % 7
    assert [len(part) for part in stratified(labels, [70, 10, 20])] == [700, 100, 200]


@given(st.lists(st.text(max_size=6)), st.randoms())
def test_any_names_have_one_order(names, random):
    shuffled = random.sample(names, len(names))
    assert sorted(shuffled, key=natural) == sorted(names, key=natural)


def test_classes_one_folder_deeper_are_pointed_at(tmp_path):
    """As an archive is unpacked: photos/animals/cats."""
    for name in ("cats", "dogs"):
        fill(tmp_path / "animals" / name, 10)
    with pytest.raises(WorldError, match=r"Are its sub-folders the classes\? Then name .*animals\."):
        read(tmp_path)
    fill(tmp_path / "one" / "cats", 10)
    with pytest.raises(WorldError, match=r"nothing to tell apart\. Add another folder\."):
        read(tmp_path / "one")
