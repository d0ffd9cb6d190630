"""One picture, from any file that people have, to the numbers that a network reads.

Pictures of the user's are converted here alone, in training and in prediction, so that both see the same thing:
turned as the camera was held (EXIF), transparent parts on white, gray or RGB, the middle square, values from 0 to 1.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import repeat
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from learnable.errors import CallError, WorldError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # not all that Pillow opens: some start other programs
SIXTEEN_BITS = 65535


def read_image(
    source: str | Path | bytes, *, size: int, channels: int = 1, invert: bool = False
) -> Float[Tensor, "channels size size"]:
    """A picture of any size and kind as a square of numbers from 0 to 1.

    Args:
        source: a file, or what is in one.
        size: pixels per side; the shorter side is resized to it and the middle is cut out.
        channels: 1 for gray, 3 for red, green, blue.
        invert: dark becomes light.

    Raises:
        CallError: a size or a number of channels that makes no sense.
        WorldError: it does not exist, is a folder, is no picture, is damaged or is too large.
    """
    check_shape(size, channels)
    with quiet_pillow():
        return decoded(source, size, channels, invert)


def prepare_scan(source: str | Path | bytes, like: str) -> Float[Tensor, "1 side side"]:
    """A picture of one character, whole and in gray, laid out like the scans of `like`; see `as_scan`."""
    with quiet_pillow(), opened(source) as image:
        return as_scan(_numbers(_plain(image, 1)), like, name_of(source))


@dataclass(frozen=True)
class Scans:
    """How a data set of scans looks: light ink on black."""

    side: int  # pixels
    share: float  # of the box around the ink, how much at least is ink; a thinner pen than nearly all is thickened


SCANS = {"mnist": Scans(28, share=0.25), "digits": Scans(8, share=0.35)}
FINE = 4  # a drawing is first brought to four times the size of the ink in the scan, where a pen can be thickened


def as_scan(
    image: Float[Tensor, "1 height width"], like: str, name: str = "the picture"
) -> Float[Tensor, "1 side side"]:
    """A drawn character, laid out as in a data set of scans: light ink on black, scaled and centered by its rule.

    "mnist"   the ink fits into 20 x 20 pixels with its proportions kept; its center of mass is put into the middle
              of 28 x 28 (LeCun et al. 1998, section III.A)
    "digits"  the ink fills the height of 32 pixels and up to three quarters of the width, and each pixel of the 8 x 8
              is the mean of 4 x 4 (Alpaydin and Kaynak 1998: the description of the data set)

    A picture that has the data set's own size and a dark edge is one of its scans, and comes back as it is.

    Raises:
        WorldError: nothing is drawn in it.
    """
    side, gray = SCANS[like].side, image[0]
    edge = torch.cat([gray[0], gray[-1], gray[:, 0], gray[:, -1]]).median()
    ink = (edge - gray if edge > 0.5 else gray - edge).clamp(min=0)
    if ink.max() < 0.1:
        raise WorldError(f"expected a drawing in {name}, came an empty picture: draw dark on light, or light on dark.")
    if gray.shape == (side, side) and edge <= 0.5:
        return image
    ink = ink / ink.max()
    rows, columns = (ink > 0.3).any(dim=1).nonzero(), (ink > 0.3).any(dim=0).nonzero()
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = ink.shape
    if like == "mnist":
        scale = 20 / max(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        ink = _thickened(resized(ink, FINE * height, FINE * width), SCANS[like].share)
        return _centered_by_mass(resized(ink, height, width), side)[None]
    width = min(24, max(12, round(32 * width / height)))  # of 32: in the data set a 1 is nearly as wide as a 0
    ink = _thickened(resized(ink, FINE * side, width), SCANS[like].share)
    ink = F.pad(ink, ((32 - width) // 2, 32 - width - (32 - width) // 2))
    return F.avg_pool2d(ink[None], FINE)


def _thickened(ink: Float[Tensor, "height width"], share: float) -> Float[Tensor, "height width"]:
    """Let the lines grow by a pixel on each side until they fill this share of their box."""
    ink = ink / ink.max()
    while ink.mean() < share:
        ink = F.max_pool2d(ink[None], 3, stride=1, padding=1)[0]
    return ink


def _centered_by_mass(ink: Float[Tensor, "height width"], side: int) -> Float[Tensor, "side side"]:
    """Put the ink on a black square, its center of mass on pixel 14 of 0 to 27 as in MNIST, as far as there is room."""
    height, width = ink.shape
    down = (ink.sum(dim=1) * torch.arange(height)).sum() / ink.sum()
    right = (ink.sum(dim=0) * torch.arange(width)).sum() / ink.sum()
    top = min(max(round(side / 2 - float(down)), 0), side - height)
    left = min(max(round(side / 2 - float(right)), 0), side - width)
    square = torch.zeros(side, side)
    square[top : top + height, left : left + width] = ink
    return square


def resized(image: Float[Tensor, "height width"], height: int, width: int) -> Float[Tensor, "new_height new_width"]:
    """Another size, each new pixel the mean of what it covers (bilinear, antialiased)."""
    size = (max(1, height), max(1, width))
    return F.interpolate(image[None, None], size=size, mode="bilinear", antialias=True)[0, 0].clamp(0, 1)


def check_shape(size: int, channels: int) -> None:
    """Raises CallError unless a picture can have this size and so many channels."""
    if not 1 <= size <= 1024:
        raise CallError(f"expected a size of 1 to 1024 pixels, came {size}")
    if channels not in (1, 3):
        raise CallError(f"expected 1 channel (gray) or 3 (red, green, blue), came {channels}")


def name_of(source: str | Path | bytes) -> str:
    """How a message calls the picture."""
    return "the picture that was sent" if isinstance(source, bytes) else str(source)


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Pillow's warnings do not reach the user's terminal, but a picture too large to be meant is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextlib.contextmanager
def opened(source: str | Path | bytes) -> Iterator[Image.Image]:
    """Pillow's picture, and a WorldError for whatever goes wrong while it is used."""
    name = name_of(source)
    called = name if isinstance(source, bytes) else f"the picture {name}"
    if not isinstance(source, bytes):
        path = Path(source)
        if path.is_dir():
            raise WorldError(f"expected a picture, came the folder {path}; name the pictures in it.")
        if not path.is_file():
            raise WorldError(f"there is no picture {path} (looked for from {Path.cwd()}); check the path.")
        if path.stat().st_size == 0:
            raise WorldError(f"the picture {path} is empty (0 bytes); remove it or get it again.")
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            yield image
    except WorldError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise WorldError(f"{called} has too many pixels to be read safely ({error}); make it smaller.") from error
    except Image.UnidentifiedImageError as error:
        raise WorldError(
            f"{name} is no picture of a known kind ({', '.join(FORMATS)}), or damaged at its beginning; save it as PNG."
        ) from error
    except MemoryError as error:
        raise WorldError(f"{called} does not fit into memory; make it smaller.") from error
    except PermissionError as error:
        raise WorldError(f"{called} cannot be read: {error.strerror}.") from error
    except (
        Exception
    ) as error:  # Pillow's decoders raise nearly everything on damaged files: OSError, SyntaxError, struct.error ...
        raise WorldError(
            f"{called} is damaged ({error or type(error).__name__}); remove it or get it again."
        ) from error


def decoded(source: str | Path | bytes, size: int, channels: int, invert: bool) -> Float[Tensor, "channels size size"]:
    """`read_image` for many pictures at a time: it is called within `quiet_pillow`, which is for one thread to open."""
    with opened(source) as image:
        image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at a half, a quarter or an eighth
        image = ImageOps.fit(_plain(image, channels), (size, size), method=Image.Resampling.BILINEAR)
        numbers = _numbers(image)
    if len(numbers) != channels:
        numbers = repeat(numbers, "1 height width -> channels height width", channels=channels).contiguous()
    return 1 - numbers if invert else numbers


def _plain(image: Image.Image, channels: int) -> Image.Image:
    """The picture upright, without transparency, in gray or RGB with values from 0 to 255."""
    sixteen = image.mode.startswith("I")  # one channel of 16 bits, which Pillow would cut off at 255
    if sixteen:
        values = np.asarray(image).astype(np.float32)
        if values.min() < 0 or values.max() > SIXTEEN_BITS:
            raise ValueError(
                f"its values run from {values.min():g} to {values.max():g}, and 0 to {SIXTEEN_BITS} were expected"
            )
        exif = image.getexif()
        image = Image.fromarray(values * (255 / SIXTEEN_BITS))
        image.getexif().update(exif)
    elif image.mode == "F":
        raise ValueError("its values are fractions, whose range is not known; save it with 8 or 16 bits")
    image = ImageOps.exif_transpose(image)
    if sixteen:
        return image
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def as_bytes(numbers: Float[Tensor, "*axes"]) -> UInt8[Tensor, "*axes"]:
    """Numbers from 0 to 1 as bytes from 0 to 255: a quarter of the memory, and exact for what came from bytes.

    >>> as_bytes(torch.tensor([0.0, 0.2, 1.0]))
    tensor([  0,  51, 255], dtype=torch.uint8)
    """
    return numbers.mul(255).round().to(torch.uint8)


def _numbers(image: Image.Image) -> Float[Tensor, "channels height width"]:
    values = np.asarray(image, dtype=np.float32) / 255
    values = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(values)).clamp(0, 1)
