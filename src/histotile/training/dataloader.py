"""Batches for a network, by worker processes where they pay, and the time it waits for them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from histotile.data.dataset import TileDataset
from histotile.data.profiling.profiler import Profiler
from histotile.errors import HistotileError
from histotile.training.optimizer import Batches

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_PREFETCHED = 4  # batches per worker
_PREFETCHED_BYTES = 512 << 20  # of all workers


class Feed:
    """Iterates over batches (tiles, class numbers, tile numbers) of a dataset.

    Workers read ahead, across slides. Once all tiles are kept in memory, tiles that are not
    changed at random are handed out without workers: starting these would take longer. The same
    batches come out either way.

    Args:
        data: The tiles.
        sampler: Their order; None: as they are.
        batches: How they are dealt out.
        workers: Processes that read; 0: the tiles are read when they are asked for.
        profiler: Told who waits, and how many tiles came.
        lasting: The workers live as long as the feed, and the random changes are theirs to make.
    """

    def __init__(
        self,
        data: TileDataset,
        sampler: Sampler[int] | Portions | None,
        batches: Batches,
        workers: int,
        profiler: Profiler,
        *,
        lasting: bool = False,
    ) -> None:
        self._data, self._profiler, self._lasting = data, profiler, lasting
        given: dict[str, Any] = {"pin_memory": torch.cuda.is_available()}
        if isinstance(sampler, Portions):
            given["batch_sampler"] = sampler
        else:
            given |= {"batch_size": batches.size, "drop_last": batches.drop_last}
            given["sampler"] = sampler
        batch_bytes = batches.size * 3 * data.selection.tile_px**2
        self._alone = _loader(data, given, 0, batch_bytes)
        self._loader = _loader(data, given, workers, batch_bytes, lasting)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._alone)

    def __iter__(self) -> Iterator[Batch]:
        """The batches; the profiler says "waiting" until one is there, then "computing".

        Behind the last one it says "other".
        """
        batches = iter(self._alone if self._data.kept and not self._lasting else self._loader)
        while True:
            self._profiler.turn("waiting")
            batch = _next(batches)
            if batch is None:
                self._profiler.turn("other")
                return
            self._profiler.turn("computing")
            self._profiler.tiles += len(batch[1])
            yield batch


class Portions(Sampler[list[int]]):
    """The tiles of each pass in so many batches, which differ by one tile at most.

    Args:
        order: Tiles of all passes of a round, one after the other.
        passes: Of a round.
        portions: Of a pass.
    """

    def __init__(self, order: Sampler[int], passes: int, portions: int) -> None:
        self.order, self.passes, self.portions = order, passes, portions

    def __len__(self) -> int:
        return self.passes * self.portions

    def __iter__(self) -> Iterator[list[int]]:
        for of_pass in np.split(np.fromiter(self.order, np.int64), self.passes):
            yield from (part.tolist() for part in np.array_split(of_pass, self.portions))


def _next(batches: Iterator[Batch]) -> Batch | None:
    """The next batch; None after the last. A user's mistake that a worker met stays one."""
    try:
        return next(batches, None)
    except RuntimeError as error:
        told = _MISTAKE.search(str(error))
        if told is None:
            raise
        raise HistotileError(*told.groups()) from error


# PyTorch hands on what a worker raised as the text of its traceback.
_MISTAKE = re.compile(r"^histotile\.errors\.HistotileError: (.*?): (.*)\n  Remedy: (.*)", re.M)


def _loader(
    data: TileDataset,
    given: dict[str, Any],
    workers: int,
    batch_bytes: int,
    lasting: bool = False,
) -> DataLoader[Any]:
    """Each with a generator of its own, so that none takes numbers from the network's drop-out."""
    shareable = _shareable_bytes()
    workers = min(workers, shareable // batch_bytes)
    if workers:
        # Workers keep to one thread each. Said here and not there: OpenCV's threads do not survive
        # the fork, and a worker that tried to end them would wait for ever.
        cv2.setNumThreads(1)
        ahead = min(_PREFETCHED_BYTES, shareable) // (workers * batch_bytes)
        given = given | {
            "num_workers": workers,
            "prefetch_factor": min(_PREFETCHED, max(1, ahead)),
            "persistent_workers": lasting,
            # forked workers share the memory in which tiles are kept
            "multiprocessing_context": "fork" if sys.platform == "linux" else None,
        }
    return DataLoader(data, generator=torch.Generator().manual_seed(0), **given)


def _shareable_bytes() -> int:
    """What workers may hand over at once: half of the shared memory, which containers limit."""
    shared = Path("/dev/shm")
    return shutil.disk_usage(shared).free // 2 if shared.is_dir() else sys.maxsize
