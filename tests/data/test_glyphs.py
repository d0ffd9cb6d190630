import hashlib
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from learnable.data.glyphs import CLASSES, TYPEFACES, glyphs, masks, moved, painted
from learnable.errors import WorldError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_three_parts_with_every_class_equally_often():
    parts = glyphs("glyphs-b", 12)
    assert list(parts) == ["train", "valid", "test"]
    for part, count in (("train", 200), ("valid", 20), ("test", 40)):
        image, label = parts[part]
        assert image.shape == (21 * count, 3, 12, 12) and image.dtype == torch.uint8
        assert label.bincount().tolist() == [count] * 21
        assert len(label[:21].unique()) > 8  # in no order


def test_the_halves_have_no_class_in_common():
    assert set(CLASSES["glyphs-a"]) | set(CLASSES["glyphs-b"]) == set(CLASSES["glyphs"])
    assert not set(CLASSES["glyphs-a"]) & set(CLASSES["glyphs-b"])
    assert [len(CLASSES[name]) for name in ("glyphs", "glyphs-a", "glyphs-b")] == [47, 26, 21]


def test_the_parts_have_no_typeface_in_common():
    faces = {part: {face for faces in typefaces for face in faces} for part, typefaces in TYPEFACES.items()}
    assert not faces["train"] & faces["valid"] and not faces["train"] & faces["test"]
    assert not faces["valid"] & faces["test"]


def test_every_face_has_every_letter():
    """A font without a letter draws its box for missing ones, and two missing letters look alike."""
    for face in (face for typefaces in TYPEFACES.values() for faces in typefaces for face in faces):
        drawn = masks(face, CLASSES["glyphs"], 64).flatten(1)
        assert len(drawn.unique(dim=0)) == 47 and int(drawn.sum(1).min()) > 64 * 255
        assert int(drawn.view(-1, 64, 64)[:, [0, -1]].sum()) == 0, "a letter is cut off"


def test_they_are_the_same_in_every_process():
    code = (
        "from learnable.data.glyphs import glyphs; import hashlib;"
        "print(hashlib.sha256(glyphs('glyphs-b', 8)['test'][0].numpy().tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip()
    here = hashlib.sha256(glyphs("glyphs-b", 8)["test"][0].numpy().tobytes()).hexdigest()
    assert here == there


def test_no_two_pictures_are_alike():
    image = torch.cat([image for image, _ in glyphs("glyphs-b", 12).values()]).flatten(1)
    assert len(image.unique(dim=0)) == len(image)


def test_an_upright_letter_stays_in_place():
    """With every random number in the middle, nothing is turned or shifted; the scale alone is not 1."""
    letter = F.pad(torch.ones(1, 8, 4), (14, 14, 12, 12))  # 32 x 32
    ours = torch.rand
    try:
        torch.rand = lambda *shape, generator: torch.full(shape, 0.5)
        seen = moved(letter, 16, generator())[0, 0]
    finally:
        torch.rand = ours
    rows, columns = seen.sum(1), seen.sum(0)
    middle = torch.arange(16) + 0.5
    assert abs(float((rows * middle).sum() / rows.sum()) - 8) < 1e-3
    assert abs(float((columns * middle).sum() / columns.sum()) - 8) < 1e-3
    assert torch.allclose(seen, seen.flip(0)) and torch.allclose(seen, seen.flip(1))


def test_either_the_letter_or_its_ground_is_the_brighter_one():
    mask = torch.zeros(400, 1, 16, 16)
    mask[:, :, 4:12, 4:12] = 1
    image = painted(mask, generator()).float().mean(1)
    difference = image[:, 4:12, 4:12].mean((1, 2)) - image[:, :, :3].mean((1, 2))
    assert 0.4 < (difference > 0).float().mean() < 0.6
    assert difference.abs().median() > 40  # of 255: it can be read


def test_fonts_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr("matplotlib.get_data_path", lambda: str(tmp_path))
    with pytest.raises(WorldError, match=r"DejaVuSans\.ttf, which comes with matplotlib.*install matplotlib again"):
        masks("DejaVuSans", ("A",), 16)


def test_a_linear_classifier_does_not_get_far():
    """Ink of any color on ground of any color: no pixel says anything by itself."""
    parts = glyphs("glyphs-b", 12)
    (image, label), (test, true) = parts["train"], parts["test"]
    linear = nn.Linear(3 * 12 * 12, 21)
    optimizer = torch.optim.AdamW(linear.parameters(), 1e-2)
    x = (image.flatten(1).float() - 128) / 64
    for _ in range(60):
        loss = F.cross_entropy(linear(x), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracy = (linear((test.flatten(1).float() - 128) / 64).argmax(1) == true).float().mean()
    assert accuracy < 0.25
