"""Where the compressed tiles of a slide's levels lie in its TIFF file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from histotile.slides.readers.tiff.codecs import COMPRESSIONS, RGB, YCBCR
from histotile.slides.readers.tiff.tiff_file import OddTiff, open_tiff

Places = NDArray[np.int64]


class OddSlide(Exception):  # noqa: N818 - a finding, not a failure: OpenSlide reads such slides
    """The slide is of a kind whose compressed tiles are left to OpenSlide; says why."""


class Array(NamedTuple):
    """Where numbers lie in the file."""

    offset: int
    length: int
    dtype: str  # with byte order, as numpy writes it


class TiffLevel(NamedTuple):
    """A level of a slide as a tiled page of a TIFF file; lengths in level px."""

    width: int
    height: int
    tile_width: int
    tile_height: int
    compression: int
    photometric: int
    tables: bytes  # JPEGTables; empty if none
    offsets: Array
    byte_counts: Array

    @property
    def across(self) -> int:
        """Tiles side by side."""
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        """Tiles one below the other."""
        return -(-self.height // self.tile_height)


def find_levels(path: Path, sizes: Sequence[tuple[int, int]], vendor: str) -> list[TiffLevel]:
    """The tiled page of each level, finest first, known by its size.

    Args:
        path: A TIFF file.
        sizes: (width, height) of each level as OpenSlide tells them.
        vendor: As OpenSlide names it.

    Raises:
        OddSlide: The vendor is none of those that store plain tiled pages, two pages or none have
            the size of a level, or a page is compressed or coloured in another way.
    """
    if vendor not in {"aperio", "generic-tiff"}:
        raise OddSlide(f"{vendor} slides do not lie in plain tiled pages")
    try:
        with open_tiff(path) as tiff:
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
            return [_level(_page_of(size, pages)) for size in sizes]
    except OddTiff as error:
        raise OddSlide(f"its TIFF structure is not understood: {error}") from error


def read_array(file: int, array: Array) -> Places:
    """The numbers (int64) that lie in an open file.

    Raises:
        OSError: The file ends before.
    """
    dtype = np.dtype(array.dtype)
    data = os.pread(file, array.length * dtype.itemsize, array.offset)
    if len(data) < array.length * dtype.itemsize:
        raise OSError("the file ends within its tables of tiles")
    return np.frombuffer(data, dtype).astype(np.int64)


def missing_tiles(levels: Sequence[tuple[TiffLevel, Places]]) -> list[NDArray[np.bool_]]:
    """Which tiles of each level OpenSlide takes as missing in an Aperio slide.

    Those without bytes, and what lies over a missing tile of the next finer level: Aperio's
    encoder wrote such tiles damaged. What lies over is reckoned as OpenSlide does (4.0), whose
    numbers run over into the next row where tiles do not divide.

    Args:
        levels: Each level, finest first, with the byte counts of its tiles.
    """
    found: list[NDArray[np.bool_]] = []
    numbers, finer = np.zeros(0, np.int64), levels[0][0]
    for level, counts in levels:
        rows = numbers // finer.across // max(1, int(finer.down / level.down + 0.5))
        columns = numbers % finer.across // max(1, int(finer.across / level.across + 0.5))
        numbers = np.union1d(np.flatnonzero(counts == 0), rows * level.across + columns)
        missing = np.zeros(level.down * level.across, bool)
        missing[numbers[numbers < missing.size]] = True
        found.append(missing.reshape(level.down, level.across))
        finer = level
    return found


_OFFSETS, _BYTE_COUNTS = 324, 325
_WHOLE = {"B": "u1", "H": "u2", "I": "u4", "Q": "u8"}


def _page_of(size: tuple[int, int], pages: list[tifffile.TiffPage]) -> tifffile.TiffPage:
    alike = [p for p in pages if p.is_tiled and (p.imagewidth, p.imagelength) == size]
    if len(alike) != 1:
        raise OddSlide(f"{len(alike)} tiled pages are {size[0]} x {size[1]} px, not one")
    return alike[0]


def _level(page: tifffile.TiffPage) -> TiffLevel:
    compression, photometric = int(page.compression), int(page.photometric)
    if compression not in COMPRESSIONS:
        name = getattr(page.compression, "name", compression)
        raise OddSlide(f"its tiles are compressed by {name}, not JPEG or Aperio's JPEG 2000 of RGB")
    if photometric not in {RGB, YCBCR}:
        raise OddSlide(f"its colours are of TIFF's photometric kind {photometric}")
    shape = (page.samplesperpixel, page.bitspersample, int(page.planarconfig), page.imagedepth)
    if shape != (3, 8, 1, 1):
        raise OddSlide("its pixels are not interleaved RGB of 8 bits")
    arrays = [_array(page, code) for code in (_OFFSETS, _BYTE_COUNTS)]
    level = TiffLevel(
        int(page.imagewidth),
        int(page.imagelength),
        int(page.tilewidth),
        int(page.tilelength),
        compression,
        photometric,
        bytes(page.jpegtables or b""),
        arrays[0],
        arrays[1],
    )
    if any(array.length != level.across * level.down for array in arrays):
        raise OddSlide("its tables of tiles do not fit its size")
    return level


def _array(page: tifffile.TiffPage, code: int) -> Array:
    tag = page.tags[code]
    order, kind = page.parent.byteorder, tag.dataformat[-1]
    return Array(int(tag.valueoffset), int(tag.count), order + _WHOLE[kind])
