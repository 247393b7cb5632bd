"""Ready-made tiles: image files, brought to the side a network sees."""

import hashlib
import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from histotile.errors import HistotileError
from histotile.slides.slide import UnreadableTile

Rgb = NDArray[np.uint8]
_MOST_PX = 1 << 26  # a larger picture is a slide, and would fill the memory
_PLAIN = ("RGB", "RGBA", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr", "RGBX")


def read_image(path: Path, tile_px: int, known: str | None = None) -> Rgb:
    """The picture as uint8 RGB (tile_px, tile_px, 3), as `fit` makes it.

    Args:
        path: The image file.
        tile_px: Side of what comes out.
        known: Its `checksum` when it was tabled; None if unknown.

    Raises:
        UnreadableTile: The file is missing, damaged, or no picture of 8 bits per colour.
        HistotileError: It was replaced or changed since it was tabled.
    """
    content = read_bytes(path)
    if known is not None and (now := checksum(content)) != known:
        fact = f"replaced or changed since it was tabled: checksum {now}, then {known}"
        raise HistotileError(path, fact, "run `histotile tile-images` again (snakemake does)")
    return fit(decode(path, content), tile_px)


def read_bytes(path: Path) -> bytes:
    """The file.

    Raises:
        UnreadableTile: It is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableTile(f"{path}: {error.strerror or error}") from error


def decode(path: Path, content: bytes) -> Rgb:
    """The picture as it is: uint8 RGB (height, width, 3); what is clear turns white.

    Args:
        path: Named in errors.
        content: The bytes of the file.

    Raises:
        UnreadableTile: Damaged, larger than 64 megapixels, or not 8 bits per colour.
    """
    try:
        with _opened(content) as image:
            _check(path, image)
            if image.has_transparency_data:
                rgba = image.convert("RGBA")
                white = Image.new("RGBA", rgba.size, "white")
                return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise UnreadableTile(f"{path}: no picture in a known format") from error
    except Image.DecompressionBombError as error:
        raise UnreadableTile(f"{path}: {_TOO_LARGE}") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UnreadableTile(f"{path}: damaged ({error})") from error


def fit(rgb: Rgb, tile_px: int) -> Rgb:
    """The square in the middle of a picture, resized: (tile_px, tile_px, 3).

    Larger ones are averaged over areas, smaller ones interpolated by cubics.
    """
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[top : top + side, left : left + side]
    if side == tile_px:
        return np.ascontiguousarray(square)
    how = cv2.INTER_AREA if side > tile_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (tile_px, tile_px), interpolation=how), np.uint8)


def checksum(content: bytes) -> str:
    """16 hex digits of the file's sha256: equal for equal files, and for no others in practice."""
    return hashlib.sha256(content).hexdigest()[:16]


_TOO_LARGE = "so many pixels are a slide, not a tile: list it with a slide_id"


def _opened(content: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
        return Image.open(io.BytesIO(content))


def _check(path: Path, image: Image.Image) -> None:
    if image.width * image.height > _MOST_PX:
        size = f"{image.width} x {image.height} px"
        raise UnreadableTile(f"{path}: {_TOO_LARGE} ({size})")
    if (pictures := getattr(image, "n_frames", 1)) > 1:
        raise UnreadableTile(f"{path}: holds {pictures} pictures, not one tile")
    if image.mode not in _PLAIN:
        raise UnreadableTile(f"{path}: pixels of mode {image.mode}, not 8 bits per colour")
