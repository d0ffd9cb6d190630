r"""Glyphs: letters and digits in many typefaces, drawn at any size, as if photographed from signs of all colors.

    picture = background + mask of the letter * (ink - background)

The mask is a letter of one of the fonts that matplotlib ships, turned, slanted, stretched, shrunk and shifted. Ink and
background have colors of their own, either may be the darker one, and the background has a slope, clouds and grain.
So neither a nearest neighbor nor a linear classifier gets far on the pixels, and a small convolutional network does.

The three parts have different typefaces: who learns them by heart instead of the letters is found out. Everything is a
pure function of the name and the size.

    glyphs     47 classes: digits, capitals, and the small letters that are no smaller copies of them
    glyphs-a   the 26 capitals          two halves without a common class:
    glyphs-b   the other 21             learn one, then see what it helps with the other

Classes  the 47 are those of Cohen et al. 2017, "EMNIST", section II - https://arxiv.org/abs/1702.05373
Fonts    DejaVu (Bitstream Vera license), STIX (OFL), Computer Modern by BaKoMa; part of matplotlib
"""

import functools
import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from learnable.errors import WorldError

CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
OTHERS = "0123456789abdefghnqrt"
CLASSES = {"glyphs": tuple(CAPITALS + OTHERS), "glyphs-a": tuple(CAPITALS), "glyphs-b": tuple(OTHERS)}

TYPEFACES: dict[str, tuple[tuple[str, ...], ...]] = {  # part -> typefaces -> their faces
    "train": (
        ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
        ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
        ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    ),
    "valid": (("cmr10", "cmb10", "cmti10"),),
    "test": (
        ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
        ("cmss10",),
        ("cmtt10",),
    ),
}
PER_CLASS = {"train": 200, "valid": 20, "test": 40}
CHUNK = 1 << 20  # pixels that are worked on at a time: no more memory than this is needed

Glyphs = tuple[UInt8[Tensor, "n 3 size size"], Int64[Tensor, "n"]]


@functools.lru_cache(maxsize=4)
def glyphs(name: str, size: int) -> dict[str, Glyphs]:
    """The parts "train", "valid" and "test" of these glyphs: color pictures as bytes, and their classes.

    They are drawn once per process and are shared: do not write into them.

    >>> image, label = glyphs("glyphs-b", size=16)["test"]
    >>> image.shape, label.bincount()[:3]
    (torch.Size([840, 3, 16, 16]), tensor([40, 40, 40]))
    """
    parts: dict[str, Glyphs] = {}
    for seed, part in enumerate(TYPEFACES):
        generator = torch.Generator().manual_seed(seed)
        label = torch.arange(len(CLASSES[name])).repeat(PER_CLASS[part])
        label = label[torch.randperm(len(label), generator=generator)]
        parts[part] = drawn(CLASSES[name], label, TYPEFACES[part], size, generator), label
    return parts


def drawn(
    classes: tuple[str, ...],
    label: Int64[Tensor, "n"],
    typefaces: tuple[tuple[str, ...], ...],
    size: int,
    generator: torch.Generator,
) -> UInt8[Tensor, "n 3 size size"]:
    """A picture of each of these letters, in one of these typefaces chosen by chance."""
    letters = torch.stack([masks(face, classes, 2 * size) for faces in typefaces for face in faces])
    letters = F.avg_pool2d(letters.float() / 255, 3, stride=1, padding=1)  # what a pixel of the picture will cover
    first = torch.tensor([0, *(len(faces) for faces in typefaces)]).cumsum(0)
    typeface = torch.randint(len(typefaces), (len(label),), generator=generator)
    share = torch.rand(len(label), generator=generator)
    face = first[typeface] + (share * (first[typeface + 1] - first[typeface])).long()
    step = max(1, CHUNK // size**2)
    pieces = zip(face.split(step), label.split(step), strict=True)
    return torch.cat([painted(moved(letters[f, c], size, generator), generator) for f, c in pieces])


def masks(face: str, letters: tuple[str, ...], side: int) -> UInt8[Tensor, "letters side side"]:
    """Each letter in the middle of a square, white on black, 85 % of the square to the font's size."""
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    path = Path(get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
    try:
        file = io.BytesIO(path.read_bytes())  # of a path that is not there, Pillow would take another file of that name
        font = ImageFont.truetype(file, round(0.85 * side), layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise WorldError(f"the font {path}, which comes with matplotlib, cannot be read ({error}); "
                         "install matplotlib again.") from error  # fmt: skip
    squares = []
    for letter in letters:
        image = Image.new("L", (side, side))
        left, top, right, bottom = font.getbbox(letter)
        place = ((side - left - right) / 2, (side - top - bottom) / 2)
        ImageDraw.Draw(image).text(place, letter, fill=255, font=font)
        squares.append(torch.from_numpy(np.array(image)))
    return torch.stack(squares)


def moved(mask: Float[Tensor, "n side side"], size: int, generator: torch.Generator) -> Float[Tensor, "n 1 size size"]:
    """Turned by up to 15 degrees, slanted, stretched, shrunk and shifted."""
    n = len(mask)

    def between(low: float, high: float) -> Float[Tensor, "n"]:
        return low + (high - low) * torch.rand(n, generator=generator)

    angle, slant = torch.deg2rad(between(-15, 15)), between(-0.2, 0.2)
    scale, stretch = between(0.7, 1.15), between(0.85, 1.15)
    right, down = between(-0.2, 0.2), between(-0.2, 0.2)  # of half a side
    cos, sin = angle.cos(), angle.sin()
    wide, high = 1 / (scale * stretch), stretch / scale  # from the new picture back to the old
    back = torch.stack([
        torch.stack([wide * cos, wide * (sin + slant * cos), right], dim=1),
        torch.stack([-high * sin, high * (cos - slant * sin), down], dim=1),
    ], dim=1)  # fmt: skip
    grid = F.affine_grid(back, [n, 1, size, size], align_corners=False)
    return F.grid_sample(mask[:, None], grid, align_corners=False)


def painted(mask: Float[Tensor, "n 1 size size"], generator: torch.Generator) -> UInt8[Tensor, "n 3 size size"]:
    """Ink of one color on a background of another with a slope, clouds and grain; either is the darker one."""
    n, _, size, _ = mask.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator)

    contrast = 0.25 + 0.5 * uniform(1, 1, 1)
    dark = uniform(1, 1, 1) * (1 - contrast)
    inverse = uniform(1, 1, 1) < 0.5
    ink = torch.where(inverse, dark + contrast, dark) + _tint(uniform(3, 1, 1))
    paper = torch.where(inverse, dark, dark + contrast) + _tint(uniform(3, 1, 1))
    across = torch.linspace(-0.5, 0.5, size)
    slope = across * (uniform(1, 1, 1) - 0.5) + across[:, None] * (uniform(1, 1, 1) - 0.5)
    clouds = F.interpolate(uniform(1, 4, 4) - 0.5, size=(size, size), mode="bilinear", align_corners=False)
    grain = torch.randn(n, 3, size, size, generator=generator) * (0.02 + 0.08 * uniform(1, 1, 1))
    picture = paper + 0.4 * slope + 0.3 * clouds
    picture = picture + mask * (ink + 0.2 * slope - picture) + grain
    return picture.clamp(0, 1).mul(255).round().to(torch.uint8)


def _tint(color: Float[Tensor, "n 3 1 1"]) -> Float[Tensor, "n 3 1 1"]:
    """A shade of color that leaves the brightness as it is."""
    brightness = torch.tensor([0.299, 0.587, 0.114])[:, None, None]  # of red, green, blue to the eye: ITU-R BT.601
    color = 0.5 * (color - 0.5)
    return color - (brightness * color).sum(dim=1, keepdim=True)
