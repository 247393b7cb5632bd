"""Compressed JPEG tiles of a slide as whole JPEG files, to be kept elsewhere as they are."""

import os
import weakref

import numpy as np
from numpy.typing import NDArray

from histotile.slides.codecs import JPEG, UndecodableTile, whole_jpeg
from histotile.slides.pixels import level_and_side
from histotile.slides.positions import position
from histotile.slides.slide import Slide
from histotile.slides.tiff_levels import find_levels, missing_tiles, read_array
from histotile.slides.windows import span


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
        levels = find_levels(slide.path, slide.level_sizes, slide.vendor)[: level + 1]
        self._level = levels[-1]
        self._file = os.open(slide.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self.close = weakref.finalize(self, os.close, self._file)
        self._offsets = read_array(self._file, self._level.offsets)
        counts = [read_array(self._file, found.byte_counts) for found in levels]
        self._byte_counts = counts[-1]
        if slide.vendor == "aperio":  # of these OpenSlide shows no bytes, even where there are some
            missing = missing_tiles(list(zip(levels, counts, strict=True)))[-1]
            self._byte_counts[missing.ravel()] = 0

    def numbers(self, x: NDArray[np.integer], y: NDArray[np.integer]) -> NDArray[np.int64]:
        """Which compressed tile each tile is; -1 where it is none, not whole, or missing.

        Args:
            x: Left edges, level-0 px.
            y: Top edges, level-0 px.
        """
        column, row = self._along(0, x), self._along(1, y)
        found = np.where((column < 0) | (row < 0), -1, row * self._level.across + column)
        found[self._byte_counts[found] == 0] = -1
        return found

    def jpeg(self, number: int) -> bytes | None:
        """A compressed tile as a JPEG file; None where its bytes are none.

        It brings along the tables that a level's tiles share, and says how its colours are meant.

        Args:
            number: Of the compressed tile in its level.
        """
        count = int(self._byte_counts[number])
        data = os.pread(self._file, count, int(self._offsets[number]))
        try:
            whole = whole_jpeg(data, self._level.tables, self._level.photometric)
        except UndecodableTile:
            return None
        return whole if len(data) == count else None

    def _along(self, axis: int, places: NDArray[np.integer]) -> NDArray[np.int64]:
        distinct, which = np.unique(places, return_inverse=True)  # few, as tiles lie on a grid
        found = [self._place(axis, place) for place in distinct.tolist()]
        return np.array(found, np.int64)[which]

    def _place(self, axis: int, place: int) -> int:
        """Number of the column (axis 0) or row (1) of compressed tiles that begins there, or -1."""
        side, slide, level = self._tile_px, self._slide, self._number
        first = place / slide.downsamples[level]
        asked = span(slide, level, axis, first, first + side)
        shift = max(abs(asked.first), abs(asked.last - side))
        begin, _, rest = position(asked.begin, 0, slide.openslide_downsamples[level])
        inside = 0 <= begin <= (self._level.width, self._level.height)[axis] - side
        whole = asked.px == side and shift <= 1e-6 and rest is None and begin % side == 0
        return begin // side if inside and whole else -1


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
