import io
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from learnable.data import pictures
from learnable.data.pictures import as_scan, read_image
from learnable.errors import CallError, WorldError


def packed(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(width: int, height: int) -> Image.Image:
    """Dark on the left, light on the right."""
    return Image.fromarray(np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1)))


def test_a_picture_of_the_right_size_comes_as_it_is():
    values = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    image = read_image(packed(Image.fromarray(values)), size=8)
    assert image.shape == (1, 8, 8) and torch.equal(image[0], torch.from_numpy(values) / 255)


def test_the_shorter_side_is_fitted_and_the_middle_cut_out():
    image = read_image(packed(gradient(300, 100)), size=10)
    assert image.shape == (1, 10, 10)
    assert abs(image.mean() - 0.5) < 0.01 and 0.33 < image[0, 0, 0] < 0.36 and 0.64 < image[0, 0, -1] < 0.67


def test_gray_becomes_three_channels_and_colors_one():
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    assert read_image(packed(red), size=4, channels=3)[:, 0, 0].tolist() == [1, 0, 0]
    assert abs(float(read_image(packed(red), size=4)[0, 0, 0]) - 0.299) < 0.005  # the eye's weight of red
    gray = read_image(packed(gradient(4, 4)), size=4, channels=3)
    assert gray.shape == (3, 4, 4) and torch.equal(gray[0], gray[2])


@pytest.mark.parametrize(
    "image, kind",
    [
        (Image.new("L", (6, 6), 102), "PNG"),
        (Image.new("RGB", (6, 6), (102, 102, 102)), "BMP"),
        (Image.new("RGBA", (6, 6), (102, 102, 102, 255)), "PNG"),
        (Image.new("LA", (6, 6), (102, 255)), "PNG"),
        (Image.new("CMYK", (6, 6), (0, 0, 0, 153)), "TIFF"),
        (Image.new("RGB", (6, 6), (102, 102, 102)).quantize(4), "GIF"),
        (Image.fromarray(np.full((6, 6), 102 * 257, np.uint16)), "PNG"),
        (Image.fromarray(np.full((6, 6), 102 * 257, np.uint16)), "TIFF"),
        (Image.fromarray(np.full((6, 6), 102 * 257, np.int32)), "TIFF"),
        (Image.new("L", (6, 6), 102), "WEBP"),
        (Image.new("L", (6, 6), 102), "PPM"),
    ],
    ids=lambda value: getattr(value, "mode", value),
)
def test_every_kind_of_picture_gives_the_same_gray(image, kind):
    read = read_image(packed(image, kind), size=6)
    assert torch.allclose(read, torch.full((1, 6, 6), 0.4), atol=0.01)


def test_black_and_white():
    assert read_image(packed(Image.new("1", (5, 5), 1)), size=5).unique().tolist() == [1]


@pytest.mark.parametrize("kind, mode", [("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "P"), ("GIF", "P")])
def test_what_is_transparent_is_white(kind, mode):
    image = Image.new("RGBA", (6, 6), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 3, 6))
    options = {}
    if mode == "P":
        image, options = Image.new("P", (6, 6), 0), {"transparency": 0}
        image.putpalette([0, 0, 0, 0, 0, 0])
        image.paste(1, (0, 0, 3, 6))
    read = read_image(packed(image.convert(mode), kind, **options), size=6)
    assert read[0, 0].tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_the_picture_is_turned_as_the_camera_was_held(kind):
    image = Image.new("L", (40, 20))
    image.paste(255, (0, 0, 20, 20))  # light on the left ...
    exif = Image.Exif()
    exif[0x0112] = 6  # ... and the camera says: turn it right
    read = read_image(packed(image, kind, exif=exif), size=20)
    assert read[0, 2, 10] > 0.9 and read[0, -3, 10] < 0.1


def test_a_16_bit_picture_is_turned_too():
    values = np.zeros((20, 40), np.uint16)
    values[:, :20] = 65535
    exif = Image.Exif()
    exif[0x0112] = 6
    read = read_image(packed(Image.fromarray(values), "PNG", exif=exif), size=20)
    assert read[0, 2, 10] > 0.9 and read[0, -3, 10] < 0.1


def test_sixteen_bits_are_kept():
    values = np.array([[0, 1000, 32768, 65535]] * 4, np.uint16)
    read = read_image(packed(Image.fromarray(values)), size=4)
    assert torch.allclose(read[0, 0], torch.from_numpy(values[0].astype(np.float32)) / 65535, atol=1e-6)


def test_inverted_only_if_asked():
    white = packed(Image.new("L", (4, 4), 255))
    assert read_image(white, size=4).mean() == 1 and read_image(white, size=4, invert=True).mean() == 0


PHOTO = packed(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), "JPEG")
DRAWING = packed(gradient(64, 64))


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "no picture of a known kind"),
        (b"hello", "no picture of a known kind"),
        (DRAWING[: len(DRAWING) // 2], "damaged"),
        (PHOTO[: len(PHOTO) // 2], "damaged"),
        (DRAWING[:50] + b"????" + DRAWING[54:], "damaged"),
        (DRAWING[:40] + b"????" + DRAWING[44:], "or damaged at its beginning"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a known kind"),  # would start a program
        (packed(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "fractions"),
        (packed(Image.fromarray(np.full((4, 4), 1 << 20, np.int32)), "TIFF"), "0 to 65535 were expected"),
    ],
)
def test_what_is_wrong_with_a_picture_is_said(data, message):
    with pytest.raises(WorldError, match=message):
        read_image(data, size=8)


def test_what_is_wrong_with_a_path_is_said(tmp_path):
    (tmp_path / "empty.png").touch()
    for name, message in [("none.png", "there is no picture"), ("", "came the folder"), ("empty.png", "0 bytes")]:
        with pytest.raises(WorldError, match=message):
            read_image(tmp_path / name, size=8)
    with pytest.raises(CallError, match="1 to 1024 pixels"):
        read_image(DRAWING, size=0)
    with pytest.raises(CallError, match="1 channel"):
        read_image(DRAWING, size=8, channels=2)


@pytest.mark.parametrize("pixels", [20_000**2, 10_000**2])
def test_a_picture_too_large_to_be_meant(pixels):
    """A PNG of a few bytes that says it has 400 million pixels (Pillow refuses), or 100 million (Pillow only warns)."""
    side = int(pixels**0.5).to_bytes(4, "big")
    header = b"IHDR" + side + side + bytes([8, 0, 0, 0, 0])
    data = (
        b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big") + DRAWING[33:]
    )
    with pytest.raises(WorldError, match="too many pixels"):
        read_image(data, size=8)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([DRAWING, PHOTO, b"", packed(gradient(9, 9), "TIFF"), packed(gradient(9, 9), "GIF")]), st.data())
def test_no_bytes_get_out_of_hand(start, data):
    """Cut off anywhere, with a few bytes changed."""
    damaged = bytearray(start[: data.draw(st.integers(0, len(start)))] + data.draw(st.binary(max_size=20)))
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert read_image(bytes(damaged), size=4).shape == (1, 4, 4)
    except WorldError as error:
        assert str(error)


def drawn(
    width: int, *, on: int = 255, ink: int = 0, box: tuple[int, int, int, int] = (120, 40, 180, 220)
) -> torch.Tensor:
    """An ellipse in a picture of 300 x 300."""
    image = Image.new("L", (300, 300), on)
    ImageDraw.Draw(image).ellipse(box, outline=ink, width=width)
    return torch.from_numpy(np.array(image))[None] / 255


def extent(scan: torch.Tensor) -> tuple[int, int, int, int]:
    rows, columns = (scan[0] > 0.2).any(1).nonzero(), (scan[0] > 0.2).any(0).nonzero()
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


def test_a_drawing_becomes_a_scan_of_mnist():
    scan = as_scan(drawn(20), "mnist")
    assert scan.shape == (1, 28, 28) and scan.max() == 1 and scan[0, 0].max() == 0
    top, bottom, left, right = extent(scan)
    assert bottom - top + 1 == 20 and 6 <= right - left + 1 <= 8  # 20 pixels, proportions kept
    places = torch.arange(28.0)
    down, across = (scan[0].sum(1) * places).sum() / scan.sum(), (scan[0].sum(0) * places).sum() / scan.sum()
    assert abs(down - 14) <= 0.5 and abs(across - 14) <= 0.5


def test_a_drawing_becomes_a_scan_of_digits():
    scan = as_scan(drawn(20), "digits")
    assert scan.shape == (1, 8, 8) and extent(scan)[:2] == (0, 7) and scan.max() <= 1


@pytest.mark.parametrize("like", ["mnist", "digits"])
def test_place_size_and_colors_of_the_drawing_do_not_matter(like):
    scan = as_scan(drawn(20), like)
    assert torch.allclose(scan, as_scan(drawn(20, box=(20, 100, 80, 280)), like), atol=1e-5)
    assert torch.allclose(scan, as_scan(drawn(20, on=0, ink=255), like), atol=1e-5)
    assert torch.allclose(scan, as_scan(drawn(20, on=200, ink=60), like), atol=0.01)
    assert (scan - as_scan(drawn(10, box=(120, 40, 150, 130)), like)).abs().mean() < 0.03


@pytest.mark.parametrize("like", ["mnist", "digits"])
def test_a_thin_pen_is_thickened(like):
    assert as_scan(drawn(2), like).sum() > 0.5 * as_scan(drawn(16), like).sum()


@pytest.mark.parametrize("like", ["mnist", "digits"])
def test_a_scan_stays_what_it_is(like):
    side = pictures.SCANS[like].side
    scan = torch.zeros(1, side, side)
    scan[0, 2:-2, 3:5] = 0.7
    assert as_scan(scan, like) is scan
    assert not torch.equal(as_scan(1 - scan, like), 1 - scan)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_an_empty_drawing(value):
    with pytest.raises(WorldError, match="empty picture"):
        as_scan(torch.full((1, 50, 60), value), "mnist")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from(["mnist", "digits"]))
@settings(deadline=None)
def test_every_picture_with_ink_becomes_a_scan(height, width, seed, like):
    image = torch.rand(1, height, width, generator=torch.Generator().manual_seed(seed)) ** 4
    try:
        scan = as_scan(image, like)
    except WorldError:
        return
    side = pictures.SCANS[like].side
    assert scan.shape == (1, side, side) and scan.min() >= 0 and scan.max() <= 1 + 1e-6


def photo():
    """Something with edges and all colors, as a camera gives it."""
    y, x = np.mgrid[0:60, 0:80]
    return Image.fromarray(np.stack([3 * x, 4 * y, 255 - x - 2 * y], axis=-1).astype(np.uint8))


@pytest.mark.parametrize(
    "kind, mode, tolerance",
    [("JPEG", "CMYK", 0.03), ("TIFF", "CMYK", 0.03), ("JPEG", "YCbCr", 0.03), ("TIFF", "LAB", 0.05), ("PNG", "P", 0.1)],
)
def test_colors_written_in_other_ways_are_the_same_colors(kind, mode, tolerance):
    plain = read_image(packed(photo(), "PNG"), size=30, channels=3)
    image = photo().quantize(64) if mode == "P" else photo().convert(mode)
    assert (read_image(packed(image, kind), size=30, channels=3) - plain).abs().mean() < tolerance


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_an_animation_the_first_picture_is_read(kind):
    first, other = Image.new("RGB", (20, 20), (255, 255, 255)), Image.new("RGB", (20, 20), (0, 0, 0))
    data = packed(first, kind, save_all=True, append_images=[other])
    assert read_image(data, size=4, channels=3).min() > 0.95


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (1, 500)])
def test_a_picture_of_few_pixels_is_enlarged(size):
    image = read_image(packed(Image.new("RGB", size, (255, 0, 0)), "PNG"), size=32, channels=3)
    assert image.shape == (3, 32, 32) and torch.equal(image[0], torch.ones(32, 32)) and image[1:].max() == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_file_that_was_cut_off_is_said_to_be(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))
    data = packed(noise, kind)
    with pytest.raises(WorldError, match=r"^the picture that was sent is damaged|no picture of a known kind"):
        read_image(data[: len(data) // 2], size=8)
