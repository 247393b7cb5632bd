"""A pass over a slide decodes each compressed tile once, in bounded memory, with equal pixels."""

import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from histotile.config.yaml_file import read_config
from histotile.data import source as module
from histotile.data.prefetch import ReadAhead
from histotile.data.prefetch_reads import Reads, UsedTiles
from histotile.data.profiling.profiler import Profiler
from histotile.io import tables
from histotile.slides.inspection import examine
from histotile.slides.readers.tiff import reader as direct
from histotile.slides.readers.tiff.decoded_tile_cache import DecodedTiles
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import read_tile
from histotile.tasks.registry import make_task
from histotile.tiling import tile_table as tabulating
from histotile.tiling.measures import Readers
from histotile.tiling.truth import SlideTruth

SIDE = 256  # of compressed tiles
MakeScan = Callable[..., Path]


@pytest.fixture
def make_scan(tmp_path: Path) -> MakeScan:
    """Writes a JPEG slide of levels 1 and 4, (height, width), as scanners do; 0.5 um/px."""

    def write(name: str, height: int, width: int) -> Path:
        coarse = np.random.default_rng(0).integers(
            60, 240, (height // 16, width // 16, 3), np.uint8
        )
        path = tmp_path / f"{name}.svs"
        with tifffile.TiffWriter(path) as tiff:
            for factor in (1, 4):
                size = (width // factor, height // factor)
                tiff.write(
                    cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC),
                    tile=(SIDE, SIDE),
                    photometric="rgb",
                    compression="jpeg",
                    compressionargs={"level": 85},
                    metadata=None,
                    description=f"Aperio Image Library v12\r\n{size[0]}x{size[1]}|MPP = 0.5",
                    subfiletype=0 if factor == 1 else 1,
                )
        return path

    return write


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """How many compressed tiles the slides opened in the test have decoded since.

    What was not announced is not kept.
    """
    slides: list[tuple[Slide, int]] = []

    class Opener:
        @staticmethod
        def open(path: Path, *args: Any) -> Slide:
            slide = Slide.open(path, *args)
            for level in range(len(slide.level_sizes)):  # decodes a tile of each, to compare
                assert slide.settle(level), slide.reader_note
            slides.append((slide, slide.spent.decoded))
            return slide

    monkeypatch.setattr(direct, "DecodedTiles", partial(DecodedTiles, recent_bytes=0))
    for user in (module, tabulating):
        monkeypatch.setattr(user, "Slide", Opener)
    yield lambda: sum(slide.spent.decoded - before for slide, before in slides)


def write_tiles(slide: Path, x: Any, y: Any, tile_px: int, mpp: float) -> Path:
    n = len(x)
    columns: dict[str, Any] = {name: [None] * n for name in tables.TILES.names}
    columns |= {"tile_id": np.arange(n), "x": x, "y": y}
    footer = {"slide_id": slide.stem, "path": str(slide), "mpp": 0.5, "tile_mpp": mpp}
    path = slide.with_suffix(".parquet")
    tables.write_table(path, columns, tables.TILES, {**footer, "tile_px": tile_px})
    return path


def touched(x: Any, y: Any, side: float, downsample: int) -> set[tuple[int, int]]:
    """Columns and rows of the compressed tiles under tiles that begin at whole px of the level."""
    reach = int(np.ceil(side / downsample)) - 1
    return {
        (column, row)
        for left, top in zip((x // downsample).tolist(), (y // downsample).tolist(), strict=True)
        for column in range(left // SIDE, (left + reach) // SIDE + 1)
        for row in range(top // SIDE, (top + reach) // SIDE + 1)
    }


class AtOnce(ThreadPoolExecutor):
    """A thread that is quicker than whoever gives it work."""

    def submit(self, *given: Any, **named: Any) -> Any:
        task = super().submit(*given, **named)
        wait([task])
        return task


def test_what_opening_costs_is_counted_however_quick_it_is(make_scan: MakeScan) -> None:
    path = make_scan("s", 600, 600)
    at = np.zeros(1, np.int32)
    tiles = UsedTiles.of(write_tiles(path, at, at, 256, 0.5), None)
    profiler = Profiler(1)
    with AtOnce(1) as pool:
        reads = Reads(tiles, pool, 10, 1)
        batch = reads.submit()
        assert batch is not None
        alone = batch.tasks[0].result()[1]  # seconds of reading alone
        reads.finish(batch, profiler)
        reads.close()
    assert profiler.busy_s > alone


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(
    ("tile_px", "stride", "mpp", "downsample"),
    [
        pytest.param(224, 224, 0.5, 1, id="another grid"),
        pytest.param(256, 256, 0.5, 1, id="the grid of the slide"),
        pytest.param(224, 100, 0.5, 1, id="overlap"),
        pytest.param(160, 300, 0.8, 1, id="resampled"),
        pytest.param(112, 448, 2.0, 4, id="another level"),
    ],
)
def test_each_compressed_tile_is_decoded_once(
    make_scan: MakeScan,
    decoded: Callable[[], int],
    tile_px: int,
    stride: int,
    mpp: float,
    downsample: int,
    threads: int,
) -> None:
    path = make_scan("s", 1900, 2600)
    side = tile_px * mpp / 0.5
    y, x = (a.ravel() for a in np.mgrid[0 : 1900 - side : stride, 0 : 2600 - side : stride])
    kept = np.random.default_rng(1).random(len(x)) < 0.7  # as a tissue mask does
    x, y = (a[kept].astype(np.int32) for a in (x, y))
    reader = ReadAhead(write_tiles(path, x, y, tile_px, mpp), 10, threads)
    pixels = {int(i): rgb for ids, batch in reader for i, rgb in zip(ids, batch, strict=True)}
    assert len(pixels) == len(x)
    assert decoded() == len(touched(x, y, side, downsample))
    assert reader.profiler.reader == "direct"
    assert 0 < reader.profiler.decoding_s <= reader.profiler.busy_s
    with Slide.open(path, 0.5, "openslide") as slide:
        for tile in range(0, len(x), 7):
            own = read_tile(slide, int(x[tile]), int(y[tile]), mpp, tile_px)
            np.testing.assert_array_equal(pixels[tile], own)


def test_tile_tables_decode_each_compressed_tile_once(
    make_scan: MakeScan, decoded: Callable[[], int], repository: Path
) -> None:
    settings = read_config(repository / "config" / "config.yaml")
    path = make_scan("s", 1900, 2600)
    found = examine(path, "s", settings.inspect)
    truth, tile = (
        SlideTruth("s", make_task(("a",))),
        settings.tile.model_copy(update={"mpp": 0.5, "tile_px": 224, "stride_px": 224}),
    )
    columns, _ = tabulating.tabulate(found, None, truth, tile, Readers(2))
    assert len(columns["x"]) == 8 * 11
    assert decoded() == len(touched(columns["x"], columns["y"], 224, 1))


def test_memory_does_not_grow_with_the_slide(make_scan: MakeScan) -> None:
    def peak(height: int) -> float:
        path = make_scan(f"s{height}", height, 1024)
        y, x = (a.ravel().astype(np.int32) for a in np.mgrid[0 : height - 224 : 112, 0:800:112])
        table = write_tiles(path, x, y, 224, 0.5)
        tracemalloc.start()
        for _ in ReadAhead(table, 8):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top / 1e6

    peak(512)
    assert peak(6144) < peak(1024) + 2
