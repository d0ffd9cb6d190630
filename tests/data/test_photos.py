import io
import zipfile

import pytest
import torch
from PIL import Image

from learnable.data.photos import imagenet_samples, read_hymenoptera
from learnable.errors import WorldError


def jpeg(value):
    file = io.BytesIO()
    Image.new("RGB", (30, 20), (value, 0, 0)).save(file, "JPEG")
    return file.getvalue()


def archive(path, counts):
    with zipfile.ZipFile(path, "w") as file:
        for (part, name), count in counts.items():
            for number in range(count):
                file.writestr(f"hymenoptera_data/{part}/{name}/{number:03}.jpg", jpeg(2 * number))
        file.writestr("hymenoptera_data/train/ants/.hidden.jpg", b"no picture")
        file.writestr("hymenoptera_data/train/ants/notes.txt", b"no picture")
    return path


COUNTS = {("train", "ants"): 70, ("train", "bees"): 65, ("val", "ants"): 40, ("val", "bees"): 36}


def test_the_parts_and_classes(tmp_path):
    path = archive(tmp_path / "h.zip", COUNTS)
    classes, (image, label), (_, true), whole = read_hymenoptera(path, 8, subset=False)
    assert classes == ("ants", "bees") and not whole
    assert image.shape == (135, 3, 8, 8) and image.dtype == torch.uint8
    assert label.bincount().tolist() == [70, 65] and true.bincount().tolist() == [40, 36]
    assert abs(int(image[69, 0, 0, 0]) - 138) < 4


def test_the_subset_is_the_first_of_each_by_name(tmp_path):
    path = archive(tmp_path / "h.zip", COUNTS)
    _, (image, label), (_, true), whole = read_hymenoptera(path, 8, subset=True)
    assert label.bincount().tolist() == [60, 60] and true.bincount().tolist() == [35, 35] and not whole
    assert abs(int(image[59, 0, 0, 0]) - 118) < 4


def test_the_whole_is_known_by_its_size(tmp_path):
    counts = {("train", "ants"): 123, ("train", "bees"): 121, ("val", "ants"): 70, ("val", "bees"): 83}
    assert read_hymenoptera(archive(tmp_path / "h.zip", counts), 4, subset=False)[3]


def test_an_archive_that_is_something_else(tmp_path):
    (tmp_path / "torn.zip").write_bytes(archive(tmp_path / "h.zip", COUNTS).read_bytes()[:2000])
    with pytest.raises(WorldError, match="no whole archive"):
        read_hymenoptera(tmp_path / "torn.zip", 8, subset=False)
    without = archive(tmp_path / "w.zip", {("train", "ants"): 2, ("val", "ants"): 2, ("val", "bees"): 1})
    with pytest.raises(WorldError, match="expected photos of ants and bees for train"):
        read_hymenoptera(without, 8, subset=False)


def test_the_samples_of_imagenet(mirror):
    samples = imagenet_samples()
    assert len(samples) == 12 and "golden retriever" in samples and "bicycle-built-for-two" in samples
    with Image.open(samples["zebra"]) as image:
        assert image.format == "JPEG"
