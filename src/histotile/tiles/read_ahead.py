"""The tiles of one slide in batches, read while the network is busy with earlier ones."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from histotile import tables
from histotile.slides.pixels import UnreadableTile
from histotile.tiles.source import TileSource, is_of_images, open_source

Batch = tuple[NDArray[np.int32], NDArray[np.uint8]]


@dataclass
class _Pending:
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    reads: list[Future[bool]]


class ReadAhead:
    """Iterates over (tile_ids, uint8 batch (tiles, tile_px, tile_px, 3)) of a tile table.

    Tiles come in the table's order, excluded ones left out; mpp, tile_px and where the pixels are
    (a slide, or image files) come from the table. At most `ahead` batches are in memory beside the
    one in use. A batch is smaller where tiles are damaged, and left out if all of them are.

    Attributes:
        tile_ids: Tiles to be read, (tiles,).
        x: Their left edges, level-0 px.
        y: Their top edges.
        unreadable: tile_ids found damaged so far.
        waiting_s: Seconds the consumer has waited for pixels so far.

    Args:
        table: Tile table of the slide.
        batch_size: Most tiles per batch; does not change what is read.
        threads: Reader threads; they share one source.
        ahead: Batches read in advance.
    """

    def __init__(self, table: Path, batch_size: int, threads: int = 2, ahead: int = 3) -> None:
        self._footer = tables.read_footer(table)
        rows = tables.read_table(table)
        rows = rows.filter(pc.is_null(rows["excluded"]))
        self.tile_ids, self.x, self.y = (rows[name].to_numpy() for name in ("tile_id", "x", "y"))
        self._files: Any = rows["file"].to_pylist() if is_of_images(self._footer) else None
        self.unreadable: list[int] = []
        self.waiting_s = 0.0
        self._batch_size, self._threads, self._ahead = batch_size, threads, max(1, ahead)

    def __len__(self) -> int:
        """Number of tiles to be read, damaged ones included."""
        return len(self.tile_ids)

    def __iter__(self) -> Iterator[Batch]:
        """The batches, from the first tile on."""
        if not len(self):
            return
        starts = iter(range(0, len(self), self._batch_size))
        pending: deque[_Pending] = deque()
        with open_source(self._footer) as source:
            pool = ThreadPoolExecutor(self._threads, thread_name_prefix="read-ahead")
            try:
                while True:
                    self._top_up(pending, starts, pool, source)
                    if not pending:
                        return
                    tile_ids, pixels = self._finish(pending.popleft())
                    self._top_up(pending, starts, pool, source)
                    if len(tile_ids):
                        yield tile_ids, pixels
            finally:
                pool.shutdown(cancel_futures=True)

    def _top_up(
        self,
        pending: deque[_Pending],
        starts: Iterator[int],
        pool: ThreadPoolExecutor,
        source: TileSource,
    ) -> None:
        while len(pending) < self._ahead and (start := next(starts, None)) is not None:
            pending.append(self._submit(pool, source, start))

    def _submit(self, pool: ThreadPoolExecutor, source: TileSource, start: int) -> _Pending:
        rows = np.arange(start, min(start + self._batch_size, len(self)))
        tile_px = int(self._footer["tile_px"])
        pixels = np.empty((len(rows), tile_px, tile_px, 3), np.uint8)
        tasks = zip(rows.tolist(), pixels, strict=True)
        return _Pending(rows, pixels, [pool.submit(self._read, source, *task) for task in tasks])

    def _read(self, source: TileSource, row: int, pixels: NDArray[np.uint8]) -> bool:
        """Whether the tile could be read into `pixels`."""
        file = self._files[row] if self._files else None
        try:
            pixels[:] = source.read(int(self.x[row]), int(self.y[row]), file)
        except UnreadableTile as error:
            logging.getLogger(__name__).warning(
                "tile %d is left out: %s", self.tile_ids[row], error
            )
            return False
        return True

    def _finish(self, batch: _Pending) -> Batch:
        start = time.perf_counter()
        readable = np.array([read.result() for read in batch.reads])
        self.waiting_s += time.perf_counter() - start
        tile_ids = self.tile_ids[batch.rows]
        self.unreadable += tile_ids[~readable].tolist()
        if readable.all():
            return tile_ids, batch.pixels
        return tile_ids[readable], batch.pixels[readable]
