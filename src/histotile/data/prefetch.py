"""The tiles of slides in batches, read while the network is busy with earlier ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.data.prefetch_reads import InHand, Reads, UsedTiles
from histotile.data.profiling.profiler import Profiler
from histotile.data.source import Tables

Batch = tuple[NDArray[np.int32], NDArray[np.uint8]]


class ReadAhead:
    """Iterates over (tile_ids, uint8 batch (tiles, tile_px, tile_px, 3)) of a tile table.

    Tiles come in the order of the slide's storage, which is the table's: row by row, left to
    right; excluded ones are left out. mpp, tile_px and where the pixels are (a slide, or image
    files) come from the table. The slide is told of the whole pass, so that each of its compressed
    tiles is decoded once. At most `ahead` batches are in memory beside the one in use; a batch is
    the consumer's to keep. A batch is smaller where tiles are damaged, and left out if all of them
    are.

    Of many slides use `over`: the next one is opened and read while the network is busy with the
    last batches of this one. No batch mixes slides:

        for reader in ReadAhead.over(tables, 32):
            for tile_ids, pixels in reader:
                with reader.profiler.computing():
                    ...

    Attributes:
        table: The tile table.
        tiles: What the table says of the tiles to be read.
        tile_ids: Tiles to be read, (tiles,), in the order in which they come.
        x: Their left edges, level-0 px.
        y: Their top edges.
        unreadable: tile_ids found damaged so far.
        profiler: Where the time went so far; the consumer says when it computes.

    Args:
        table: Tile table of the slide.
        batch_size: Most tiles per batch; does not change what is read.
        threads: Reader threads; they share one source.
        ahead: Batches read in advance.
        slide: Where the slide is; None: where it was when it was tiled.
    """

    def __init__(
        self,
        table: Path,
        batch_size: int,
        threads: int = 2,
        ahead: int = 3,
        slide: Path | None = None,
    ) -> None:
        self.table, self.tiles = table, UsedTiles.of(table, slide)
        self.tile_ids, self.x, self.y = self.tiles.tile_ids, self.tiles.x, self.tiles.y
        self.unreadable: list[int] = []
        self.profiler = Profiler(threads)
        self.batch_size, self._threads, self._ahead = batch_size, threads, ahead
        self._shared: _Crew | None = None

    @classmethod
    def over(
        cls, tables: Tables, batch_size: int, threads: int = 2, ahead: int = 3
    ) -> Iterator[ReadAhead]:
        """One of these per table, in order, with threads and memory shared by all.

        Each can be iterated once, before the next is asked for; what is left of it then is not
        read. Tables are read shortly before their turn, so that memory does not grow with them.

        Args:
            tables: Tile tables, or each with the place of its slide.
            batch_size: Most tiles per batch.
            threads: Reader threads, for all slides together.
            ahead: Batches read in advance, likewise.
        """
        slides = tables if isinstance(tables, Mapping) else {}
        readers = (cls(t, batch_size, threads, ahead, slides.get(t)) for t in tables)
        with closing(_Crew(readers, threads, ahead)) as crew:
            while (reader := crew.next_reader()) is not None:
                reader.profiler, reader._shared = Profiler(threads), crew
                yield reader

    def __len__(self) -> int:
        """Number of tiles to be read, damaged ones included."""
        return len(self.tile_ids)

    def __iter__(self) -> Iterator[Batch]:
        """The batches, from the first tile on."""
        if self._shared is not None:
            yield from self._shared.batches(self)
            return
        with closing(_Crew(iter([self]), self._threads, self._ahead)) as crew:
            crew.next_reader()
            yield from crew.batches(self)


class _Crew:
    """Reader threads and the batches they have in hand, of one table after the other."""

    def __init__(self, readers: Iterator[ReadAhead], threads: int, ahead: int) -> None:
        self._readers = readers
        self._threads, self._ahead = threads, max(1, ahead)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="read-ahead")
        self._begun: deque[tuple[ReadAhead, Reads]] = deque()  # first the consumer's
        self._pending: deque[tuple[Reads, InHand]] = deque()

    def next_reader(self) -> ReadAhead | None:
        """The next table's, whatever is left of the one before; None after the last."""
        if self._begun:
            self._drop(self._begun.popleft()[1])
        return self._begun[0][0] if self._begun or self._begin() else None

    def batches(self, reader: ReadAhead) -> Iterator[Batch]:
        """What is left of a table, if its turn is now."""
        profiler = reader.profiler
        try:
            while True:
                profiler.turn("waiting")
                self._top_up()
                if not self._begun or self._begun[0][0] is not reader:
                    return
                reads = self._begun[0][1]
                if not self._pending or self._pending[0][0] is not reads:
                    return
                tile_ids, pixels, damaged = reads.finish(self._pending.popleft()[1], profiler)
                reader.unreadable += damaged
                self._top_up()
                profiler.turn("other")
                if len(tile_ids):
                    profiler.tiles += len(tile_ids)
                    yield tile_ids, pixels
        finally:
            profiler.turn("other")

    def close(self) -> None:
        """Ends the threads and closes the slides."""
        self._pool.shutdown(cancel_futures=True)
        for _, reads in self._begun:
            reads.close()

    def _top_up(self) -> None:
        while len(self._pending) < self._ahead and (self._begun or self._begin()):
            reads = self._begun[-1][1]
            batch = reads.submit()
            if batch is not None:
                self._pending.append((reads, batch))
            elif not self._begin():
                return

    def _begin(self) -> bool:
        reader = next(self._readers, None)
        if reader is None:
            return False
        reads = Reads(reader.tiles, self._pool, reader.batch_size, self._threads)
        self._begun.append((reader, reads))
        return True

    def _drop(self, reads: Reads) -> None:
        while self._pending and self._pending[0][0] is reads:
            reads.drop(self._pending.popleft()[1])
        reads.close()
