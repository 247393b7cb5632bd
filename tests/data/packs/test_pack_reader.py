"""Training from packs: the same tiles as from slides, or a clear refusal."""

import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

from histotile.config import Pack
from histotile.data import source
from histotile.data.augmentation.augmentation import unchanged
from histotile.data.dataset import TileDataset
from histotile.data.packs import pack_reader as module
from histotile.data.packs.pack_reader import PackedTiles
from histotile.data.packs.pack_writer import pack_tiles
from histotile.data.selection import Selection, select_tiles
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.slides.slide import Slide, UnreadableTile
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
LABELS = ["healthy"] * 48 + ["tumour"] * 48
Tables = dict[str, Path]


@pytest.fixture
def tile_tables(make_slide: Callable[..., Path], make_table: Any) -> Tables:
    return {n: make_table(make_slide(n, seed=s), LABELS) for s, n in enumerate("abc")}


@pytest.fixture
def selection(tile_tables: Tables) -> Selection:
    return select_tiles(tile_tables, ["a", "b", "c"], TASK, 12, 0)


@pytest.fixture
def packs(tmp_path: Path, tile_tables: Tables) -> Path:
    folder = tmp_path / "pack"
    for name, table in tile_tables.items():
        pack_tiles(table, folder / f"{name}.pack", Pack(use="always", quality=0))
    return folder


def all_tiles(data: TileDataset, workers: int = 0) -> np.ndarray:
    return np.concatenate([t.numpy() for t, _, _ in DataLoader(data, 8, num_workers=workers)])


@pytest.mark.parametrize("workers", [0, 2])
def test_no_slide_is_opened_and_the_tiles_are_the_same(
    selection: Selection, packs: Path, workers: int
) -> None:
    whole = all_tiles(TileDataset(selection, unchanged))
    for path in selection.paths:
        path.unlink()
    tiles = TileDataset(selection, unchanged, packs=packs)
    np.testing.assert_array_equal(all_tiles(tiles, workers), whole)
    assert tiles.stats.busy_s > tiles.stats.decoding_s > 0
    assert tiles.stats.reading_s > 0


def test_slides_that_are_not_packed_are_read(
    selection: Selection, packs: Path, tile_tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = all_tiles(TileDataset(selection, unchanged))
    from histotile.data.packs import pack_writer

    with monkeypatch.context() as slow:
        slow.setattr(pack_writer, "PAYS", 1e9)
        pack_tiles(tile_tables["b"], packs / "b.pack", Pack(use="auto", quality=0))
    tiles = TileDataset(selection, unchanged, packs=packs)
    held = [PackedTiles(selection, packs).holds(n) for n in range(72)]
    assert held == (selection.slide != 1).tolist()
    np.testing.assert_array_equal(all_tiles(tiles), whole)
    assert len(tiles._pool) == 1


def test_few_files_are_open_and_threads_and_forks_share_them(
    selection: Selection, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OPEN_FILES", 2)
    whole = all_tiles(TileDataset(selection, unchanged)).transpose(0, 2, 3, 1)
    packed = PackedTiles(selection, packs)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(72), 5)).tolist()
    with ThreadPoolExecutor(4) as pool:
        for tile, rgb in zip(order, pool.map(packed.read, order), strict=True):
            np.testing.assert_array_equal(rgb, whole[tile])
    assert len(packed._files) == 2
    assert packed.spent[2] == len(order)
    child = os.fork()
    if child == 0:
        os._exit(0 if all(np.array_equal(packed.read(n), whole[n]) for n in order) else 1)
    for tile in order:
        np.testing.assert_array_equal(packed.read(tile), whole[tile])
    assert os.waitpid(child, 0)[1] == 0
    copy = pickle.loads(pickle.dumps(packed))
    np.testing.assert_array_equal(copy.read(71), whole[71])


def test_files_are_given_back(selection: Selection, packs: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are counted in /proc")
    before = open_files()
    packed = PackedTiles(selection, packs)
    for tile in (0, 30, 71):
        packed.read(tile)
    assert open_files() == before + 3
    del packed
    assert open_files() == before


def test_damaged_tiles_are_replaced_as_from_the_slide(
    selection: Selection, tile_tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histotile.slides.tile_reader import read_tile as read

    spot = int(selection.x[30]), int(selection.y[30])

    def damaged(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        if slide.path.stem == "b" and (x, y) == spot:
            raise UnreadableTile("here")
        return read(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(source, "read_tile", damaged)
    for name, table in tile_tables.items():
        pack_tiles(table, tmp_path / "p" / f"{name}.pack", Pack(use="always", quality=0))
    from_slide = TileDataset(selection, unchanged)
    from_pack = TileDataset(selection, unchanged, packs=tmp_path / "p")
    assert from_slide[30][2] == from_pack[30][2] == 31
    np.testing.assert_array_equal(all_tiles(from_slide), all_tiles(from_pack))


@pytest.mark.parametrize(
    ("footer", "message"),
    [
        ({"tile_mpp": 1.0}, r"b.pack: was made of other tiles: tile_mpp is 0.5 there, 1.0 in"),
        ({"mpp": 0.25}, "mpp is 0.5 there, 0.25 in the table"),
        ({"tile_px": 32}, "tile_px is 64 there, 32"),
        ({"path": "elsewhere.tiff"}, r"path is .*b.tiff there, elsewhere.tiff in"),
    ],
)
def test_packs_of_other_tables_are_refused(
    packs: Path, tile_tables: Tables, footer: dict[str, Any], message: str
) -> None:
    table = tile_tables["b"]
    rows, facts = tables.read_table(table), tables.read_footer(table)
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    tables.write_table(table, columns, tables.TILES, facts | footer)
    changed = select_tiles(tile_tables, ["b"], TASK, 12, 0)
    with pytest.raises(HistotileError, match=message):
        TileDataset(changed, unchanged, packs=packs)


def test_packs_that_lack_tiles_are_refused(
    packs: Path, tile_tables: Tables, make_table: Any, selection: Selection
) -> None:
    fewer = make_table(selection.paths[1], ["tumour"] * 50 + [None] * 46)
    pack_tiles(fewer, packs / "b.pack", Pack(use="always", quality=0))
    with pytest.raises(HistotileError, match=r"lacks \d+ of 24, tile \d+ first"):
        TileDataset(selection, unchanged, packs=packs)
    (packs / "b.pack").unlink()
    with pytest.raises(HistotileError, match=r"b.pack: cannot be read[^$]*histotile pack"):
        TileDataset(selection, unchanged, packs=packs)


def test_tiles_at_other_places_are_refused(packs: Path, tile_tables: Tables) -> None:
    table = tile_tables["b"]
    rows, facts = tables.read_table(table), tables.read_footer(table)
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    columns["x"] = [x + 1 for x in columns["x"]]
    tables.write_table(table, columns, tables.TILES, facts)
    with pytest.raises(HistotileError, match="lacks 24 of 24"):
        PackedTiles(select_tiles(tile_tables, ["b"], TASK, 12, 0), packs)
