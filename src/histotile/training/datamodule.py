"""Loaders of a fold's tiles: train with random changes, val and test without, by construction."""

import math
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DistributedSampler, Sampler

from histotile.config import Train
from histotile.data.augmentation.augmentation import make_transform
from histotile.data.dataset import TileDataset
from histotile.data.profiling.worker_stats import COUNTED
from histotile.data.selection import Selection
from histotile.data.slide_pool import SlidePool
from histotile.training.dataloader import Feed, Portions
from histotile.training.job import FoldTiles, Machine
from histotile.training.optimizer import Batches, deal, plan

MEASURED = 500  # training tiles measured as they are after each round
PROBED = 2000  # training tiles that start the head and set the statistics of batch norm
_CACHE_BYTES = 2 << 30  # of decoded tiles, all roles and workers together


class TileDataModule(pl.LightningDataModule):
    """Train tiles (augmented), val tiles and some train tiles as they are.

    A round (what Lightning calls an epoch) is every training tile as often as `plan.passes` says,
    whatever the augmentation. Order and random changes depend on the seed and the round alone, so
    that a training that was interrupted goes on as if it had not been, with any number of workers.

    Args:
        fold: The tiles.
        settings: Section `train`.
        machine: Workers and packs.
    """

    def __init__(self, fold: FoldTiles, settings: Train, machine: Machine) -> None:
        super().__init__()
        self.settings = settings
        self.machine = machine
        self.plan = plan(math.ceil(len(fold.train) / machine.devices), settings)
        self._workers = machine.loading()
        machine.profiler.readers = max(1, self._workers)
        measured, probed = _some(fold.train, MEASURED), _some(fold.train, PROBED)
        tiles = len(fold.train) + len(fold.val) + len(measured) + len(probed)
        self._bytes_per_tile = _CACHE_BYTES // tiles
        self._pool = SlidePool()
        self.train = self._dataset(fold.train, "train")
        self.val = self._dataset(fold.val, "val")
        self.measured = self._dataset(measured, "test")
        self.probed = self._dataset(probed, "test")
        self._training: Feed | None = None
        self._begun = count()

    def train_dataloader(self) -> Feed:
        """Augmented training tiles of the current round, in its order; one feed for all rounds."""
        if self._training is None:
            shuffle = self._sampler(self.train, shuffle=True)
            order = _Passes(shuffle, self._round, self.plan.passes, len(self.train))
            cut = self.plan.portions > 1
            sampler = Portions(order, order.passes, self.plan.portions) if cut else order
            self._training = self._feed(self.train, sampler, self.plan.batches, lasting=True)
        return self._training

    def val_dataloader(self) -> list[Feed]:
        """Val tiles, then some training tiles, both as they are."""
        return [
            self._feed(data, self._sampler(data, shuffle=False), self._whole)
            for data in (self.val, self.measured)
        ]

    def probe_dataloader(self) -> Feed:
        """Some training tiles as they are, for the linear probe that starts the head."""
        return self._feed(self.probed, None, self._whole)

    def mixed_dataloader(self) -> Feed:
        """The same tiles in random order: each batch is of many slides."""
        generator = torch.Generator().manual_seed(self.settings.seed)
        sampler = torch.utils.data.RandomSampler(self.probed, generator=generator)
        return self._feed(
            self.probed, sampler, deal(len(self.probed), max(2, self.settings.at_once))
        )

    def teardown(self, stage: str) -> None:
        """Let the workers go."""
        self._training = None

    def count_readers(self) -> None:
        """Tell the profiler what all reading so far has cost."""
        profiler = self.machine.profiler
        every = [data.stats for data in (self.train, self.val, self.measured, self.probed)]
        for name in COUNTED:
            setattr(profiler, name, sum(getattr(stats, name) for stats in every))

    @property
    def _whole(self) -> Batches:
        return Batches(self.settings.at_once, drop_last=False)

    def _dataset(self, selection: Selection, role: Any) -> TileDataset:
        seed = self.settings.seed
        transform = make_transform(role, self.settings.augment, selection.tile_px, seed)
        kept = self._bytes_per_tile * len(selection)
        return TileDataset(selection, transform, kept, self.machine.packs, seed, self._pool)

    def _round(self) -> int:
        """Lightning's, or without a trainer the next one at each call."""
        return next(self._begun) if self.trainer is None else self.trainer.current_epoch

    def _sampler(self, data: TileDataset, shuffle: bool) -> DistributedSampler[Any]:
        devices = self.trainer.world_size if self.trainer is not None else 1
        rank = self.trainer.global_rank if self.trainer is not None else 0
        return DistributedSampler(data, devices, rank, shuffle, self.settings.seed)

    def _feed(
        self,
        data: TileDataset,
        sampler: Sampler[int] | Portions | None,
        batches: Batches,
        lasting: bool = False,
    ) -> Feed:
        profiler = self.machine.profiler
        return Feed(data, sampler, batches, self._workers, profiler, lasting=lasting)


class _Passes(Sampler[int]):
    """Several shuffles of the tiles, one after the other; in pass k tile n is n + k * tiles.

    Args:
        shuffle: Of one pass.
        current: Tells which round it is.
        passes: Per round.
        tiles: Number of tiles.
    """

    def __init__(
        self,
        shuffle: DistributedSampler[Any],
        current: Callable[[], int],
        passes: int,
        tiles: int,
    ) -> None:
        self.shuffle, self.current, self.passes, self.tiles = shuffle, current, passes, tiles

    def __len__(self) -> int:
        return len(self.shuffle) * self.passes

    def __iter__(self) -> Iterator[int]:
        first = self.current() * self.passes
        for number in range(first, first + self.passes):
            self.shuffle.set_epoch(number)
            yield from (tile + number * self.tiles for tile in self.shuffle)


def _some(selection: Selection, most: int) -> Selection:
    """Evenly spaced tiles of a selection: every slide and class in proportion."""
    if len(selection) <= most:
        return selection
    return selection.take(np.unique(np.linspace(0, len(selection) - 1, most).astype(np.int64)))
