"""The direct reader shows what OpenSlide shows, and decodes no tile twice."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.slides.slide import Slide, UnreadableTile

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]

WIDTH, HEIGHT = 701, 533
KINDS: dict[str, dict[str, Any]] = {
    "plain.tif": {},
    "tables.svs": {"tables": True, "aperio": True, "tile_px": 240},
    "rgb.svs": {"photometric": "rgb", "tables": True, "aperio": True, "tile_px": 256},
    "rgb 444.tif": {"photometric": "rgb", "subsampling": "444"},
    "big 422.tif": {"subsampling": "422", "bigtiff": True, "tile_px": 512, "markers": True},
    "é😐.tif": {"subsampling": "444", "tables": True},
    "sparse.tif": {"missing": frozenset({(0, 3), (0, 40), (1, 0), (1, 17)})},
    "sparse.svs": {"missing": frozenset({(0, 3), (0, 40), (1, 17)}), "aperio": True},
}
JPEG_2000: dict[str, Any] = {"jpeg_2000": True, "photometric": "rgb"}


def picture(width: int, height: int, seed: int = 0) -> Rgb:
    """Coloured clouds with some noise, as JPEG takes well and bad."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3))
    clouds = coarse.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    return np.clip(clouds + rng.normal(0, 12, clouds.shape), 0, 255).astype(np.uint8)


def pyramid() -> list[Rgb]:
    """Levels whose sizes are no whole fractions of the first."""
    sizes = [(WIDTH, HEIGHT), (WIDTH // 2, HEIGHT // 2), (WIDTH // 7, HEIGHT // 7)]
    return [picture(*size, seed) for seed, size in enumerate(sizes)]


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, write_jpeg_slide: WriteSlide
) -> dict[str, tuple[Slide, Slide]]:
    """Slides of each kind, by the direct reader and by OpenSlide."""
    folder, found = tmp_path_factory.mktemp("kinds"), {}
    for name, how in KINDS.items():
        path = write_jpeg_slide(folder / name, pyramid(), **how)
        found[name] = Slide.open(path), Slide.open(path, reader="openslide")
    return found


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    level=st.integers(0, 2),
    x=st.integers(-300, WIDTH + 50),
    y=st.integers(-300, HEIGHT + 50),
    width=st.integers(1, 300),
    height=st.integers(1, 300),
)
def test_any_window_is_the_one_openslide_shows(
    both: dict[str, tuple[Slide, Slide]],
    kind: str,
    level: int,
    x: int,
    y: int,
    width: int,
    height: int,
) -> None:
    direct, openslide = both[kind]
    window = (x, y, level, width, height)
    np.testing.assert_array_equal(direct.read(*window), openslide.read(*window))
    assert direct.settle(level) is not None


def test_the_comparison_meets_whole_and_blended_windows(
    both: dict[str, tuple[Slide, Slide]],
) -> None:
    """No kind is left to OpenSlide as a whole, which would compare it with itself."""
    for kind, (direct, _) in both.items():
        reader = direct.settle(0)
        assert reader is not None, kind
        assert direct.openslide_downsamples[1] % 1
        assert reader.read(64, 64, 0, 64, 64) is not None
        for x, y in ((500, 301), (510, 301)):
            assert reader.read(x, y, 1, 40, 40) is not None, kind


@pytest.mark.parametrize(
    ("width", "missing"),
    [(5 * 64, 2), (5 * 64, 4), (5 * 64, 7), (10 * 64, 9), (10 * 64, 19), (10 * 64, 59)],
)
def test_what_lies_over_a_missing_tile_where_tiles_do_not_divide(
    tmp_path: Path, write_jpeg_slide: WriteSlide, width: int, missing: int
) -> None:
    """Of 5 tiles over 2 and of 10 over 3, OpenSlide takes others for missing than lie over it."""
    levels = [picture(width // scale, 384 // scale, scale) for scale in (1, 4)]
    gap = frozenset({(0, missing)})
    path = write_jpeg_slide(tmp_path / "a.svs", levels, aperio=True, missing=gap)
    with Slide.open(path) as direct, Slide.open(path, reader="openslide") as openslide:
        assert direct.settle(1) is not None
        for x, y in itertools.product(range(0, width, 128), range(0, 384, 128)):
            window = (x, y, 1, 32, 32)
            np.testing.assert_array_equal(direct.read(*window), openslide.read(*window))


def test_windows_beyond_openslides_own_pieces(tmp_path: Path, write_jpeg_slide: WriteSlide) -> None:
    levels = [picture(9_003, 40), picture(4_500, 20)]
    path = write_jpeg_slide(tmp_path / "wide.tif", levels)
    with Slide.open(path) as direct, Slide.open(path, reader="openslide") as openslide:
        for window in ((3, 3, 1, 4_300, 16), (-31, 0, 1, 4_500, 20), (5, 2, 0, 8_500, 30)):
            np.testing.assert_array_equal(direct.read(*window), openslide.read(*window))
        assert direct.settle(1) is not None


def test_a_pass_decodes_each_tile_once_and_keeps_none(both: dict[str, tuple[Slide, Slide]]) -> None:
    for level, kind in itertools.product((0, 1), ("plain.tif", "tables.svs")):
        with Slide.open(both[kind][0].path) as slide:
            step = 50 * round(slide.downsamples[level])
            corners = itertools.product(range(-20, WIDTH, step), range(-20, HEIGHT, step))
            windows = np.array([(x, y, 60, 60) for x, y in corners])
            slide.expect(level, windows)
            before = slide.spent.decoded
            for x, y, width, height in windows.tolist():
                slide.read(x, y, level, width, height)
            reader = slide.settle(level)
            assert reader is not None
            size, tile_px = slide.level_sizes[level], {"plain.tif": 64, "tables.svs": 240}[kind]
            tiles = -(-size[0] // tile_px) * -(-size[1] // tile_px)
            compared = 1  # the comparison before the first read may have left one
            assert tiles - compared <= slide.spent.decoded - before <= tiles
            assert reader._tiles._announced.bytes == 0
            assert not reader._tiles._uses[level].any()


def test_threads_share_what_they_decode(both: dict[str, tuple[Slide, Slide]]) -> None:
    direct, openslide = both["tables.svs"]
    with Slide.open(direct.path) as slide:
        windows = [(x, y, 100, 100) for y in range(0, 400, 30) for x in range(0, 600, 30)]
        slide.expect(0, np.array(windows))
        before = slide.spent.decoded
        with ThreadPoolExecutor(4) as pool:
            tiles = list(pool.map(lambda w: slide.read(w[0], w[1], 0, *w[2:]), windows))
        assert slide.spent.decoded - before == 3 * 3
        assert slide.spent.decoding_s > 0
    for (x, y, width, height), tile in list(zip(windows, tiles, strict=True))[::7]:
        np.testing.assert_array_equal(tile, openslide.read(x, y, 0, width, height))


def test_what_is_read_belongs_to_the_reader_of_it(both: dict[str, tuple[Slide, Slide]]) -> None:
    direct, openslide = both["plain.tif"]
    expected = openslide.read(64, 64, 0, 64, 64)
    with Slide.open(direct.path) as slide:
        slide.expect(0, np.array([(64, 64, 64, 64)] * 2 + [(60, 60, 64, 64)]))
        for window in ((64, 64, 0, 64, 64), (60, 60, 0, 64, 64), (64, 64, 0, 64, 64)) * 2:
            tile = slide.read(*window)
            tile[:] = 0
        np.testing.assert_array_equal(slide.read(64, 64, 0, 64, 64), expected)


@pytest.mark.parametrize("how", [{}, JPEG_2000], ids=["jpeg", "jpeg 2000"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_shows_as_by_openslide(
    data: st.DataObject,
    how: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    write_jpeg_slide: WriteSlide,
) -> None:
    """The same pixels, or UnreadableTile, whatever bytes of a tile are wrong.

    But sizes at the beginning of JPEG 2000: of tiles too small OpenSlide shows what memory held.
    """
    first = 51 if how else 0
    path = tmp_path_factory.mktemp("damage") / "a.svs"
    write_jpeg_slide(path, [picture(256, 256)], tile_px=128, aperio=True, **how)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        offset, count = page.dataoffsets[1], page.databytecounts[1]
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[offset + data.draw(st.integers(first, count - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with Slide.open(path) as direct, Slide.open(path, reader="openslide") as openslide:
        for window in ((128, 0, 0, 128, 128), (100, 20, 0, 128, 128), (0, 128, 0, 256, 100)):
            np.testing.assert_array_equal(outcome(direct, window), outcome(openslide, window))
        assert direct.settle(0) is not None


def outcome(slide: Slide, window: tuple[int, int, int, int, int]) -> Rgb:
    try:
        return slide.read(*window)
    except UnreadableTile:
        return np.zeros((0, 0, 3), np.uint8)


def test_jpeg_2000_in_aperio_files(tmp_path: Path, write_jpeg_slide: WriteSlide) -> None:
    levels = [picture(512, 300)]
    path = write_jpeg_slide(tmp_path / "a.svs", levels, tile_px=256, aperio=True, **JPEG_2000)
    with Slide.open(path) as direct, Slide.open(path, reader="openslide") as openslide:
        for window in ((0, 0, 0, 256, 256), (100, -20, 0, 300, 340)):
            np.testing.assert_array_equal(direct.read(*window), openslide.read(*window))
        assert direct.reader == "direct"


def test_real_slides_read_as_by_openslide(shared_data: Path) -> None:
    rng = np.random.default_rng(0)
    names = {
        "CMU-1-Small-Region.svs": "direct",
        "CMU-1-Small-Region-wrong-mpp.tiff": "direct",
        "TCGA-CR-7395-01A-01-TS1.svs": "direct",
        "osp_emoji😐.svs": "direct",
        "osp_boxes.tiff": "openslide",
        "slaid_patch.tif": "openslide",
    }
    for name, reader in names.items():
        path = shared_data / "slides" / name
        with Slide.open(path) as direct, Slide.open(path, reader="openslide") as openslide:
            for _ in range(12):
                level = int(rng.integers(len(direct.level_sizes)))
                x, y = rng.integers(-300, direct.width + 99), rng.integers(-300, direct.height + 99)
                window = (int(x), int(y), level, *map(int, rng.integers(1, 400, 2)))
                np.testing.assert_array_equal(direct.read(*window), openslide.read(*window))
            assert direct.reader == reader, name
            assert bool(direct.reader_note) == (reader == "openslide"), direct.reader_note
