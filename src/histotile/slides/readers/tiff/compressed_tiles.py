"""Compressed JPEG tiles of a slide as whole JPEG files, to be kept elsewhere as they are."""

import numpy as np
from numpy.typing import NDArray

from histotile.slides.readers.tiff.codecs import JPEG, UndecodableTile, whole_jpeg
from histotile.slides.readers.tiff.positions import position
from histotile.slides.readers.tiff.reader import DirectReader
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import level_and_side
from histotile.slides.windows import span


class CompressedTiles:
    """The compressed tiles behind the tiles of one scale, where these are the same ones.

    Args:
        slide: An open slide of known mpp; these read from it as long as it is open.
        level: That the tiles are read from.
        direct: Reads the level.
    """

    def __init__(self, slide: Slide, level: int, direct: DirectReader) -> None:
        self._slide, self._number, self._direct = slide, level, direct
        self._level, self._sizes = direct.levels[level], direct.sizes(level)

    def numbers(self, x: NDArray[np.integer], y: NDArray[np.integer]) -> NDArray[np.int64]:
        """Which compressed tile each tile is; -1 where it is none, not whole, or missing.

        Args:
            x: Left edges, level-0 px.
            y: Top edges, level-0 px.
        """
        column, row = self._along(0, x), self._along(1, y)
        found = np.where((column < 0) | (row < 0), -1, row * self._level.across + column)
        found[self._sizes[found] == 0] = -1
        return found

    def jpeg(self, number: int) -> bytes | None:
        """A compressed tile as a JPEG file; None where its bytes are none.

        It brings along the tables that a level's tiles share, and says how its colours are meant.

        Args:
            number: Of the compressed tile in its level.
        """
        try:
            data = self._direct.compressed(self._number, number)
            return whole_jpeg(data, self._level.tables, self._level.photometric)
        except (UndecodableTile, OSError):
            return None

    def _along(self, axis: int, places: NDArray[np.integer]) -> NDArray[np.int64]:
        distinct, which = np.unique(places, return_inverse=True)  # few, as tiles lie on a grid
        found = [self._place(axis, place) for place in distinct.tolist()]
        return np.array(found, np.int64)[which]

    def _place(self, axis: int, place: int) -> int:
        """Number of the column (axis 0) or row (1) of compressed tiles that begins there, or -1."""
        slide, level = self._slide, self._number
        side = (self._level.tile_width, self._level.tile_height)[axis]
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
    direct = slide.settle(level) if side == tile_px else None
    if direct is None:
        return None
    found = direct.levels[level]
    if found.compression != JPEG or (found.tile_width, found.tile_height) != (tile_px, tile_px):
        return None
    return CompressedTiles(slide, level, direct)
