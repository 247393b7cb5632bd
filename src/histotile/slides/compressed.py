"""Compressed JPEG tiles of a slide as whole JPEG files, to be kept elsewhere as they are."""

import os
import weakref

from histotile.slides.codecs import JPEG, YCBCR
from histotile.slides.pixels import level_and_side
from histotile.slides.positions import position
from histotile.slides.slide import Slide
from histotile.slides.tiff_levels import find_levels, read_array
from histotile.slides.windows import square

_SOI, _EOI, _APP0, _APP14 = b"\xff\xd8", b"\xff\xd9", 0xE0, 0xEE
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # the next byte says: 0 RGB, 1 YCbCr


class CompressedTiles:
    """The compressed tiles behind the tiles of one scale, where these are the same ones.

    Holds an open file of its own; reads by threads and processes do not disturb each other.

    Args:
        slide: An open slide, read directly; known mpp.
        level: That the tiles are read from.
        tile_px: Side of the tiles, px; that of the compressed tiles, too.
    """

    def __init__(self, slide: Slide, level: int, tile_px: int) -> None:
        self._slide, self._number, self._tile_px = slide, level, tile_px
        self._level = find_levels(slide.path, slide.level_sizes, slide.vendor)[level]
        self._file = os.open(slide.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self.close = weakref.finalize(self, os.close, self._file)
        self._offsets = read_array(self._file, self._level.offsets)
        self._byte_counts = read_array(self._file, self._level.byte_counts)

    def jpeg(self, x: int, y: int) -> bytes | None:
        """A JPEG file of the tile at a place; None where it is no compressed tile, or not whole.

        It brings along the tables that a level's tiles share, and says how its colours are meant.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
        """
        number = self._number_of(x, y)
        if number is None or not self._byte_counts[number]:
            return None
        count = int(self._byte_counts[number])
        data = os.pread(self._file, count, int(self._offsets[number]))
        if data[:2] != _SOI or len(data) < max(4, count):
            return None
        tables = self._level.tables.removeprefix(_SOI).removesuffix(_EOI)
        told = data[3] in {_APP0, _APP14}
        meant = b"" if told else _ADOBE + bytes([self._level.photometric == YCBCR])
        return _SOI + meant + tables + data[2:]

    def _number_of(self, x: int, y: int) -> int | None:
        side = self._tile_px
        asked = square(self._slide, self._number, x, y, side)
        edges = zip(asked.box, (0, 0, side, side), strict=True)
        if (asked.columns, asked.rows) != (side, side) or any(abs(a - b) > 1e-6 for a, b in edges):
            return None
        downsample = self._slide.openslide_downsamples[self._number]
        left, top, rest = position(asked.x, asked.y, downsample)
        level = self._level
        inside = 0 <= left <= level.width - side and 0 <= top <= level.height - side
        if not inside or left % side or top % side or rest is not None:
            return None
        return top // side * level.across + left // side


def compressed_tiles(slide: Slide, mpp: float, tile_px: int) -> CompressedTiles | None:
    """The compressed tiles of a slide that may be tiles as they are; None: it has none such.

    Args:
        slide: An open slide of known mpp.
        mpp: Scale of the tiles, um/px.
        tile_px: Side of the tiles, px.
    """
    level, side = level_and_side(slide, mpp, tile_px)
    if side != tile_px or slide.reader != "direct" or slide.settle(level) is None:
        return None
    found = find_levels(slide.path, slide.level_sizes, slide.vendor)[level]
    if found.compression != JPEG or (found.tile_width, found.tile_height) != (tile_px, tile_px):
        return None
    return CompressedTiles(slide, level, tile_px)
