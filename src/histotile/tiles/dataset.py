"""Tiles of many slides in random order, for training."""

from __future__ import annotations

import logging
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, get_worker_info

from histotile.errors import HistotileError
from histotile.slides.pixels import UnreadableTile
from histotile.tiles.augmentation import Transform
from histotile.tiles.selection import Selection
from histotile.tiles.slide_pool import SlidePool
from histotile.tiles.source import ImageSource, SlideSource, TileSource
from histotile.tiles.tile_cache import TileCache

Rgb = NDArray[np.uint8]
_OPEN_SLIDES = 16


@runtime_checkable
class Reseedable(Protocol):
    """A transform with random numbers of its own."""

    def reseed(self, seed: int) -> None:
        """Start another stream."""


class TileDataset(Dataset[tuple[torch.Tensor, int, int]]):
    """Tiles by number: uint8 tensor (3, tile_px, tile_px), class number, tile number.

    Pixels are read from slides or image files as they are asked for and cast to float on the
    device, by the model. Each worker process keeps at most 16 slides open and draws its own
    augmentation; with a seeded loader the same number of workers gives the same epochs.

    A damaged tile is replaced by another of its slide and class, whose number is returned; it is
    logged once and stands in `damaged` (of this worker process).

    Args:
        selection: What to read.
        transform: Made by `make_transform` for the role of these slides.
        cache_bytes: Memory for decoded tiles, all workers together: the first epoch reads the
            slides, later ones the cache. 0 keeps none. 5,000 tiles of 224 px take 0.75 GB.
    """

    def __init__(self, selection: Selection, transform: Transform, cache_bytes: int = 0) -> None:
        self.selection = selection
        self.damaged: set[int] = set()
        self._transform = transform
        self._pool = SlidePool(_OPEN_SLIDES)
        self._cache = TileCache(len(selection), selection.tile_px, cache_bytes)
        self._stream: int | None = None

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.selection)

    def __getitem__(self, tile: int) -> tuple[torch.Tensor, int, int]:
        """Pixels, class number and number of the tile, or of its replacement."""
        self._start_own_stream()
        rgb, tile = self._readable(tile)
        pixels = np.ascontiguousarray(self._transform(rgb).transpose(2, 0, 1))
        return torch.from_numpy(pixels), int(self.selection.label[tile]), tile

    def _start_own_stream(self) -> None:
        worker = get_worker_info()
        if worker is not None and worker.seed != self._stream:
            self._stream = worker.seed
            if isinstance(self._transform, Reseedable):
                self._transform.reseed(worker.seed)

    def _readable(self, tile: int) -> tuple[Rgb, int]:
        if tile not in self.damaged and (rgb := self._read(tile)) is not None:
            return rgb, tile
        s = self.selection
        alike = np.flatnonzero((s.slide == s.slide[tile]) & (s.label == s.label[tile]))
        start = int(np.searchsorted(alike, tile))
        for other in map(int, np.roll(alike, -start)):
            if other not in self.damaged and (rgb := self._read(other)) is not None:
                return rgb, other
        raise HistotileError(
            s.paths[s.slide[tile]],
            f"none of its {len(alike)} tiles of class {s.classes[s.label[tile]]!r} can be read",
            "copy the slide again, or take it out of the cohort",
        )

    def _read(self, tile: int) -> Rgb | None:
        """The pixels of the tile; None if the slide is damaged there."""
        cached = self._cache.get(tile)
        if cached is not None:
            return cached
        s = self.selection
        source = self._source(int(s.slide[tile]))
        try:
            file = s.files[tile] if s.files is not None else None
            rgb = source.read(int(s.x[tile]), int(s.y[tile]), file)
        except UnreadableTile as error:
            self.damaged.add(tile)
            logging.getLogger(__name__).warning("another tile is used instead: %s", error)
            return None
        self._cache.put(tile, rgb)
        return rgb

    def _source(self, slide: int) -> TileSource:
        s = self.selection
        if s.files is not None:
            return ImageSource(s.tile_px)
        return SlideSource(self._pool.get(s.paths[slide], s.mpps[slide]), s.tile_mpp, s.tile_px)
