"""Plain pictures, PNG or JPEG or the like, as slides of one level."""

import re
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from histotile.errors import HistotileError
from histotile.slides.diagnosis import AGAIN, SUFFIXES
from histotile.slides.readers.image.colours import (
    BLACK_IS_ZERO,
    RGB,
    UNASSOCIATED,
    Meaning,
    Pixels,
    to_pixels,
)
from histotile.slides.readers.image.segments import (
    Fetch,
    Picture,
    Segments,
    check_memory,
    too_large,
)
from histotile.slides.readers.protocol import Unsuited

FORMATS = ("PNG", "JPEG", "JPEG2000", "WEBP", "BMP")  # as Pillow names them
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"BM")
_ORIENTATION = 274


def is_picture(path: Path) -> bool:
    """Whether a file begins as a picture and is not named as a slide, of which it may be a part."""
    with path.open("rb") as file:
        head = file.read(12)
    begins = head.startswith(_MAGIC) or (head[:4], head[8:]) == (b"RIFF", b"WEBP")
    return begins and path.suffix.lower() not in SUFFIXES


def open_picture(path: Path) -> Picture:
    """The picture in a file; nothing of it is decoded yet.

    Raises:
        Unsuited: Too large to be decoded whole, or damaged.
    """
    try:
        with _open(path) as image:
            turned = int(image.getexif().get(_ORIENTATION, 1))
            size = image.size if turned <= 4 else image.size[::-1]
            kind, mode, dpi = str(image.format), image.mode, image.info.get("dpi")
            channels = 4 if _has_alpha(image) else 3
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        number = re.search(r"\d+", str(error))  # Pillow raises before it tells the size
        raise too_large(path, "a picture", 3 * int(number[0]) if number else 0) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise Unsuited(HistotileError(path, f"a damaged picture: {error}", AGAIN), True) from error
    check_memory(path, f"a {kind} picture", size, 3)
    properties = {}
    if dpi:
        axes = zip("XY", dpi, strict=True)
        properties = {f"picture.{axis}Resolution": f"{float(v):.9g}" for axis, v in axes}
    remarks = [f"shown as its EXIF orientation says ({turned})"] if turned > 1 else []
    if ";16" in mode:
        remarks.append("16 bits of grey are shown as 8")
    level = Segments(*size, *size, channels, partial(_decode, path))
    return Picture(kind.lower(), f"{kind} picture", [level], properties, tuple(remarks))


def _open(path: Path) -> Image.Image:
    with warnings.catch_warnings():  # Pillow's limit of px is MOST_BYTES / 3: beyond, it warns
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(path, formats=FORMATS)


def _decode(path: Path, _number: int, _fetch: Fetch) -> Pixels:
    with _open(path) as image:
        ImageOps.exif_transpose(image, in_place=True)
        out = np.empty((image.height, image.width, 4 if _has_alpha(image) else 3), np.uint8)
        step = max(1, _BAND_PX // image.width)
        for top in range(0, image.height, step):  # what Pillow holds is no smaller than `out`
            bottom = min(top + step, image.height)
            out[top:bottom] = _pixels(image.crop((0, top, image.width, bottom)))
    return out


_BAND_PX = 1 << 20


def _pixels(image: Image.Image) -> Pixels:
    if ";16" in image.mode:
        return to_pixels(np.asarray(image)[..., None], Meaning(BLACK_IS_ZERO, 16))
    if not _has_alpha(image):
        return np.asarray(image.convert("RGB"))
    return to_pixels(np.asarray(image.convert("RGBA")), Meaning(RGB, alpha=UNASSOCIATED))


def _has_alpha(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info
