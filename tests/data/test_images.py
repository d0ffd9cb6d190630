import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from learnable.data.augment import Augmented
from learnable.data.examples import Data, Info
from learnable.data.images import digit_scans, glyph_images, labeled_images, prepare
from learnable.errors import CallError, WorldError


def columns(data: Data) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(part.columns["image"], part.columns["label"]) for part in (data.train, data.valid, data.test)]


def test_the_digits_are_the_default():
    data = digit_scans()
    assert data.info.data == "digits" and data.info.classes == tuple("0123456789") and data.info.image == (1, 8, 8)
    assert [len(label) for _, label in columns(data)] == [1257, 180, 360]
    for image, label in columns(data):
        assert image.dtype == torch.float32 and label.dtype == torch.int64
        assert image.min() == 0 and image.max() == 1
        assert label.bincount().min() >= 0.09 * len(label)


def test_the_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    ours = torch.cat([image.flatten(1) * 16 for image, _ in columns(digit_scans())]).numpy()
    theirs = load_digits().data
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_the_cut_is_always_the_same():
    assert torch.equal(digit_scans().test.columns["image"], labeled_images(size=8).test.columns["image"])
    assert len(digit_scans().test.columns["label"][:20].unique()) > 5  # in no order


def test_resized_and_in_color():
    small, large = digit_scans(), labeled_images("digits", size=28, channels=3)
    assert large.info.image == (3, 28, 28) and large.train.columns["image"].shape == (1257, 3, 28, 28)
    assert abs(large.train.columns["image"].mean() - small.train.columns["image"].mean()) < 1e-3
    batch = large.train.batch(torch.tensor([3, 1]), {})
    assert batch["image"].is_contiguous() and batch["image"].shape == (2, 3, 28, 28)


def test_inverted():
    assert torch.equal(digit_scans(invert=True).test.columns["image"], 1 - digit_scans().test.columns["image"])


def test_mnist(mirror):
    data = labeled_images("mnist")
    (train, train_label), (valid, valid_label), (test, test_label) = columns(data)
    assert data.info.data == "mnist" and [len(train), len(valid), len(test)] == [55_000, 5_000, 10_000]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert (train_label.bincount() + valid_label.bincount()).tolist() == counts
    assert test_label.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    whole = torch.cat([train, valid])
    assert round(float(whole.mean()), 4) == 0.1307 and round(float(whole.std()), 4) == 0.3081
    assert test_label[:5].tolist() == [7, 2, 1, 0, 4]


def test_fashion_mnist(mirror):
    data = labeled_images("fashion-mnist")
    (train, _), (valid, _), (_, label) = columns(data)
    assert data.info.classes[9] == "ankle boot" and label[0] == 9
    assert round(float(torch.cat([train, valid]).mean()), 4) == 0.2860


def fetched(part):
    batch = part.batch(torch.arange(len(part)), {})
    return batch["image"], batch["label"]


def test_glyphs_in_color_and_gray():
    color, gray = glyph_images("glyphs-b", size=12), glyph_images("glyphs-b", size=12, channels=1)
    assert color.info.image == (3, 12, 12) and gray.info.image == (1, 12, 12) and len(color.info.classes) == 21
    (image, label), (brightness, same) = fetched(color.test), fetched(gray.test)
    assert torch.equal(label, same) and 0 <= image.min() < 0.1 and 0.9 < image.max() <= 1
    red, green, blue = image.unbind(1)
    assert torch.allclose(0.299 * red + 0.587 * green + 0.114 * blue, brightness[:, 0], atol=0.003)
    inverted = fetched(glyph_images("glyphs-b", size=12, invert=True).test)[0]
    assert torch.allclose(inverted, 1 - image, atol=1e-6)


def test_the_glyphs_are_glyph_images_default():
    assert (
        glyph_images(size=8).info.data == "glyphs" and glyph_images("digits", size=8, channels=1).info.data == "digits"
    )


def test_only_the_training_part_is_augmented():
    data = glyph_images("glyphs-b", size=12, flip=True, pad=2)
    assert isinstance(data.train, Augmented) and not isinstance(data.valid, Augmented)
    assert data.train.flip and data.train.pad == 2
    plain = glyph_images("glyphs-b", size=12)
    assert torch.equal(fetched(data.train)[0], fetched(plain.train)[0])
    with pytest.raises(CallError, match="expected 0 to 12 pixels to pad with, came -1"):
        glyph_images("glyphs-b", size=12, pad=-1)


def test_cifar10_says_that_it_is_a_part(mirror):
    data = labeled_images("cifar10", size=32, channels=3)
    assert data.info.data == "cifar10 subset (4,000 + 1,000)"
    assert [len(part) for part in (data.train, data.valid, data.test)] == [3_600, 400, 1_000]
    assert data.info.classes[:3] == ("airplane", "automobile", "bird") and data.info.image == (3, 32, 32)
    image, label = fetched(data.test)
    assert label[:5].tolist() == [3, 8, 8, 0, 6]  # a cat, two ships, an airplane, a frog: the official order
    means = torch.cat([fetched(data.train)[0], image]).mean((0, 2, 3))
    assert torch.allclose(means, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.01)  # the usual ones, of the whole
    asked = labeled_images("cifar10-subset", size=32, channels=3)
    assert asked.info == data.info and torch.equal(fetched(asked.train)[0], fetched(data.train)[0])


def test_the_part_of_cifar10_can_be_cut_from_the_whole(monkeypatch):
    """Whoever downloads the whole can repeat what was measured on the part."""
    rows = np.arange(10_000)
    batches = {f"data_batch_{n}": (np.full((10_000, 3, 32, 32), n, np.uint8), rows % 10) for n in (1, 2, 3, 4, 5)}
    batches["test_batch"] = (np.full((10_000, 3, 32, 32), 9, np.uint8), rows % 10)
    monkeypatch.setattr("learnable.data.images.fetch_archive", lambda name, subset: ("path", True))
    monkeypatch.setattr("learnable.data.images.read_cifar", lambda path: (batches, tuple("abcdefghij")))
    whole, part = labeled_images("cifar10", size=32), labeled_images("cifar10-subset", size=32)
    assert whole.info.data == "cifar10" and part.info.data == "cifar10 subset (4,000 + 1,000)"
    assert [len(x) for x in (whole.train, whole.valid, whole.test)] == [45_000, 5_000, 10_000]
    assert [len(x) for x in (part.train, part.valid, part.test)] == [3_600, 400, 1_000]
    assert part.train.image.unique().tolist() == [1] and whole.train.image.unique().tolist() == [1, 2, 3, 4, 5]


def test_ants_and_bees(mirror):
    data = labeled_images("hymenoptera", size=24, channels=3)
    assert data.info.data == "hymenoptera subset (120 + 70)" and data.info.classes == ("ants", "bees")
    counts = [part.label.bincount().tolist() for part in (data.train, data.valid, data.test)]
    assert counts[2] == [35, 35] and sum(counts[0] + counts[1]) == 120 and min(counts[1]) >= 9
    assert labeled_images("hymenoptera-subset", size=24, channels=3).info == data.info


def test_a_mnist_file_that_is_another(monkeypatch, tmp_path):
    header = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(header + bytes(784))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 3]))
    monkeypatch.setattr("learnable.data.images.fetch", lambda name, file: tmp_path / file)
    with pytest.raises(WorldError, match=r"expected 60,000 pictures of 28 x 28.*came \(1, 28, 28\)"):
        labeled_images("mnist")


def test_a_folder_of_ones_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (9, 9), (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    data = labeled_images(str(tmp_path), size=6, channels=3)
    assert data.info.classes == ("a", "b") and data.info.image == (3, 6, 6)
    assert prepare(tmp_path / "a" / "0.png", data.info).shape == (3, 6, 6)


@pytest.mark.parametrize(
    "source, kind, message",
    [
        ("mnits", CallError, "did you mean 'mnist'"),
        ("tinyshakespeare", CallError, "no dataset"),
        ("no/such/folder", WorldError, "there is no file or folder"),
    ],
)
def test_an_unknown_source(source, kind, message):
    for read in (digit_scans, labeled_images):
        with pytest.raises(kind, match=message):
            read(source)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n")
    with pytest.raises(WorldError, match=r"came the file .*learnable\.data\.tables"):
        digit_scans(str(tmp_path / "table.csv"))


@pytest.mark.parametrize("options", [{"size": 0}, {"channels": 2}])
def test_a_shape_that_makes_no_sense(options):
    with pytest.raises(CallError, match="expected"):
        labeled_images(**options)


def png(image: torch.Tensor, side: int, margin: int) -> bytes:
    """A scan as somebody would draw it: large, dark on white, with a margin."""
    values = Image.fromarray((image.numpy() * 255).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    page = Image.new("L", (side + 3 * margin, side + margin), 0)
    page.paste(values, (margin, 0))
    file = io.BytesIO()
    Image.fromarray(255 - np.asarray(page)).save(file, "PNG")
    return file.getvalue()


def test_a_drawn_digit_looks_like_the_scan_that_it_was(mirror):
    """To the nearest neighbor, drawings of MNIST's digits are as good as the scans themselves."""
    data = labeled_images("mnist")
    info = Info.from_json(json.loads(json.dumps(data.info.to_json())))
    known, labels = data.train.columns["image"][:4000].flatten(1), data.train.columns["label"][:4000]
    scans, truth = data.test.columns["image"][:100], data.test.columns["label"][:100]
    drawings = torch.stack([prepare(png(scan[0], 200, 60), info) for scan in scans])
    assert (drawings - scans).abs().mean() < 0.05

    def right(images: torch.Tensor) -> float:
        nearest = torch.cdist(images.flatten(1), known).argmin(dim=1)
        return float((labels[nearest] == truth).float().mean())

    assert right(drawings) > 0.9 and right(drawings) > right(scans) - 0.04
    assert right(1 - drawings) < 0.5  # were the paper left white, little would be recognized


@pytest.mark.parametrize("size", [8, 28])
def test_a_drawn_digit_for_a_model_of_digits(size):
    data = labeled_images("digits", size=size)
    known, labels = data.train.columns["image"].flatten(1), data.train.columns["label"]
    scans, truth = digit_scans().test.columns["image"][::4], data.test.columns["label"][::4]
    drawings = torch.stack([prepare(png(scan[0], 160, 40), data.info) for scan in scans])
    assert drawings.shape[1:] == (1, size, size)
    right = labels[torch.cdist(drawings.flatten(1), known).argmin(dim=1)] == truth
    assert right.float().mean() > 0.9


def test_the_scan_itself_is_taken_as_it_is():
    data = digit_scans()
    scan = (data.test.columns["image"][5, 0] * 16).round() / 16
    file = io.BytesIO()
    Image.fromarray((scan * 255).round().numpy().astype(np.uint8)).save(file, "PNG")
    assert (prepare(file.getvalue(), data.info)[0] - scan).abs().max() < 0.01


def test_what_is_wrong_with_a_new_picture_is_said(tmp_path):
    info = digit_scans().info
    (tmp_path / "text.png").write_text("hello")
    for path, message in [("none.png", "there is no picture"), ("", "came the folder"), ("text.png", "no picture of")]:
        with pytest.raises(WorldError, match=message):
            prepare(tmp_path / path, info)
    with pytest.raises(WorldError, match="expected a model of pictures"):
        prepare(tmp_path / "text.png", Info(data="tinyshakespeare"))
