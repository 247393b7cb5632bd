"""Tiles of many slides in random order, for training."""

from __future__ import annotations

import logging
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from histotile.data.augmentation.augmentation import Transform
from histotile.data.packs.pack_reader import PackedTiles
from histotile.data.profiling.worker_stats import WorkerStats
from histotile.data.selection import Selection
from histotile.data.slide_pool import SlidePool
from histotile.data.source import ImageSource, SlideSource
from histotile.data.tile_cache import TileCache
from histotile.errors import HistotileError
from histotile.slides.slide import UnreadableTile

Rgb = NDArray[np.uint8]


@runtime_checkable
class Reseedable(Protocol):
    """A transform with random numbers of its own."""

    def reseed(self, seed: int) -> None:
        """Start another stream."""


class TileDataset(Dataset[tuple[torch.Tensor, Any, int]]):
    """Tiles by number: uint8 tensor (3, tile_px, tile_px), label, tile number.

    Numbers go on behind the last tile: `n + k * len(dataset)` is tile n, changed at random for the
    k-th time anew. What comes out for a number depends on the seed and on it alone, so neither the
    order nor the number of worker processes changes an epoch.

    Pixels are read from packs, slides or image files as they are asked for and cast to float on
    the device, by the model. Each process keeps as many slides open as the pool allows.

    A damaged tile is replaced by another of its slide and stratum, whose number is returned; it is
    logged once and stands in `damaged` (of this worker process).

    Attributes:
        selection: What is read.
        damaged: Numbers of tiles found damaged.
        stats: What the reading has cost, all workers together.

    Args:
        selection: What to read.
        transform: Made by `make_transform` for the role of these slides.
        cache_bytes: Memory for decoded tiles, all workers together: the first epoch reads the
            slides, later ones the cache. 0 keeps none. 5,000 tiles of 224 px take 0.75 GB.
        packs: Folder of `<slide_id>.pack`; of slides that are packed, no other file is opened.
        seed: Of the random changes.
        pool: Keeps slides open, for several datasets of a process; None: one of its own.

    Raises:
        HistotileError: A pack is missing, damaged, or made from another tile table; or a slide to
            be read is gone, or was replaced since it was tiled.
    """

    def __init__(
        self,
        selection: Selection,
        transform: Transform,
        cache_bytes: int = 0,
        packs: Path | None = None,
        seed: int = 0,
        pool: SlidePool | None = None,
    ) -> None:
        self.selection = selection
        self.damaged: set[int] = set()
        self.stats = WorkerStats()
        self._transform = transform
        self._pool = pool or SlidePool()
        self._cache = TileCache(len(selection), selection.tile_px, cache_bytes)
        self._packed = PackedTiles(selection, packs) if packs is not None else None
        self._seed = seed % 2**32
        self._check_slides()

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.selection)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, Any, int]:
        """Pixels, label and number of the tile, or of its replacement."""
        begin = perf_counter()
        rgb, tile = self._readable(number % len(self))
        read = perf_counter()
        if isinstance(self._transform, Reseedable):
            state = np.random.SeedSequence([self._seed, number]).generate_state(1)
            self._transform.reseed(int(state[0]))
        pixels = np.ascontiguousarray(self._transform(rgb).transpose(2, 0, 1))
        done = perf_counter()
        self.stats.add(busy_s=done - begin, augmenting_s=done - read)
        return torch.from_numpy(pixels), self.selection.label[tile], tile

    @property
    def kept(self) -> bool:
        """Whether all tiles are in memory by now, for every worker."""
        return self._cache.is_full and self._cache.capacity == len(self)

    def _check_slides(self) -> None:
        """Raises if a slide that will be read is gone or another; here, not in a worker."""
        s = self.selection
        for number, first in zip(*np.unique(s.slide, return_index=True), strict=True):
            if s.files is None and not (self._packed and self._packed.holds(int(first))):
                self._pool.check(s.paths[number], s.identities[number], s.slide_ids[number])

    def _readable(self, tile: int) -> tuple[Rgb, int]:
        if tile not in self.damaged and (rgb := self._read(tile)) is not None:
            return rgb, tile
        s = self.selection
        stratum = s.task.stratum(s.label)
        alike = np.flatnonzero((s.slide == s.slide[tile]) & (stratum == stratum[tile]))
        start = int(np.searchsorted(alike, tile))
        for other in map(int, np.roll(alike, -start)):
            if other not in self.damaged and (rgb := self._read(other)) is not None:
                return rgb, other
        raise HistotileError(
            s.paths[s.slide[tile]],
            f"none of its {len(alike)} tiles of class {s.task.strata[stratum[tile]]!r} can be read",
            "copy the slide again, or take it out of the cohort",
        )

    def _read(self, tile: int) -> Rgb | None:
        """The pixels of the tile; None if it is damaged."""
        cached = self._cache.get(tile)
        if cached is not None:
            return cached
        try:
            rgb = self._from_file(tile)
        except UnreadableTile as error:
            self.damaged.add(tile)
            logging.getLogger(__name__).warning("another tile is used instead: %s", error)
            return None
        self._cache.put(tile, rgb)
        return rgb

    def _from_file(self, tile: int) -> Rgb:
        s = self.selection
        x, y = int(s.x[tile]), int(s.y[tile])
        begin = perf_counter()
        if self._packed is not None and self._packed.holds(tile):
            before = self._packed.spent
            rgb = self._packed.read(tile)
            after = self._packed.spent
        elif s.files is not None:
            known = None if s.checksums is None else s.checksums[tile]
            rgb = ImageSource(s.tile_px).read(x, y, s.files[tile], known)
            self.stats.add(decoding_s=perf_counter() - begin)
            return rgb
        else:
            number = int(s.slide[tile])
            slide = self._pool.get(s.paths[number], s.mpps[number])
            before = slide.spent
            rgb = SlideSource(slide, s.tile_mpp, s.tile_px).read(x, y, None)
            after = slide.spent
        reading_s, decoding_s = (after[i] - before[i] for i in (0, 1))
        self.stats.add(reading_s=reading_s, decoding_s=decoding_s)
        return rgb
