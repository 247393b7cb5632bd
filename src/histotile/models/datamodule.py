"""Loaders of a fold's tiles: train with random changes, val and test without, by construction."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from histotile.config import Train
from histotile.models.fold import FoldTiles, Machine
from histotile.models.optimisation import Batches, deal, plan
from histotile.tiles.augmentation import Augmentation, make_transform
from histotile.tiles.dataset import TileDataset
from histotile.tiles.selection import Selection

MEASURED = 500  # training tiles measured as they are after each round
PROBED = 2000  # training tiles that start the head and set the statistics of batch norm

Loader = DataLoader[tuple[torch.Tensor, int, int]]


class TileDataModule(pl.LightningDataModule):
    """Train tiles (augmented), val tiles and some train tiles as they are.

    A round (what Lightning calls an epoch) is every training tile as often as `plan.passes` says,
    whatever the augmentation. Order and random changes depend on the seed and the round alone (and
    on the number of workers), so that a training that was interrupted goes on as if it had not
    been.

    Args:
        fold: The tiles.
        settings: Section `train`.
        machine: Workers and memory.
    """

    def __init__(self, fold: FoldTiles, settings: Train, machine: Machine) -> None:
        super().__init__()
        self.settings = settings
        self.machine = machine
        self.plan = plan(math.ceil(len(fold.train) / machine.devices), settings)
        measured, probed = _some(fold.train, MEASURED), _some(fold.train, PROBED)
        tiles = len(fold.train) + len(fold.val) + len(measured) + len(probed)
        self._bytes_per_tile = machine.cache_bytes // tiles
        self._transform = make_transform(
            "train", settings.augment, fold.train.tile_px, settings.seed
        )
        self.train = TileDataset(fold.train, self._transform, self._cache(fold.train))
        self.val = self._as_is(fold.val, "val")
        self.measured = self._as_is(measured, "test")
        self.probed = self._as_is(probed, "test")

    def train_dataloader(self) -> Loader:
        """Augmented training tiles of the current round, in its order."""
        number = self.trainer.current_epoch if self.trainer is not None else 0
        seed = self.settings.seed * 100_003 + number
        if isinstance(self._transform, Augmentation):
            self._transform.reseed(seed)
        sampler = _Passes(self._sampler(self.train, shuffle=True), number, self.plan.passes)
        generator = torch.Generator().manual_seed(seed)  # of the workers' own streams
        return self._loader(self.train, sampler, self.plan.batches, generator)

    def val_dataloader(self) -> list[Loader]:
        """Val tiles, then some training tiles, both as they are."""
        return [
            self._loader(data, self._sampler(data, shuffle=False), self._whole)
            for data in (self.val, self.measured)
        ]

    def probe_dataloader(self) -> Loader:
        """Some training tiles as they are, for the linear probe that starts the head."""
        return self._loader(self.probed, None, self._whole)

    def mixed_dataloader(self) -> Loader:
        """The same tiles in random order: each batch is of many slides."""
        generator = torch.Generator().manual_seed(self.settings.seed)
        sampler = torch.utils.data.RandomSampler(self.probed, generator=generator)
        return self._loader(self.probed, sampler, deal(len(self.probed), self.settings.batch_size))

    @property
    def _whole(self) -> Batches:
        return Batches(self.settings.batch_size, drop_last=False)

    def _as_is(self, selection: Selection, role: Any) -> TileDataset:
        transform = make_transform(role, self.settings.augment, selection.tile_px, 0)
        return TileDataset(selection, transform, self._cache(selection))

    def _cache(self, selection: Selection) -> int:
        return self._bytes_per_tile * len(selection)

    def _sampler(self, data: TileDataset, shuffle: bool) -> DistributedSampler[Any]:
        devices = self.trainer.world_size if self.trainer is not None else 1
        rank = self.trainer.global_rank if self.trainer is not None else 0
        return DistributedSampler(data, devices, rank, shuffle, self.settings.seed)

    def _loader(
        self,
        data: TileDataset,
        sampler: Sampler[int] | None,
        batches: Batches,
        generator: torch.Generator | None = None,
    ) -> Loader:
        return DataLoader(
            data,
            batch_size=batches.size,
            drop_last=batches.drop_last,
            sampler=sampler,
            generator=generator,
            num_workers=self.machine.workers,
            pin_memory=torch.cuda.is_available(),
        )


class _Passes(Sampler[int]):
    """Several shuffles of the tiles, one after the other."""

    def __init__(self, shuffle: DistributedSampler[Any], number: int, passes: int) -> None:
        self.shuffle = shuffle
        self.epochs = range(number * passes, (number + 1) * passes)

    def __len__(self) -> int:
        return len(self.shuffle) * len(self.epochs)

    def __iter__(self) -> Iterator[int]:
        for epoch in self.epochs:
            self.shuffle.set_epoch(epoch)
            yield from self.shuffle


def _some(selection: Selection, most: int) -> Selection:
    """Evenly spaced tiles of a selection: every slide and class in proportion."""
    if len(selection) <= most:
        return selection
    rows = np.unique(np.linspace(0, len(selection) - 1, most).astype(np.int64))
    arrays = ["slide", "tile_id", "x", "y", "label"]
    if selection.files is not None:
        arrays.append("files")
    return replace(selection, **{name: getattr(selection, name)[rows] for name in arrays})
