"""A level's JPEG tiles decoded at a quarter of their size, for overviews that shrink far.

JPEG keeps blocks of 8 x 8 px as frequencies; those of a quarter of the size are the lowest ones of
each block. That saves no more than a third of the decoding, but fifteen sixteenths of what follows.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.slides.codecs import JPEG, UndecodableTile, decoder
from histotile.slides.decoded_tiles import DecodedTiles, Key
from histotile.slides.slide import Slide
from histotile.slides.tiff_levels import TiffLevel, find_levels, missing_tiles, read_array
from histotile.slides.windows import Box

Rgb = NDArray[np.uint8]

FACTOR = 4
# Level px per px of the overview. From here on real tissue differs by at most 2 grey levels from
# what is resampled from all px, and by less than 0.1 in the mean; at 16 by 3, at 8 by 15.
LEAST_STEP = 24.0


def shrunk_level(slide: Slide, level: int, step: float) -> "ShrunkLevel | None":
    """A level at a quarter of its size; None where that would show or cannot be had.

    Args:
        slide: An open slide.
        level: Of the slide.
        step: Level px per px of the overview.
    """
    if step < LEAST_STEP or slide.reader != "direct" or slide.settle(level) is None:
        return None
    levels = find_levels(slide.path, slide.level_sizes, slide.vendor)
    found = levels[level]
    if found.compression != JPEG or found.tile_width % 8 or found.tile_height % 8:
        return None
    return ShrunkLevel(slide.path, levels[: level + 1])


class ShrunkLevel:
    """A level at a quarter of its size.

    Args:
        path: The TIFF file.
        levels: This level, the last, and those finer than it.
    """

    def __init__(self, path: Path, levels: Sequence[TiffLevel]) -> None:
        self._path, self._found = path, levels[-1]
        with path.open("rb") as file:
            arrays = [read_array(file.fileno(), found.byte_counts) for found in levels]
            self._offsets = read_array(file.fileno(), self._found.offsets)
        self._byte_counts = arrays[-1]
        self._missing = missing_tiles(list(zip(levels, arrays, strict=True)))[-1]
        found = self._found
        self._shape = found.tile_height // FACTOR, found.tile_width // FACTOR
        shape = (found.tile_height, found.tile_width, 3)
        self._decode = decoder(found.compression, found.photometric, found.tables, shape, FACTOR)
        self._tiles = DecodedTiles()

    def holds(self, box: Box) -> bool:
        """Whether a box can be read here: no tile is missing and no edge cuts a shrunk px.

        Args:
            box: Px of the level.
        """
        left, top, right, bottom = _outer(box)
        if right * FACTOR > self._found.width or bottom * FACTOR > self._found.height:
            return False
        rows, columns = self._tiles_under(left, top, right, bottom)
        missing = self._missing[rows.start : rows.stop, columns.start : columns.stop]
        return not missing.any()

    def read(self, box: Box) -> tuple[Rgb, Box] | None:
        """RGB that covers a box that it holds, and the box in it; None where a tile is damaged.

        Args:
            box: Px of the level.
        """
        left, top, right, bottom = _outer(box)
        rows, columns = self._tiles_under(left, top, right, bottom)
        high, wide = self._shape
        covered = np.empty((len(rows) * high, len(columns) * wide, 3), np.uint8)
        try:
            for row in rows:
                for column in columns:
                    tile = self._tile(row * self._found.across + column)
                    y, x = (row - rows[0]) * high, (column - columns[0]) * wide
                    covered[y : y + high, x : x + wide] = tile
        except (UndecodableTile, OSError):
            return None
        y, x = rows[0] * high, columns[0] * wide
        inner_left, inner_top, inner_right, inner_bottom = (edge / FACTOR for edge in box)
        inner = (inner_left - left, inner_top - top, inner_right - left, inner_bottom - top)
        return covered[top - y : bottom - y, left - x : right - x], inner

    def _tiles_under(self, left: int, top: int, right: int, bottom: int) -> tuple[range, range]:
        high, wide = self._shape
        rows = range(top // high, (bottom - 1) // high + 1)
        return rows, range(left // wide, (right - 1) // wide + 1)

    def _tile(self, number: int) -> Rgb:
        return self._tiles.use((0, number), self._load)[0]

    def _load(self, key: Key) -> Rgb:
        with self._path.open("rb", buffering=0) as file:
            count, offset = int(self._byte_counts[key[1]]), int(self._offsets[key[1]])
            return self._decode(os.pread(file.fileno(), count, offset))


def _outer(box: Box) -> tuple[int, int, int, int]:
    """The whole shrunk px that cover a box."""
    left, top, right, bottom = (edge / FACTOR for edge in box)
    return math.floor(left), math.floor(top), math.ceil(right - 1e-6), math.ceil(bottom - 1e-6)
