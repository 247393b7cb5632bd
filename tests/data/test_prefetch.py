"""Reading ahead: the table's order, exact pixels, bounded memory, damage reported."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.data import source as module
from histotile.data.prefetch import ReadAhead
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tile_reader import read_tile


def collect(batches: ReadAhead) -> tuple[list[int], np.ndarray]:
    parts = list(batches)
    return [int(t) for ids, _ in parts for t in ids], np.concatenate([rgb for _, rgb in parts])


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_order_and_pixels_do_not_depend_on_threads_or_batches(
    make_slide: Any, make_table: Any, threads: int, batch_size: int
) -> None:
    path = make_slide("s")
    batches = ReadAhead(make_table(path), batch_size, threads)
    tile_ids, pixels = collect(batches)
    assert tile_ids == list(range(96))
    assert len(batches) == 96
    with Slide.open(path, 0.5) as slide:
        for tile in (0, 1, 50, 95):
            x, y = int(batches.x[tile]), int(batches.y[tile])
            np.testing.assert_array_equal(pixels[tile], read_tile(slide, x, y, 0.5, 64))


def test_scale_comes_from_the_footer(make_slide: Any, make_table: Any) -> None:
    path = make_slide("s")
    _, pixels = collect(ReadAhead(make_table(path, tile_mpp=1.0, tile_px=32), 50))
    with Slide.open(path, 0.5) as slide:
        np.testing.assert_array_equal(pixels[14], read_tile(slide, 128, 64, 1.0, 32))


def test_excluded_tiles_are_left_out(make_slide: Any, make_table: Any) -> None:
    excluded = [None, "pen"] * 48
    batches = ReadAhead(make_table(make_slide("s"), None, excluded), 10)
    assert collect(batches)[0] == list(range(0, 96, 2))
    assert batches.x.tolist() == [n % 12 * 64 for n in range(0, 96, 2)]


def test_table_without_tiles_gives_no_batch_and_opens_no_slide(
    make_slide: Any, make_table: Any
) -> None:
    path = make_slide("s")
    table = make_table(path, None, ["pen"] * 96, mpp=None)
    path.unlink()
    assert list(ReadAhead(table, 10)) == []


def test_damaged_tiles_are_left_out_and_reported(
    make_slide: Any, make_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        if y == 64 or (x, y) == (0, 128):
            raise UnreadableTile("damaged")
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(module, "read_tile", damaged)
    path = make_slide("s")
    batches = ReadAhead(make_table(path), 6)
    tile_ids, pixels = collect(batches)
    assert batches.unreadable == list(range(12, 25))
    assert tile_ids == [*range(12), *range(25, 96)]
    with Slide.open(path, 0.5) as slide:
        np.testing.assert_array_equal(pixels[12], read_tile(slide, 64, 128, 0.5, 64))


def test_other_errors_reach_the_consumer(
    make_slide: Any, make_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> np.ndarray:
        raise MemoryError("no more")

    monkeypatch.setattr(module, "read_tile", broken)
    with pytest.raises(MemoryError, match="no more"):
        list(ReadAhead(make_table(make_slide("s")), 6))


def test_reads_ahead_but_only_so_far(
    make_slide: Any, make_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, reads = threading.Lock(), []

    def counted(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        with lock:
            reads.append((x, y))
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(module, "read_tile", counted)
    batches = iter(ReadAhead(make_table(make_slide("s")), 8, threads=2, ahead=2))
    for expected in (24, 32):  # one batch in use and two read in advance; then one more
        next(batches)
        patience = time.monotonic() + 20
        while len(reads) < expected and time.monotonic() < patience:
            time.sleep(0.01)
        time.sleep(0.1)
        assert len(reads) == expected
    before = threading.active_count()
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() < before
    assert len(reads) == 32


def test_waiting_is_measured(
    make_slide: Any, make_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any) -> np.ndarray:
        time.sleep(0.02)
        return np.zeros((64, 64, 3), np.uint8)

    monkeypatch.setattr(module, "read_tile", slow)
    hungry = ReadAhead(make_table(make_slide("s")), 24, threads=2)
    start = time.perf_counter()
    list(hungry)
    elapsed = time.perf_counter() - start
    assert 0.5 * elapsed < hungry.profiler.waiting_s <= elapsed
    fed = ReadAhead(make_table(make_slide("s")), 24, threads=2)
    for _ in fed:
        time.sleep(0.4)
    assert fed.profiler.waiting_s < 0.6 * hungry.profiler.waiting_s


def test_pace_parts_the_time_of_the_pass(
    make_slide: Any, make_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = ReadAhead(make_table(make_slide("s")), 24, threads=2)
    for _ in reader:
        with reader.profiler.computing():
            time.sleep(0.2)
    facts = reader.profiler.facts()
    assert facts["tiles"] == 96
    assert facts["bottleneck"] == reader.profiler.bottleneck == "network"
    assert facts["computing_share"] > 0.5
    assert 0.8 <= reader.profiler.computing_s < reader.profiler.seconds
    assert facts["reader"] == "openslide"
    assert 0 < reader.profiler.decoding_s <= reader.profiler.busy_s

    def slow(*_: Any) -> np.ndarray:
        time.sleep(0.01)
        return np.zeros((64, 64, 3), np.uint8)

    monkeypatch.setattr(module, "read_tile", slow)
    hungry = ReadAhead(make_table(make_slide("s")), 24)
    list(hungry)
    assert hungry.profiler.bottleneck == "resampling"  # neither the disk nor the decoder was busy
    assert hungry.profiler.busy_s >= 0.96


def test_tiles_of_another_order_are_read_row_by_row(make_slide: Any, make_table: Any) -> None:
    path = make_slide("s")
    table = make_table(path)
    usual = dict(zip(*collect(ReadAhead(table, 10)), strict=True))
    rows, footer = tables.read_table(table), tables.read_footer(table)
    mixed = rows.take(np.random.default_rng(0).permutation(96))
    columns = {name: mixed[name].to_pylist() for name in mixed.column_names}
    tables.write_table(table, columns, tables.TILES, footer)
    batches = ReadAhead(table, 7)
    tile_ids, pixels = collect(batches)
    assert tile_ids == batches.tile_ids.tolist() == list(range(96))
    assert batches.x.tolist() == rows["x"].to_pylist()
    for tile_id, rgb in zip(tile_ids, pixels, strict=True):
        np.testing.assert_array_equal(rgb, usual[tile_id])


@pytest.fixture
def many(make_slide: Any, make_table: Any) -> list[Path]:
    """Tables of five slides; the second has no tile."""
    excluded: list[Any] = [None] * 96
    return [
        make_table(make_slide(f"s{n}", seed=n), None, ["pen"] * 96 if n == 1 else excluded)
        for n in range(5)
    ]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the slides that are now open; at the end all must be closed."""
    names: list[str] = []

    def opening(path: Path, *args: Any) -> Slide:
        slide = Slide.open(path, *args)
        names.append(path.stem)
        close = slide.close

        def closing() -> None:
            names.remove(path.stem)
            close()

        monkeypatch.setattr(slide, "close", closing)
        return slide

    class Opener:
        open = staticmethod(opening)

    monkeypatch.setattr(module, "Slide", Opener)
    yield names
    assert names == []
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


@pytest.mark.parametrize("batch_size", [10, 200])
def test_several_slides_are_each_read_as_if_alone(
    many: list[Path], opened: list[str], batch_size: int
) -> None:
    alone = [list(ReadAhead(table, batch_size)) for table in many]
    assert opened == []
    seen = []
    for table, reader in zip(many, ReadAhead.over(many, batch_size, threads=3), strict=True):
        assert reader.table == table
        seen.append(list(reader))
        assert reader.profiler.tiles == len(reader)
        assert list(reader) == []  # each once
    assert [len(batches) for batches in seen] == [len(batches) for batches in alone]
    for expected, found in zip(alone, seen, strict=True):
        for (tile_ids, pixels), (found_ids, found_pixels) in zip(expected, found, strict=True):
            np.testing.assert_array_equal(tile_ids, found_ids)
            np.testing.assert_array_equal(pixels, found_pixels)


def test_the_next_slide_is_read_while_the_last_batch_of_this_one_is_in_use(
    many: list[Path], opened: list[str]
) -> None:
    readers = ReadAhead.over(many, 48, threads=2, ahead=2)
    for tile_ids, _ in next(readers):
        if tile_ids[-1] == 95:
            patience = time.monotonic() + 20
            while "s2" not in opened and time.monotonic() < patience:
                time.sleep(0.01)
            assert sorted(opened) == ["s0", "s2"]  # s1 has no tile; s3 would be too far ahead
    readers.close()  # type: ignore[attr-defined]


def test_what_is_left_of_a_slide_is_not_read(many: list[Path], opened: list[str]) -> None:
    readers = ReadAhead.over(many, 8)
    first = next(readers)
    tile_ids, _ = next(iter(first))
    assert tile_ids.tolist() == list(range(8))
    later = [[int(i) for ids, _ in reader for i in ids] for reader in readers]
    assert later == [[], *[list(range(96))] * 3]
    assert first.profiler.tiles == 8


def test_an_interrupted_pass_closes_slides_and_ends_threads(
    many: list[Path], opened: list[str]
) -> None:
    readers = ReadAhead.over(many, 8)
    with pytest.raises(KeyboardInterrupt):
        for _ in next(readers):
            assert opened == ["s0"]
            raise KeyboardInterrupt
    readers.close()  # type: ignore[attr-defined]
    batches = iter(ReadAhead(many[0], 8))
    next(batches)
    assert opened == ["s0"]
    batches.close()  # type: ignore[attr-defined]


def test_a_slide_that_cannot_be_opened_spoils_no_other(many: list[Path], opened: list[str]) -> None:
    path = Path(tables.read_footer(many[2])["path"])
    path.write_bytes(b"")
    done = []
    with pytest.raises(HistotileError, match=path.name):
        for reader in ReadAhead.over(many, 40):
            for tile_ids, _ in reader:
                done += [(reader.table.stem, len(tile_ids))]
    assert done == [("s0", 40), ("s0", 40), ("s0", 16)]
