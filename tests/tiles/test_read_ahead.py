"""Reading ahead: the table's order, exact pixels, bounded memory, damage reported."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from histotile.slides.pixels import UnreadableTile, read_tile
from histotile.slides.slide import Slide
from histotile.tiles import source as module
from histotile.tiles.read_ahead import ReadAhead


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
    assert 0.5 * elapsed < hungry.waiting_s <= elapsed
    fed = ReadAhead(make_table(make_slide("s")), 24, threads=2)
    for _ in fed:
        time.sleep(0.4)
    assert fed.waiting_s < 0.6 * hungry.waiting_s
