"""The reads of one table's tiles by the threads of a pool."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.data.profiling.profiler import Profiler
from histotile.data.source import ImageSource, SlideSource, open_source
from histotile.io import tables
from histotile.io.arrow import known, numbers
from histotile.io.tile_spec import TileSpec, read_spec
from histotile.slides.slide import UnreadableTile

_TILES_PER_TASK = 8  # a task costs as much as a tenth of a tile


@dataclass(frozen=True)
class UsedTiles:
    """The tiles of a table that are not excluded, row by row, left to right.

    That is the table's order, unless another program wrote it; images stay in theirs.
    """

    spec: TileSpec
    slide: Path | None
    tile_ids: NDArray[np.int32]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    files: list[tuple[str, str | None]] | None  # of images, with their checksums

    @classmethod
    def of(cls, table: Path, slide: Path | None = None) -> UsedTiles:
        """Those of a tile table, and where their slide is; None: where the table saw it."""
        spec, rows = read_spec(table), tables.read_table(table)
        used = np.flatnonzero(~known(rows["excluded"]))
        tile_ids, x, y = (numbers(rows[name])[used] for name in ("tile_id", "x", "y"))
        order = np.lexsort((x, y))
        files = None
        if spec.is_of_images:
            names, sums = (rows[name].to_pylist() for name in ("file", "checksum"))
            files = [(names[row], sums[row]) for row in used[order]]
        return cls(spec, slide, tile_ids[order], x[order], y[order], files)


class InHand(NamedTuple):
    """A batch that is being read."""

    rows: range
    pixels: NDArray[np.uint8]
    tasks: list[Future[tuple[list[bool], float]]]


class Reads:
    """One pass over the tiles of a table; the slide is opened and announced by the first task.

    Args:
        tiles: What to read.
        pool: Reads it.
        batch_size: Most tiles per batch.
        tasks: Into how many parts a batch is at least parted, if it has as many tiles.
    """

    def __init__(
        self, tiles: UsedTiles, pool: ThreadPoolExecutor, batch_size: int, tasks: int
    ) -> None:
        count = len(tiles.tile_ids)
        self._tiles, self._pool, self._batch_size = tiles, pool, batch_size
        self._step = max(1, min(_TILES_PER_TASK, -(-batch_size // tasks)))
        self._starts = iter(range(0, count, batch_size))
        self._x, self._y = tiles.x.tolist(), tiles.y.tolist()
        self._stack = ExitStack()
        self._opening_s, self._counted = 0.0, (0.0, 0.0)
        self._opened = pool.submit(self._open) if count else None  # it sets what it has cost

    def submit(self) -> InHand | None:
        """The next batch, being read from now on; None after the last."""
        start = next(self._starts, None)
        if start is None:
            return None
        rows = range(start, min(start + self._batch_size, len(self._x)))
        tile_px, step = self._tiles.spec.tile_px, self._step
        pixels = np.empty((len(rows), tile_px, tile_px, 3), np.uint8)
        tasks = [
            self._pool.submit(self._read, rows[i : i + step], pixels[i : i + step])
            for i in range(0, len(rows), step)
        ]
        return InHand(rows, pixels, tasks)

    def finish(
        self, batch: InHand, profiler: Profiler
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], list[int]]:
        """tile_ids and pixels of a batch once it is read, and the tile_ids of damaged ones.

        Args:
            batch: Made by `submit`.
            profiler: What the reads have cost since the last time is added to it.
        """
        done = [task.result() for task in batch.tasks]
        self._count(profiler, sum(seconds for _, seconds in done))
        readable = np.array([good for found, _ in done for good in found])
        tile_ids = self._tiles.tile_ids[batch.rows.start : batch.rows.stop]
        if readable.all():
            return tile_ids, batch.pixels, []
        return tile_ids[readable], batch.pixels[readable], tile_ids[~readable].tolist()

    def drop(self, batch: InHand) -> None:
        """Nobody reads this batch any more when this returns."""
        wait([task for task in batch.tasks if not task.cancel()])

    def close(self) -> None:
        """Ends the pass and closes the slide; nobody may be reading it."""
        self._starts = iter(range(0))
        self._stack.close()

    def _open(self) -> SlideSource | ImageSource:
        start = time.perf_counter()
        source = self._stack.enter_context(open_source(self._tiles.spec, self._tiles.slide))
        source.expect(self._tiles.x, self._tiles.y)
        self._opening_s = time.perf_counter() - start
        return source

    def _source(self) -> SlideSource | ImageSource:
        assert self._opened is not None
        return self._opened.result()

    def _read(self, rows: range, pixels: NDArray[np.uint8]) -> tuple[list[bool], float]:
        """Which of the tiles could be read into `pixels`, and the seconds that took."""
        source, files = self._source(), self._tiles.files
        start = time.perf_counter()
        readable = []
        for row, into in zip(rows, pixels, strict=True):
            try:
                named = files[row] if files else (None, None)
                into[:] = source.read(self._x[row], self._y[row], *named)
                readable.append(True)
            except UnreadableTile as error:
                tile_id = self._tiles.tile_ids[row]
                logging.getLogger(__name__).warning("tile %d is left out: %s", tile_id, error)
                readable.append(False)
        return readable, time.perf_counter() - start

    def _count(self, profiler: Profiler, busy_s: float) -> None:
        source = self._source()
        profiler.reader, profiler.reader_note = source.reader, source.reader_note
        busy_s, self._opening_s = busy_s + self._opening_s, 0.0
        profiler.busy_s += busy_s
        if source.spent is None:
            profiler.decoding_s += busy_s
            return
        reading_s, decoding_s, _ = source.spent
        profiler.reading_s += reading_s - self._counted[0]
        profiler.decoding_s += decoding_s - self._counted[1]
        self._counted = reading_s, decoding_s
