"""Decoded tiles kept in memory between epochs."""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray


class TileCache:
    """The pixels of the first tiles that fit into a number of bytes; the others are never kept.

    The memory is anonymous and shared, taken as it fills: worker processes started by fork fill
    and read one cache together, also over epochs. Processes started otherwise begin with an empty
    one each.

    Args:
        tiles: Number of tiles.
        tile_px: Side of a tile, px.
        limit_bytes: Most memory to use; 0 keeps nothing.
    """

    def __init__(self, tiles: int, tile_px: int, limit_bytes: int) -> None:
        self._given = (tiles, tile_px, limit_bytes)
        size = tile_px * tile_px * 3
        self.capacity = min(tiles, limit_bytes // (size + 1))
        memory = np.frombuffer(mmap.mmap(-1, max(1, self.capacity * (size + 1))), np.uint8)
        self._present = memory[: self.capacity]
        pixels = memory[self.capacity : self.capacity * (size + 1)]
        self._pixels = pixels.reshape(self.capacity, tile_px, tile_px, 3)

    def get(self, tile: int) -> NDArray[np.uint8] | None:
        """A copy of the tile's pixels; None if they are not kept."""
        if tile >= self.capacity or not self._present[tile]:
            return None
        return np.array(self._pixels[tile])

    def put(self, tile: int, rgb: NDArray[np.uint8]) -> None:
        """Keep the tile's pixels if there is a place for them."""
        if tile < self.capacity:
            self._pixels[tile] = rgb
            self._present[tile] = 1

    @property
    def is_full(self) -> bool:
        """Whether every place is taken."""
        return bool(self._present.all())

    def __reduce__(self) -> tuple[type[TileCache], tuple[int, int, int]]:
        """An empty cache of the same size where it arrives."""
        return type(self), self._given
