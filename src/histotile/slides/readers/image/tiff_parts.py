"""Where the samples of a TIFF page lie, and what they decode to."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from histotile.errors import HistotileError
from histotile.slides.diagnosis import AGAIN, CONVERT, RENDER
from histotile.slides.readers.image.colours import (
    ASSOCIATED,
    COLOURS,
    PALETTE,
    RGB,
    UNASSOCIATED,
    YCBCR,
    Meaning,
    Pixels,
    Samples,
    to_pixels,
)
from histotile.slides.readers.image.segments import Fetch, Segments, check_memory
from histotile.slides.readers.protocol import Unsuited

Page = tifffile.TiffPage


class _Part(NamedTuple):
    """Samples that are compressed together: a page, or one plane of it."""

    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    decode: Callable[[bytes, int], Samples | None]  # bytes of a segment, and its number


def page_segments(path: Path, pages: Sequence[Page]) -> Segments:
    """A level from its page, or from its three grey pages: red, green and blue.

    Raises:
        Unsuited: Not a picture, of a compression that is not known, too large to be decoded, or
            without some of its segments.
    """
    page = pages[0]
    _check_kind(path, page)
    meaning = _meaning(page) if len(pages) == 1 else Meaning(RGB, int(page.bitspersample))
    width, height = int(page.imagewidth), int(page.imagelength)
    tile = (int(page.tilewidth), int(page.tilelength)) if page.is_tiled else _strip(page)
    px_bytes = page.samplesperpixel * len(pages) * np.dtype(page.dtype).itemsize
    channels = 4 if meaning.alpha else 3
    what = "a tile" if page.is_tiled else "a strip"
    check_memory(path, what, tile, max(channels, int(px_bytes)))
    parts = [part for each in pages for part in _parts(path, each, tile)]
    return Segments(width, height, *tile, channels, partial(_load, parts, meaning))


def _load(parts: Sequence[_Part], meaning: Meaning, number: int, fetch: Fetch) -> Pixels:
    found = []
    for offsets, byte_counts, decode in parts:
        offset, count = int(offsets[number]), int(byte_counts[number])
        samples = decode(fetch(offset, count), number) if count else None
        if samples is None:  # left out by the writer: shown white
            return np.zeros((0, 0, 4 if meaning.alpha else 3), np.uint8)
        found.append(samples)
    together = found[0] if len(found) == 1 else np.concatenate(found, axis=-1)
    return to_pixels(together, meaning)


def _meaning(page: Page) -> Meaning:
    photometric = int(page.photometric)
    bits = int(page.bitspersample)
    palette = None
    if photometric == PALETTE:
        palette = (np.asarray(page.colormap) >> 8).astype(np.uint8).T
    codec = int(page.compression)
    decoded = photometric == YCBCR and codec in tifffile.TIFF.IMAGE_COMPRESSIONS
    return Meaning(RGB if decoded else photometric, bits, _alpha(page), palette)


def _alpha(page: Page) -> int:
    kind = int(page.extrasamples[0]) if page.extrasamples else 0
    return kind if kind in {ASSOCIATED, UNASSOCIATED} else 0


def _check_kind(path: Path, page: Page) -> None:
    """Nothing, if a page is a picture that can be decoded.

    Raises:
        Unsuited: It is not.
    """
    photometric, samples = int(page.photometric), int(page.samplesperpixel)
    colours, bits = COLOURS.get(photometric), page.bitspersample
    fact, remedy = "", CONVERT
    if page.compression not in tifffile.TIFF.DECOMPRESSORS and page.compression != 1:
        name = getattr(page.compression, "name", "unknown")
        code = int(page.compression)
        fact = f"a TIFF with {name} compression (code {code}), which no reader here decodes"
    elif colours is None or samples < colours:
        name = getattr(page.photometric, "name", photometric)
        fact = f"{samples} samples per px of TIFF's photometric kind {name} are no picture"
    elif page.dtype is None or np.dtype(page.dtype).kind not in "bu" or not 1 <= bits <= 16:
        fact = f"its px are {bits} bits of {page.dtype}, no picture of 8 or 16 bits"
    elif photometric == YCBCR and page.is_subsampled and not page.jpegtables:
        fact = "" if int(page.compression) in {6, 7} else "its colours are subsampled without JPEG"
    elif samples - colours > 1 or (colours == 1 and samples == 2 and not _alpha(page)):
        fact = f"its px have {samples} channels, as of fluorescence: no picture in colours"
        remedy = RENDER
    if int(page.imagedepth) != 1:
        fact = f"its px lie in {page.imagedepth} depths"
    if fact:
        raise Unsuited(HistotileError(path, fact, remedy), final=True)


_BAND_BYTES = 1 << 22  # of strips that are not compressed: read so many at a time


def _strip(page: Page) -> tuple[int, int]:
    """Width and height of the page's strips, or of bands of them where they need no decoding."""
    width, height = int(page.imagewidth), int(page.imagelength)
    rows = min(int(page.rowsperstrip), height)
    if _is_plain(page):
        rows = min(height, max(1, _BAND_BYTES // _row_bytes(page)))
    return width, rows


def _row_bytes(page: Page) -> int:
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    return int(page.imagewidth * samples * np.dtype(page.dtype).itemsize)


def _is_plain(page: Page) -> bool:
    """Whether rows lie in the file one after the other as they are."""
    if page.compression != 1 or page.predictor != 1 or page.fillorder != 1 or page.is_subsampled:
        return False
    offsets, counts = (np.asarray(a, np.int64) for a in (page.dataoffsets, page.databytecounts))
    joined = bool(np.array_equal(offsets[:-1] + counts[:-1], offsets[1:]))
    planes = 1 if page.planarconfig == 1 else page.samplesperpixel
    whole = int(counts.sum()) == _row_bytes(page) * page.imagelength * planes
    return page.bitspersample in {8, 16} and not page.is_tiled and joined and whole


def _parts(path: Path, page: Page, tile: tuple[int, int]) -> list[_Part]:
    planes = 1 if page.planarconfig == 1 else int(page.samplesperpixel)
    height, row_bytes = int(page.imagelength), _row_bytes(page)
    if _is_plain(page) and not page.is_tiled:
        tops = np.arange(0, height, tile[1])
        counts = (np.minimum(tops + tile[1], height) - tops) * row_bytes
        begins = [int(page.dataoffsets[0]) + k * height * row_bytes for k in range(planes)]
        return [_Part(at + tops * row_bytes, counts, _plain(page, planes)) for at in begins]
    each = -(-int(page.imagewidth) // tile[0]) * -(-height // tile[1])
    offsets, counts = (np.asarray(a, np.int64) for a in (page.dataoffsets, page.databytecounts))
    if min(len(offsets), len(counts)) < each * planes:
        what = "tiles" if page.is_tiled else "strips"
        size = f"{page.imagewidth} x {height} px"
        fact = (
            f"its directory lists {len(offsets)} of the {each * planes} {what} of {size}: damaged"
        )
        raise Unsuited(HistotileError(path, fact, AGAIN), final=True)
    return [
        _Part(offsets[at : at + each], counts[at : at + each], _compressed(page, at))
        for at in range(0, each * planes, each)
    ]


def _compressed(page: Page, first: int) -> Callable[[bytes, int], Samples | None]:
    decode, tables = page.decode, page.jpegtables

    def decoded(data: bytes, number: int) -> Samples | None:
        samples: Any = decode(data, first + number, jpegtables=tables)[0]
        return None if samples is None else samples[0]

    return decoded


def _plain(page: Page, planes: int) -> Callable[[bytes, int], Samples]:
    dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    shape = (-1, int(page.imagewidth), 1 if planes > 1 else int(page.samplesperpixel))
    return lambda data, _: np.frombuffer(data, dtype).reshape(shape)
