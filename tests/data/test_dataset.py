"""Training tiles: the pixels of read_tile, from few open slides, whatever is damaged."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from torch.utils.data import DataLoader

from histotile.config import Augment
from histotile.data import source
from histotile.data.augmentation.augmentation import make_transform, unchanged
from histotile.data.dataset import TileDataset
from histotile.data.selection import Selection, select_tiles
from histotile.data.slide_pool import SlidePool
from histotile.errors import HistotileError
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tile_reader import read_tile
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
STRONG = Augment(
    orientation="d4",
    resized_crop="medium",
    perspective="off",
    colour="medium",
    stain="medium",
    erasing="off",
)


@pytest.fixture
def selection(make_slide: Any, make_table: Any) -> Selection:
    labels = ["healthy"] * 48 + ["tumour"] * 48
    tables = {n: make_table(make_slide(n, seed=s), labels) for s, n in enumerate("abc")}
    return select_tiles(tables, ["a", "b", "c"], TASK, 12, 0)


@cache
def whole(path: Path) -> np.ndarray:
    return np.asarray(tifffile.imread(path))


def expected(selection: Selection, tile: int) -> np.ndarray:
    """The tile cut from the file, without the project's own reader: it is at the file's scale."""
    x, y = int(selection.x[tile]), int(selection.y[tile])
    return whole(selection.paths[selection.slide[tile]])[y : y + 64, x : x + 64]


def test_gives_the_pixels_of_read_tile(selection: Selection) -> None:
    tiles = TileDataset(selection, unchanged)
    assert len(tiles) == 72
    for number in (0, 30, 71, 5):
        pixels, label, tile = tiles[number]
        assert (label, tile) == (int(selection.label[number]), number)
        assert pixels.dtype == torch.uint8
        np.testing.assert_array_equal(pixels.permute(1, 2, 0), expected(selection, number))


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_the_same_tiles(selection: Selection, workers: int) -> None:
    tiles = TileDataset(selection, unchanged, cache_bytes=30 * 13_000)
    loader = DataLoader(tiles, batch_size=7, num_workers=workers)
    for _ in range(2):
        for pixels, labels, numbers in loader:
            for rgb, label, number in zip(pixels, labels, numbers, strict=True):
                assert label == selection.label[number]
                np.testing.assert_array_equal(
                    rgb.permute(1, 2, 0), expected(selection, int(number))
                )


def test_opens_few_slides_at_once(make_slide: Any, make_table: Any) -> None:
    tables = {f"s{n}": make_table(make_slide(f"s{n}"), ["healthy"] * 96) for n in range(6)}
    selection = select_tiles(tables, sorted(tables), TASK, 2, 0)
    pool = SlidePool(2)
    one, other = (TileDataset(selection, unchanged, pool=pool) for _ in range(2))
    for number in range(len(one)):
        assert one[number][2] == number
        opened = pool.get(selection.paths[selection.slide[number]], 0.5)
        assert other[number][2] == number
        assert pool.get(opened.path, 0.5) is opened
        assert len(pool) <= 2


def test_cached_tiles_are_read_once(selection: Selection, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []

    def counted(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        reads.append(x)
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", counted)
    tiles = TileDataset(selection, unchanged, cache_bytes=50 * (64 * 64 * 3 + 1))
    for _ in range(3):
        for number in range(72):
            np.testing.assert_array_equal(
                tiles[number][0].permute(1, 2, 0), expected(selection, number)
            )
    assert len(reads) == 72 + 2 * 22


def test_only_training_tiles_are_changed(selection: Selection) -> None:
    for role in ("val", "test"):
        tiles = TileDataset(selection, make_transform(role, STRONG, 64, 0))
        np.testing.assert_array_equal(tiles[3][0].permute(1, 2, 0), expected(selection, 3))
    train = TileDataset(selection, make_transform("train", STRONG, 64, 0))
    assert (train[3][0].permute(1, 2, 0).numpy() != expected(selection, 3)).any()


def test_a_number_is_changed_alike_by_any_worker_in_any_order(selection: Selection) -> None:
    numbers = [5, 70, 3, 5 + 72, 5 + 2 * 72, 5 + 100 * 72, 40 + 72]

    def drawn(seed: int, workers: int, order: list[int]) -> dict[int, bytes]:
        tiles = TileDataset(selection, make_transform("train", STRONG, 64, 0), seed=seed)
        loader = DataLoader(tiles, batch_size=2, num_workers=workers, sampler=order)
        found = [pixels for batch, _, _ in loader for pixels in batch]
        return {n: pixels.numpy().tobytes() for n, pixels in zip(order, found, strict=True)}

    first = drawn(1, 0, numbers)
    assert len(set(first.values())) == len(numbers), "a change came twice"
    assert drawn(1, 2, numbers) == drawn(1, 1, numbers[::-1]) == first
    assert not set(drawn(2, 0, numbers).values()) & set(first.values())
    assert TileDataset(selection, unchanged)[5 + 2 * 72][1:] == (int(selection.label[5]), 5)


def test_all_that_readers_spend_is_counted(selection: Selection) -> None:
    for workers in (0, 2):
        tiles = TileDataset(selection, make_transform("train", STRONG, 64, 0))
        assert tiles.stats.busy_s == 0
        assert sum(len(labels) for _, labels, _ in DataLoader(tiles, 8, num_workers=workers)) == 72
        spent = tiles.stats
        assert spent.busy_s > spent.augmenting_s > 0
        assert spent.decoding_s > 0
        assert spent.busy_s >= spent.reading_s + spent.decoding_s + spent.augmenting_s


def test_knows_when_all_tiles_are_kept(selection: Selection) -> None:
    tiles = TileDataset(selection, unchanged, cache_bytes=1 << 20)
    for number in range(72):
        assert not tiles.kept
        tiles[number]
    assert tiles.kept
    assert not TileDataset(selection, unchanged).kept
    small = TileDataset(selection, unchanged, cache_bytes=50_000)
    for number in range(72):
        small[number]
    assert not small.kept


class Damage:
    """read_tile of a slide on which some places are damaged."""

    def __init__(self, broken: set[tuple[str, int, int]]) -> None:
        self.broken = broken
        self.refused = 0

    def __call__(self, slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        if (slide.path.stem, x, y) in self.broken:
            self.refused += 1
            raise UnreadableTile(f"{slide.path}: {x}, {y}")
        return read_tile(slide, x, y, mpp, tile_px)


def place(selection: Selection, tile: int) -> tuple[str, int, int]:
    slide = selection.slide_ids[selection.slide[tile]]
    return slide, int(selection.x[tile]), int(selection.y[tile])


def test_damaged_tile_is_replaced_by_one_alike(
    selection: Selection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    damage = Damage({place(selection, 30), place(selection, 31)})
    monkeypatch.setattr(source, "read_tile", damage)
    tiles = TileDataset(selection, unchanged)
    for _ in range(2):
        pixels, label, tile = tiles[30]
        assert tile == 32
        assert selection.slide[tile] == selection.slide[30]
        assert label == selection.label[30]
        np.testing.assert_array_equal(pixels.permute(1, 2, 0), expected(selection, 32))
    assert tiles.damaged == {30, 31}
    assert damage.refused == 2, "a damaged place is asked for once"
    assert len(caplog.records) == 2


def test_slide_without_a_readable_tile_of_a_class_is_named(
    selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {place(selection, n) for n in range(72) if selection.label[n] == 1}
    monkeypatch.setattr(source, "read_tile", Damage(broken))
    tiles = TileDataset(selection, unchanged)
    tumour = int(np.flatnonzero(selection.label == 1)[0])
    with pytest.raises(HistotileError, match=r"a.tiff: none of its 12 tiles of class 'tumour'"):
        tiles[tumour]


def test_reads_real_slides(shared_data: Path, make_table: Any) -> None:
    path = shared_data / "slides" / "CMU-1-Small-Region.svs"
    table = make_table(path, ["tumour"] * 96, mpp=0.499, tile_mpp=1.0)
    tiles = TileDataset(select_tiles({"s": table}, ["s"], TASK, 5, 0), unchanged)
    with Slide.open(path, 0.499) as slide:
        x, y = int(tiles.selection.x[3]), int(tiles.selection.y[3])
        np.testing.assert_array_equal(tiles[3][0].permute(1, 2, 0), read_tile(slide, x, y, 1.0, 64))
