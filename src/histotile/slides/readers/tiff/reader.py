"""Windows of a slide's levels from its compressed tiles, past OpenSlide but with its pixels."""

import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.slides.readers.tiff.codecs import Decoder, UndecodableTile, decoder
from histotile.slides.readers.tiff.decoded_tile_cache import RECENT_BYTES, DecodedTiles, Key
from histotile.slides.readers.tiff.positions import position, uses
from histotile.slides.readers.tiff.tiff_levels import Places, TiffLevel, missing_tiles, read_array

Rgb = NDArray[np.uint8]
Region = tuple[int, int, int, int, int]  # x, y (level-0 px), level, width, height (level px)

PIECE_PX = 4096  # OpenSlide paints larger windows piece by piece, each from its own position


class Spent(NamedTuple):
    """Where the time of a slide's reads went, all threads together."""

    reading_s: float  # waiting for the file
    decoding_s: float
    decoded: int  # compressed tiles; 0 where OpenSlide, which does not tell, reads


class DirectReader:
    """Windows as OpenSlide shows them, decoded here: each compressed tile as seldom as possible.

    Reads are thread-safe.

    Args:
        path: The TIFF file.
        levels: Its tiled pages, finest first.
        downsamples: Level-0 px per level px, as OpenSlide counts them.
        fills: Whether OpenSlide fills missing tiles from finer levels (Aperio), or leaves them
            transparent.
        recent_bytes: Of decoded tiles that are kept although no read of them was announced.

    Raises:
        OSError: The file does not open.
    """

    def __init__(
        self,
        path: Path,
        levels: Sequence[TiffLevel],
        downsamples: Sequence[float],
        fills: bool,
        recent_bytes: int = RECENT_BYTES,
    ) -> None:
        self.levels, self.downsamples, self._fills = levels, downsamples, fills
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._finish = weakref.finalize(self, os.close, self._file)
        self._size = os.fstat(self._file).st_size
        self._tables: dict[int, _Tiles] = {}
        self._tiles = DecodedTiles(recent_bytes=recent_bytes)
        self._lock = threading.Lock()
        self._spent = Spent(0.0, 0.0, 0)

    def read(self, x: int, y: int, level: int, width: int, height: int) -> Rgb | None:
        """RGB (height, width, 3) on white; None for what only OpenSlide can paint.

        Arguments are those of `Slide.read`.
        """
        if width <= 0 or height <= 0:
            return None
        downsample = self.downsamples[level]
        if downsample == 1:
            return self._whole(level, x, y, width, height)
        if max(width, height) > PIECE_PX:
            return self._in_pieces((x, y, level, width, height))
        left, top, shift = position(x, y, downsample)
        if shift is None:
            return self._whole(level, left, top, width, height)
        from histotile.slides.readers.tiff.blending import blended

        more_x, more_y = shift[0] > 0, shift[1] > 0
        block = self._whole(level, left, top, width + more_x, height + more_y, blend=True)
        if block is None:
            return None
        if not (more_x and more_y):
            block = np.pad(block, ((0, not more_y), (0, not more_x), (0, 0)))
        return blended(block, (left, top), self.levels[level][:4], shift)

    def expect(self, level: int, windows: NDArray[np.int64]) -> None:
        """Nothing comes out: announces reads, see `Slide.expect`."""
        self._tiles.expect(level, uses(self.levels[level], self.downsamples[level], windows))

    def sizes(self, level: int) -> Places:
        """Bytes of each compressed tile of a level; 0 for those that OpenSlide takes as missing.

        Raises:
            OSError: The file ends before its tables.
        """
        table = self._table(level)
        left_out = False if table.left_out is None else table.left_out
        return np.where(left_out, 0, table.byte_counts)

    def compressed(self, level: int, tile: int) -> bytes:
        """A compressed tile as it lies in the file.

        Raises:
            OSError: The file ends before it does, or is closed.
        """
        table = self._table(level)
        offset, count = int(table.offsets[tile]), int(table.byte_counts[tile])
        inside = 0 <= offset <= offset + count <= self._size
        data = os.pread(self._file, count, offset) if inside else b""
        if not inside or len(data) < count:
            raise OSError(f"the file ends before tile {tile} of level {level} does")
        return data

    def close(self) -> None:
        """Nothing comes out: gives the file back; what is not yet decoded reads no more."""
        self._finish()
        self._file = -1

    @property
    def spent(self) -> Spent:
        """Where the time of all reads so far went."""
        return self._spent

    def _whole(
        self, level: int, left: int, top: int, width: int, height: int, blend: bool = False
    ) -> Rgb | None:
        """A window at a whole level px."""
        found = self.levels[level]
        tile_width, tile_height = found.tile_width, found.tile_height
        right, bottom = min(left + width, found.width), min(top + height, found.height)
        if right <= max(left, 0) or bottom <= max(top, 0):
            return np.full((height, width, 3), 255, np.uint8)
        columns = range(max(left, 0) // tile_width, (right - 1) // tile_width + 1)
        rows = range(max(top, 0) // tile_height, (bottom - 1) // tile_height + 1)
        keys = [(level, row * found.across + column) for row in rows for column in columns]
        inside = left >= 0 and top >= 0 and right - left == width and bottom - top == height
        exact = inside and len(keys) == 1 and (width, height) == (tile_width, tile_height)
        tiles = self._decoded(keys, blend, keep=not exact)
        out = None if exact else np.empty((height, width, 3), np.uint8)
        if out is not None and not inside:
            out[:] = 255
        try:
            for number, (tile, shared) in enumerate(tiles):
                if out is None:
                    return tile.copy() if shared else tile
                x = columns[number % len(columns)] * tile_width
                y = rows[number // len(columns)] * tile_height
                a, b = max(y, top, 0), min(y + tile_height, bottom)
                c, d = max(x, left, 0), min(x + tile_width, right)
                out[a - top : b - top, c - left : d - left] = tile[a - y : b - y, c - x : d - x]
        except (UndecodableTile, OSError):
            return None
        return out

    def _decoded(self, keys: list[Key], blend: bool, keep: bool) -> Iterator[tuple[Rgb, bool]]:
        """The tiles of a window, and whether others may have them.

        Raises:
            UndecodableTile: One is damaged, or only OpenSlide knows what to show in its place.
            OSError: The file ends before it.
        """
        taken = 0
        try:
            level = keys[0][0]
            left_out = self._table(level).left_out
            if not (blend or (self._fills and level > 0)):
                left_out = None
            if left_out is not None and any(left_out[tile] for _, tile in keys):
                raise UndecodableTile("missing")
            for key in keys:
                taken += 1
                yield self._tiles.use(key, self._load, keep)
        except (UndecodableTile, OSError):
            for key in keys[taken:]:
                self._tiles.skip(key)
            raise

    def _load(self, key: Key) -> Rgb:
        table = self._table(key[0])
        if table.byte_counts[key[1]] == 0:
            return np.full(table.shape, 255, np.uint8)
        begin = time.perf_counter()
        data = self.compressed(*key)
        read = time.perf_counter()
        pixels = table.decode(data)
        done = time.perf_counter()
        with self._lock:
            reading, decoding, decoded = self._spent
            self._spent = Spent(reading + read - begin, decoding + done - read, decoded + 1)
        return pixels

    def _table(self, level: int) -> "_Tiles":
        table = self._tables.get(level)
        if table is not None:
            return table
        found = self.levels[level]
        shape = (found.tile_height, found.tile_width, 3)
        counts = [read_array(self._file, level.byte_counts) for level in self.levels[: level + 1]]
        if self._fills:
            left_out = missing_tiles(list(zip(self.levels, counts, strict=False)))[-1].ravel()
        else:
            left_out = counts[-1] == 0
        table = self._tables[level] = _Tiles(
            read_array(self._file, found.offsets),
            counts[-1],
            left_out if left_out.any() else None,
            decoder(found.compression, found.photometric, found.tables, shape),
            shape,
        )
        return table

    def _in_pieces(self, region: Region) -> Rgb | None:
        x, y, level, width, height = region
        downsample = self.downsamples[level]
        out = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, PIECE_PX):
            for left in range(0, width, PIECE_PX):
                size = min(PIECE_PX, width - left), min(PIECE_PX, height - top)
                at = int(x + left * downsample), int(y + top * downsample)
                piece = self.read(*at, level, *size)
                if piece is None:
                    return None
                out[top : top + size[1], left : left + size[0]] = piece
        return out


class _Tiles(NamedTuple):
    """The compressed tiles of a level."""

    offsets: Places
    byte_counts: Places
    left_out: NDArray[np.bool_] | None  # what is missing; None if nothing
    decode: Decoder
    shape: tuple[int, int, int]
