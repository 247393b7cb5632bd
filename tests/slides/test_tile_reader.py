"""Tiles against pixels that are known."""

import itertools
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides import tile_reader
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tile_reader import best_level, expect_tiles, read_tile

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]
Places = Callable[[Rgb, str], NDArray[np.float64]]

# How exactly mean places follow from dithered grey values (level-0 px, by level). With OpenSlide's
# own downsamples level 2 would be wrong by 9 at the far edge.
PRECISION = (1.0, 2.6, 2.6)
WIDTH, HEIGHT = 1021, 903  # of `slides`


def noise(width: int, height: int) -> Rgb:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    x=st.integers(-100, 900),
    y=st.integers(-100, 800),
    slide_mpp=st.sampled_from([0.25, 0.2527, 0.499, 0.5]),
    mpp=st.sampled_from([0.5, 0.5054, 1.0, 1.0108, 2.0, 3.1, 8.0]),
    tile_px=st.sampled_from([33, 64, 100]),
    axis=st.sampled_from("xy"),
)
@example(x=-24, y=-8, slide_mpp=0.5, mpp=8.0, tile_px=64, axis="x")
@example(x=-3, y=-40, slide_mpp=0.5, mpp=8.0, tile_px=64, axis="y")
def test_a_tile_shows_the_square_it_is_asked_for(
    slides: dict[tuple[str, bool], Path],
    places: Places,
    x: int,
    y: int,
    slide_mpp: float,
    mpp: float,
    tile_px: int,
    axis: str,
) -> None:
    downsample = mpp / slide_mpp
    with Slide.open(slides[axis, True], slide_mpp) as slide:
        level = best_level(slide, downsample)
        tile = read_tile(slide, x, y, mpp, tile_px)
    assert tile.shape == (tile_px, tile_px, 3)
    centres = (np.arange(tile_px) + 0.5) * downsample
    end = 4 * slide.downsamples[level]  # where OpenSlide fades into the white outside
    inner = (np.arange(tile_px) >= 3) & (np.arange(tile_px) < tile_px - 3)  # the filter's edge
    columns = inner & (x + centres > end) & (x + centres < WIDTH - end)
    rows = inner & (y + centres > end) & (y + centres < HEIGHT - end)
    if columns.sum() > 25 and rows.sum() > 25:
        first, used = (x, columns) if axis == "x" else (y, rows)
        error = places(tile[rows][:, columns], axis) - first - centres[used]
        assert abs(error.mean()) < PRECISION[level]


@pytest.mark.parametrize(
    ("slide_mpp", "mpp", "level"),
    [
        (0.25, 0.5, 0),
        (0.2527, 0.5, 0),
        (0.5, 1.0, 0),
        (0.25, 1.0, 1),
        (0.25, 0.9999, 1),
        (0.5, 40.0, 2),
    ],
)
def test_the_coarsest_level_that_is_fine_enough_is_read(
    slides: dict[tuple[str, bool], Path], slide_mpp: float, mpp: float, level: int
) -> None:
    with Slide.open(slides["noise", True], slide_mpp) as slide:
        assert slide.downsamples == (1, 4, 16)
        assert best_level(slide, mpp / slide_mpp) == level


@settings(max_examples=40, deadline=None)
@given(
    x=st.integers(-70, WIDTH + 10),
    y=st.integers(-70, HEIGHT + 10),
    tile_px=st.sampled_from([16, 64]),
)
def test_at_level_0_the_pixels_are_the_files_own_and_outside_is_white(
    slides: dict[tuple[str, bool], Path], x: int, y: int, tile_px: int
) -> None:
    padded = np.full((HEIGHT + 200, WIDTH + 200, 3), 255, np.uint8)
    padded[100:-100, 100:-100] = noise(WIDTH, HEIGHT)
    expected = padded[y + 100 : y + 100 + tile_px, x + 100 : x + 100 + tile_px]
    with Slide.open(slides["noise", False]) as slide:
        tile = read_tile(slide, x, y, 0.5, tile_px)
    assert tile.dtype == np.uint8
    assert tile.flags.writeable
    np.testing.assert_array_equal(tile[: expected.shape[0], : expected.shape[1]], expected)


@settings(max_examples=40, deadline=None)
@given(x=st.integers(0, 700), y=st.integers(0, 600), mpp=st.sampled_from([0.5, 0.6, 0.75, 0.99]))
def test_between_levels_the_pixels_are_pils_antialiased_bilinear(
    slides: dict[tuple[str, bool], Path], x: int, y: int, mpp: float
) -> None:
    side = 64 * mpp / 0.2527
    with Slide.open(slides["noise", True], 0.2527) as slide:
        tile = read_tile(slide, x, y, mpp, 64)
    covered = Image.fromarray(noise(WIDTH, HEIGHT)).crop(
        (x, y, x + int(np.ceil(side)), y + int(np.ceil(side)))
    )
    expected = covered.resize((64, 64), Image.Resampling.BILINEAR, box=(0, 0, side, side))
    np.testing.assert_array_equal(tile, np.asarray(expected))


def test_on_whole_px_of_a_higher_level_the_pixels_are_nearly_the_files_own(
    slides: dict[tuple[str, bool], Path],
) -> None:
    level = tifffile.imread(slides["noise", False], key=1).astype(float)
    with Slide.open(slides["noise", False], 0.25) as slide:
        near = read_tile(slide, 0, 0, 1.0, 64)
        far = read_tile(slide, 4 * 180, 4 * 150, 1.0, 64).astype(float)
    np.testing.assert_array_equal(near, level[:64, :64])
    shown, own = far.ravel(), level[150:214, 180:244].ravel()
    assert np.corrcoef(shown, own)[0, 1] > 0.97  # OpenSlide blends neighbours by at most 1/8 px
    one_off = level[150:214, 181:245].ravel()
    assert abs(np.corrcoef(shown, one_off)[0, 1]) < 0.4


@pytest.mark.parametrize("factor", [1, 4, 16])
def test_every_level_of_a_leica_slide_lies_on_level_0(
    leica: tuple[Path, Rgb, tuple[int, int]], factor: int
) -> None:
    path, rgb, (left, top) = leica
    level = rgb[::factor, ::factor]
    padded = np.pad(level, ((32, 32), (32, 32), (0, 0)), constant_values=255)
    with Slide.open(path) as slide:
        assert tuple(slide.bounds) == (left, top, 1024, 768)
        assert any(d % 1 for d in slide.openslide_downsamples)
        for column, row in [(0, 0), (7, 3), (19, 15), (-7, 5), (11, -9), (-12, -15)]:
            x, y = left + column * factor, top + row * factor
            tile = read_tile(slide, x, y, 0.5 * factor, 24)
            there = padded[row + 32 : row + 56, column + 32 : column + 56]
            np.testing.assert_array_equal(tile, there)


class _Spy(Slide):
    """A slide that writes down what is announced and what is read."""

    announced: list[tuple[int, ...]]
    reads: list[tuple[int, ...]]

    def expect(self, level: int, windows: NDArray[np.int64]) -> None:
        assert windows.dtype == np.int64
        self.announced = [(x, y, level, w, h) for x, y, w, h in windows.tolist()]

    def read(self, x: int, y: int, level: int, width: int, height: int) -> Rgb:
        self.reads.append((x, y, level, width, height))
        return super().read(x, y, level, width, height)


@settings(max_examples=60, deadline=None)
@given(
    corners=st.lists(st.tuples(st.integers(-90, 1100), st.integers(-90, 950)), max_size=12),
    slide_mpp=st.sampled_from([0.25, 0.2527, 0.5]),
    mpp=st.sampled_from([0.25, 0.5, 0.5054, 1.0, 1.0108, 2.0, 3.1, 8.0]),
    tile_px=st.sampled_from([33, 64]),
    kind=st.sampled_from(["aperio", "generic", "leica"]),
)
def test_what_a_pass_announces_is_what_its_tiles_read(
    slides: dict[tuple[str, bool], Path],
    a_leica_slide: Path,
    corners: list[tuple[int, int]],
    slide_mpp: float,
    mpp: float,
    tile_px: int,
    kind: str,
) -> None:
    path = a_leica_slide if kind == "leica" else slides["noise", kind == "aperio"]
    x, y = (np.array([c[axis] for c in corners], np.int32) for axis in (0, 1))
    with _Spy.open(path, slide_mpp) as slide:
        assert isinstance(slide, _Spy)
        slide.announced, slide.reads = [], []
        expect_tiles(slide, x, y, mpp, tile_px)
        for corner in corners:
            read_tile(slide, *corner, mpp, tile_px)
        assert slide.announced == slide.reads
        assert len(slide.reads) == len(corners)


def test_announcing_100_000_tiles_takes_no_time(
    tmp_path: Path, write_jpeg_slide: WriteSlide
) -> None:
    x, y = (np.ravel(axis) * 5 for axis in np.mgrid[:400, :250])
    path = write_jpeg_slide(tmp_path / "a.tif", [noise(2048, 1300), noise(512, 325)], tile_px=16)
    with Slide.open(path, 0.25) as slide:
        for level, mpp in ((0, 0.25), (0, 0.46), (1, 1.3)):
            assert slide.settle(level) is not None
            begin = time.thread_time()
            expect_tiles(slide, x, y, mpp, 256)
            assert time.thread_time() - begin < 1  # seconds; a loop over tiles would take longer


def test_the_first_tiles_and_later_ones_are_resampled_alike(
    slides: dict[tuple[str, bool], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    corners = [(x, y) for x in range(0, 1000, 171) for y in range(0, 900, 133)]
    scales = (0.2, 0.251, 0.4, 0.5, 0.83)
    shown = {}
    with Slide.open(slides["noise", True], 0.25) as slide:
        for done in (0, 10**6):
            monkeypatch.setattr(tile_reader, "_resamplings", itertools.count(done))
            shown[done] = [read_tile(slide, x, y, m, 64) for x, y in corners for m in scales]
    np.testing.assert_array_equal(shown[0], shown[10**6])


def test_threads_and_pickles_read_the_same(slides: dict[tuple[str, bool], Path]) -> None:
    corners = [(x, y) for x in range(0, 700, 97) for y in range(0, 600, 131)]
    with Slide.open(slides["noise", True], 0.25) as slide:
        alone = [read_tile(slide, x, y, 0.5, 64) for x, y in corners]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda p: read_tile(slide, p[0], p[1], 0.5, 64), corners))
        copy = pickle.loads(pickle.dumps(slide))
    with copy:
        assert copy.mpp == 0.25
        again = [read_tile(copy, x, y, 0.5, 64) for x, y in corners]
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(alone, again)


def test_a_damaged_tile_is_named_and_the_rest_still_reads(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    path = write_slide(tmp_path / "a.svs", noise(256, 256), aperio=True)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].dataoffsets[5]  # row 1, column 1 of 64 px tiles
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(data)
    with Slide.open(path) as slide:
        before = read_tile(slide, 128, 128, 0.5, 64)
        with pytest.raises(UnreadableTile, match="level 0, x 64, y 64"):
            read_tile(slide, 64, 64, 0.5, 64)
        np.testing.assert_array_equal(read_tile(slide, 128, 128, 0.5, 64), before)


def test_a_tile_needs_the_mpp(tmp_path: Path, write_slide: WriteSlide) -> None:
    path = write_slide(tmp_path / "a.tif", noise(64, 64), mpp=None)
    with Slide.open(path) as slide, pytest.raises(HistotileError, match="column `mpp`"):
        read_tile(slide, 0, 0, 0.5, 16)
