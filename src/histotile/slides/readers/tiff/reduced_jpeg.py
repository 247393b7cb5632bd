"""A level's JPEG tiles decoded at a quarter of their size, for overviews that shrink far.

JPEG keeps blocks of 8 x 8 px as frequencies; those of a quarter of the size are the lowest ones of
each block. That saves no more than a third of the decoding, but fifteen sixteenths of what follows.
"""

import math

import numpy as np
from numpy.typing import NDArray

from histotile.slides.readers.tiff.codecs import JPEG, UndecodableTile, decoder
from histotile.slides.readers.tiff.decoded_tile_cache import DecodedTiles, Key
from histotile.slides.readers.tiff.reader import DirectReader
from histotile.slides.slide import Slide
from histotile.slides.windows import Box

Rgb = NDArray[np.uint8]

FACTOR = 4
# Level px per px of the overview. From here on real tissue differs by at most 2 grey levels from
# what is resampled from all px, and by less than 0.1 in the mean (tests/slides/test_shrunk.py).
LEAST_STEP = 24.0


def shrunk_level(slide: Slide, level: int, step: float) -> "ShrunkLevel | None":
    """A level at a quarter of its size; None where that would show or cannot be had.

    Args:
        slide: An open slide.
        level: Of the slide.
        step: Level px per px of the overview.
    """
    direct = slide.settle(level) if step >= LEAST_STEP else None
    if direct is None:
        return None
    found = direct.levels[level]
    if found.compression != JPEG or found.tile_width % 8 or found.tile_height % 8:
        return None
    return ShrunkLevel(direct, level)


class ShrunkLevel:
    """A level at a quarter of its size.

    Args:
        direct: Gives its compressed tiles.
        level: 0 is the finest.
    """

    def __init__(self, direct: DirectReader, level: int) -> None:
        self._direct, self._level = direct, level
        found = self._found = direct.levels[level]
        self._missing = (direct.sizes(level) == 0).reshape(found.down, found.across)
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
                    key = self._level, row * self._found.across + column
                    y, x = (row - rows[0]) * high, (column - columns[0]) * wide
                    covered[y : y + high, x : x + wide] = self._tiles.use(key, self._load)[0]
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

    def _load(self, key: Key) -> Rgb:
        return self._decode(self._direct.compressed(*key))


def _outer(box: Box) -> tuple[int, int, int, int]:
    """The whole shrunk px that cover a box."""
    left, top, right, bottom = (edge / FACTOR for edge in box)
    return math.floor(left), math.floor(top), math.ceil(right - 1e-6), math.ceil(bottom - 1e-6)
