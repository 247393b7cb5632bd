"""The pixels of a mask image, a band of rows at a time, whatever the file's size."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from histotile.errors import HistotileError
from histotile.slides.readers.tiff.tiff_file import OddTiff, open_tiff

REMEDY = "save it as a PNG or TIFF of one channel that covers the whole slide, 0 = nothing"
_ORIENTATION = 274  # tag of TIFF and EXIF
_MOST_BYTES = 600_000_000  # of an image that can only be decoded whole
_MOST_TIFF_PX = 10_000_000_000
_BAND_PX = 8_000_000
_LOSSLESS = {1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000, 50013}
_Pixels = NDArray[Any]


class Bands(NamedTuple):
    """An image as bands of rows.

    Attributes:
        width: px.
        height: px.
        bands: Row of its top edge, and values (rows, width) or (rows, width, channels), from the
            top; 1-bit values are 0 and 1, of palettes of colours the numbers in the palette.
    """

    width: int
    height: int
    bands: Iterator[tuple[int, _Pixels]]


@contextmanager
def open_mask(path: Path) -> Iterator[Bands]:
    """The largest image of a PNG, BMP or TIFF file, open as long as the context.

    Raises:
        HistotileError: Unreadable, too large, several images side by side, or stored in a way that
            changes values (JPEG, 16 bit of colour, white as zero).
    """
    try:
        if path.suffix.lower() in {".tif", ".tiff"}:
            with open_tiff(path) as tiff:
                yield _tiff(path, tiff)
        else:
            with _own_limit(), Image.open(path) as image:
                yield _picture(path, image)
    except (UnidentifiedImageError, OddTiff, OSError, SyntaxError, ValueError) as error:
        raise HistotileError(path, f"not a readable mask image ({error})", REMEDY) from error


@contextmanager
def _own_limit() -> Iterator[None]:
    """Pillow's limit of px, which knows nothing of bits per px, is off: there is one below."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _picture(path: Path, image: Image.Image) -> Bands:
    channels = len(image.getbands())
    depth = 4 if channels > 1 or image.mode in {"I", "F"} else 2 if ";16" in image.mode else 1
    _check_size(path, image.size, image.width * image.height * depth, _MOST_BYTES)
    _check_upright(path, int(image.getexif().get(_ORIENTATION, 1)))
    if channels > 1 and path.suffix.lower() == ".png" and _png_depth(path) == 16:
        raise HistotileError(path, "colours of 16 bit do not survive reading", REMEDY)
    levels = _grey_levels(image)

    def bands() -> Iterator[tuple[int, _Pixels]]:
        for top, bottom in _rows(image.width * channels, image.height):
            part = np.asarray(image.crop((0, top, image.width, bottom)))
            yield top, part if levels is None else levels[part]

    return Bands(image.width, image.height, bands())


def _grey_levels(image: Image.Image) -> _Pixels | None:
    """Grey value of each palette number where the palette is grey: programs reorder such ones."""
    if image.mode != "P" or (palette := image.getpalette("RGB")) is None:
        return None
    colours = np.array(palette, np.uint8).reshape(-1, 3)
    used = np.flatnonzero(image.histogram())
    if used.max(initial=0) >= len(colours) or (colours[used] != colours[used, :1]).any():
        return None
    return np.resize(colours[:, 0], 256)


def _png_depth(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(25)[24]


def _tiff(path: Path, tiff: tifffile.TiffFile) -> Bands:
    page = tiff.pages.first
    _check_page(path, page)
    same = [p for p in tiff.pages if p.shape == page.shape]
    if len(same) > 1:
        fact = f"it holds {len(same)} images of the same size, of which one could be meant"
        raise HistotileError(path, fact, REMEDY)
    channels = page.samplesperpixel
    separate = channels > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    most = _MOST_BYTES if separate else _MOST_TIFF_PX
    weight = channels * page.bitspersample // 8 if separate else 1
    size = (page.imagewidth, page.imagelength)
    _check_size(path, size, size[0] * size[1] * weight, most)
    strip = page.tilelength if page.is_tiled else page.rowsperstrip
    segment_px = (page.tilewidth if page.is_tiled else size[0]) * min(strip, size[1])
    if segment_px * channels * max(1, page.bitspersample // 8) > _MOST_BYTES:
        raise HistotileError(path, "its tiles are too large to be decoded", REMEDY)
    if separate:
        return Bands(*size, _planes(page))
    parts = _segments(page)
    return Bands(*size, parts if channels > 1 else ((top, part[..., 0]) for top, part in parts))


def _planes(page: tifffile.TiffPage) -> Iterator[tuple[int, _Pixels]]:
    whole = np.moveaxis(page.asarray(), 0, -1)
    for top, bottom in _rows(page.imagewidth * page.samplesperpixel, page.imagelength):
        yield top, whole[top:bottom]


def _segments(page: tifffile.TiffPage) -> Iterator[tuple[int, _Pixels]]:
    """Rows of tiles, or strips, one after the other; a missing tile is 0."""
    width, height, channels = page.imagewidth, page.imagelength, page.samplesperpixel
    rows = page.tilelength if page.is_tiled else page.rowsperstrip
    band: _Pixels = np.zeros((0, width, channels), page.dtype)
    top = 0
    for data, (*_, y, x, _), shape in page.segments(maxworkers=1):
        if y != top or not len(band):
            if len(band):
                yield top, band
            top, band = y, np.zeros((min(rows, height - y), width, channels), page.dtype)
        if data is not None:
            down, across = min(shape[1], len(band)), min(shape[2], width - x)
            band[:down, x : x + across] = data[0, :down, :across]
    if len(band):
        yield top, band


def _check_page(path: Path, page: tifffile.TiffPage) -> None:
    bits = page.bitspersample
    if page.compression not in _LOSSLESS:
        name = getattr(page.compression, "name", page.compression)
        fact = f"it is compressed by {name}, which may change values at the rims of labels"
        raise HistotileError(path, fact, "save it with LZW or Deflate, or as PNG")
    _check_upright(path, int(page.tags.valueof("Orientation", 1)))
    inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    if inverted and not (bits == 1 and "tifffile" in page.software):  # it writes arrays of bool so
        fact = "white is zero in it (ImageJ: an inverting lookup table), so 0 may not be nothing"
        raise HistotileError(path, fact, f"invert the lookup table; {REMEDY}")
    if page.dtype is None or page.dtype.kind not in "biu" or page.imagedepth != 1:
        fact = f"a mask holds one whole number per px, not {page.dtype} of {bits} bit"
        raise HistotileError(path, fact, REMEDY)


def _check_upright(path: Path, orientation: int) -> None:
    """Nothing, if programs that heed the tag show the mask as those do that do not."""
    if orientation > 1:
        fact = f"it asks to be shown turned or mirrored (orientation {orientation}), the slide not"
        raise HistotileError(path, fact, f"turn its px, and take the tag out; {REMEDY}")


def _check_size(path: Path, size: tuple[int, int], amount: int, most: int) -> None:
    if amount > most:
        fact = f"{size[0]} x {size[1]} px is too large"
        raise HistotileError(path, fact, "save it smaller, without smoothing")


def _rows(width: int, height: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BAND_PX // max(1, width))
    for top in range(0, height, step):
        yield top, min(top + step, height)
