"""What trains gets the same tiles by any number of workers, from slides or from packs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from histotile.config import Backbone, Pack, Train
from histotile.data.packs.pack_writer import pack_tiles
from histotile.data.profiling.training_profiler import TrainingProfiler
from histotile.errors import HistotileError
from histotile.tasks.registry import make_task
from histotile.training import dataloader as module
from histotile.training import datamodule
from histotile.training.dataloader import Feed
from histotile.training.datamodule import TileDataModule
from histotile.training.job import FoldSlide, FoldTiles, Machine, Run, gather_tiles
from histotile.training.optimizer import Batches
from histotile.training.train_fold import train_fold

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
Settings = Callable[..., Train]


@pytest.fixture
def tiles(fold: list[FoldSlide]) -> FoldTiles:
    return gather_tiles(fold, TASK, 16, 0)


@pytest.fixture
def packs(tmp_path: Path, fold: list[FoldSlide]) -> Path:
    folder = tmp_path / "pack"
    for slide in fold:
        settings = Pack(use="always", quality=0)
        pack_tiles(slide.tiles, folder / f"{slide.slide_id}.pack", settings)
    return folder


class Round:
    """A trainer in some round."""

    world_size, global_rank = 1, 0

    def __init__(self, number: int) -> None:
        self.current_epoch = number


def rounds(tiles: FoldTiles, settings: Train, machine: Machine, first: int = 0) -> list[Any]:
    """All that is fed in three rounds."""
    data = TileDataModule(tiles, settings, machine)
    found = []
    for number in range(first, 3):
        data.trainer = Round(number)  # type: ignore[assignment]
        found.append([[part.numpy() for part in batch] for batch in data.train_dataloader()])
        for feed in data.val_dataloader():
            found.append([[part.numpy() for part in batch] for batch in feed])
    data.teardown("fit")
    return found


def same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(
        len(x) == len(y) and all(np.array_equal(p, q) for p, q in zip(x, y, strict=True))
        for one, two in zip(a, b, strict=True)
        for x, y in zip(one, two, strict=True)
    )


def test_neither_workers_nor_packs_nor_memory_change_a_tile(
    tiles: FoldTiles, make_settings: Settings, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    alone = rounds(tiles, settings, Machine(workers=0))
    for machine, cache_bytes in (
        (Machine(workers=2), 2 << 30),
        (Machine(workers=3), 0),
        (Machine(workers=0, packs=packs), 2 << 30),
        (Machine(workers=2, packs=packs), 100 << 10),
    ):
        monkeypatch.setattr(datamodule, "_CACHE_BYTES", cache_bytes)
        assert same(rounds(tiles, settings, machine), alone)
    assert same(rounds(tiles, settings, Machine(workers=2), first=1), alone[3:])
    assert not same(alone[:1], alone[3:4])


def test_training_workers_live_through_all_rounds(
    tiles: FoldTiles, make_settings: Settings
) -> None:
    data = TileDataModule(tiles, make_settings(), Machine(workers=2))
    pids = []
    for number in range(3):
        data.trainer = Round(number)  # type: ignore[assignment]
        feed = data.train_dataloader()
        assert len(list(feed)) == len(feed)
        iterator: Any = feed._loader._iterator
        pids.append({worker.pid for worker in iterator._workers})
    assert pids[0] == pids[1] == pids[2]
    assert len(pids[0]) == 2


def test_tiles_in_memory_need_no_workers(
    tiles: FoldTiles, make_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = TileDataModule(tiles, make_settings(), Machine(workers=2))
    list(data.val_dataloader()[0])
    assert data.val.kept
    monkeypatch.setattr(torch.utils.data.dataloader, "_MultiProcessingDataLoaderIter", None)
    assert sum(len(labels) for _, labels, _ in data.val_dataloader()[0]) == len(tiles.val)


def test_prefetched_batches_are_bounded(
    tiles: FoldTiles, make_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = 10 * 64 * 64 * 3

    def ahead(shareable: int, limit: int) -> tuple[int, Any]:
        monkeypatch.setattr(module, "_shareable_bytes", lambda: shareable)
        monkeypatch.setattr(module, "_PREFETCHED_BYTES", limit)
        data = TileDataModule(tiles, make_settings(), Machine(workers=6))
        loader = Feed(data.val, None, Batches(10, False), 6, Machine().profiler)._loader
        return loader.num_workers, loader.prefetch_factor

    assert ahead(100 * batch, 100 * batch) == (6, 4)
    assert ahead(100 * batch, 14 * batch) == (6, 2)
    assert ahead(100 * batch, batch) == (6, 1)
    assert ahead(13 * batch, 100 * batch) == (6, 2)
    assert ahead(2 * batch, 100 * batch) == (2, 1)
    assert ahead(0, 100 * batch) == (0, None)


def test_what_follows_the_last_batch_is_no_computing(
    tiles: FoldTiles, make_settings: Settings
) -> None:
    now = [0.0]
    profiler = TrainingProfiler(clock=lambda: now[0])
    data = TileDataModule(tiles, make_settings(), Machine(workers=0, profiler=profiler))
    for _ in data.probe_dataloader():
        now[0] += 1.0
    steps, now[0] = now[0], 100.0  # the head is fitted
    profiler.turn("waiting")
    assert profiler.computing_s == steps > 0


def test_workers_by_default_only_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert Machine(threads=8).loading() == 0
    assert Machine(threads=8, workers=3).loading() == 3
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert Machine(threads=8).loading() == 7
    assert Machine(devices=2, threads=8).loading() == 3
    assert Machine(threads=1).loading() == 1
    assert Machine(threads=8, workers=0).loading() == 0


@pytest.mark.slow
def test_weights_are_the_same_by_workers_and_from_packs(
    tmp_path: Path,
    fold: list[FoldSlide],
    make_settings: Settings,
    tiny_backbone: Backbone,
    packs: Path,
) -> None:
    settings = make_settings(strategy="finetune", epochs=2)
    machines = [Machine(workers=0), Machine(workers=2), Machine(workers=1, packs=packs)]
    summaries = [
        train_fold(tmp_path / f"f{n}", fold, TASK, tiny_backbone, settings, Run(machine))
        for n, machine in enumerate(machines)
    ]
    assert len({summary["model_id"] for summary in summaries}) == 1
    assert len({(tmp_path / f"f{n}" / "model.ckpt").read_bytes() for n in range(3)}) == 1
    assert len({(tmp_path / f"f{n}" / "curves.csv").read_bytes() for n in range(3)}) == 1
    assert [summary["packs"] for summary in summaries] == [False, False, True]
    for n, readers in enumerate((1, 2, 1)):
        profiler = json.loads((tmp_path / f"f{n}" / "summary.json").read_text())["profiler"]
        # thrice what is measured, two epochs of training; random weights start no head
        assert profiler["tiles"] == 3 * (64 + 160) + 2 * 160
        assert profiler["readers"] == readers
        assert profiler["tiles_per_s"] > 0
        shares = [profiler[f"{name}_share"] for name in ("computing", "waiting", "other")]
        assert sum(shares) == pytest.approx(1, abs=1e-3)
        assert profiler["augmenting_share"] > 0


def test_packs_of_other_tiles_stop_a_training(
    tmp_path: Path,
    fold: list[FoldSlide],
    make_settings: Settings,
    tiny_backbone: Backbone,
    packs: Path,
) -> None:
    (packs / "s2.pack").write_bytes((packs / "s3.pack").read_bytes())
    with pytest.raises(HistotileError, match=r"s2.pack: was made of other tiles: slide_id is s3"):
        train_fold(
            tmp_path / "f",
            fold,
            TASK,
            tiny_backbone,
            make_settings(strategy="finetune"),
            Run(Machine(packs=packs)),
        )


@pytest.mark.timeout(60)
def test_workers_begin_after_opencv_has_started_threads(
    tiles: FoldTiles, make_settings: Settings
) -> None:
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 5)
    fed = rounds(tiles, make_settings(), Machine(workers=2), first=2)
    assert same(fed, rounds(tiles, make_settings(), Machine(workers=0), first=2))
