"""Tiles and overviews against pixels that are known."""

import pickle
import tracemalloc
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
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides import overview as overviews
from histotile.slides.overview import read_overview
from histotile.slides.pixels import best_level, read_tile
from histotile.slides.slide import Bounds, Slide, UnreadableTile

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]

# How exactly mean places follow from dithered grey values (level-0 px, by level). With OpenSlide's
# own downsamples level 2 would be wrong by 9 at the far edge.
PRECISION = (1.0, 2.6, 2.6)
WIDTH, HEIGHT = 1021, 903  # no multiples of 4 or 16: OpenSlide's downsamples are not whole


def gradient(axis: str, factor: int) -> Rgb:
    """Red grows along an axis by 0.2 per level-0 px and blue falls by as much.

    Every level is dithered by itself and so widely that rounding is even: means keep fractions.
    """
    y, x = factor * np.mgrid[0.5 : HEIGHT // factor, 0.5 : WIDTH // factor]
    ramp = 0.2 * (x if axis == "x" else y)
    dither = np.random.default_rng(factor).uniform(-3, 3, (*x.shape, 3))
    channels = np.stack([10 + ramp, np.full_like(ramp, 128), 240 - ramp], axis=-1)
    return np.asarray(np.rint(channels + dither), np.uint8)


def places(rgb: Rgb, axis: str) -> NDArray[np.float64]:
    """The level-0 place along the axis of each column or row of a picture made from `gradient`.

    What resampling adds by rounding is alike in red and blue and cancels.
    """
    values = rgb.astype(float).mean(axis=0 if axis == "x" else 1)
    return np.asarray((values[:, 0] - values[:, 2] + 230) / 0.4)


def noise(width: int, height: int) -> Rgb:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def slides(
    tmp_path_factory: pytest.TempPathFactory, write_slide: WriteSlide
) -> dict[tuple[str, bool], Path]:
    folder = tmp_path_factory.mktemp("slides")
    factors = (1, 4, 16)
    levels = {axis: [gradient(axis, f) for f in factors] for axis in "xy"} | {"noise": None}
    return {
        (name, aperio): write_slide(
            folder / f"{name} é😐 {aperio}.tif",
            noise(WIDTH, HEIGHT),
            factors,
            aperio=aperio,
            levels=levels[name],
        )
        for name in levels
        for aperio in (False, True)
    }


@settings(max_examples=60, deadline=None)
@given(
    x=st.integers(0, 900),
    y=st.integers(0, 800),
    slide_mpp=st.sampled_from([0.25, 0.2527, 0.499, 0.5]),
    mpp=st.sampled_from([0.5, 0.5054, 1.0, 1.0108, 2.0, 3.1, 8.0]),
    tile_px=st.sampled_from([33, 64, 100]),
    axis=st.sampled_from("xy"),
)
def test_a_tile_shows_the_square_it_is_asked_for(
    slides: dict[tuple[str, bool], Path],
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
    columns = inner & (x + centres < WIDTH - end)
    rows = inner & (y + centres < HEIGHT - end)
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


@pytest.fixture(scope="module", params=[(515, 258), (516, 271), (640, 512)])
def leica(
    request: Any, tmp_path_factory: pytest.TempPathFactory, write_scn: WriteSlide
) -> tuple[Path, Rgb, tuple[int, int]]:
    """A slide scanned in part, its level 0, and the corner of that; 4 and 16 do not divide both.

    Black and white in blocks of 16 px: each level shows them exactly.
    """
    blocks = np.random.default_rng(3).integers(0, 2, (48, 64, 1)) * np.full(3, 255)
    rgb = blocks.repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)
    path = tmp_path_factory.mktemp("leica") / "part.scn"
    return write_scn(path, rgb, request.param, (2311, 1703)), rgb, request.param


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


@pytest.mark.parametrize(("max_px", "most"), [(2311, 0.0), (500, 0.02), (300, 0.02), (140, 0.06)])
def test_the_overview_of_a_leica_slide_lies_on_level_0(
    leica: tuple[Path, Rgb, tuple[int, int]], max_px: int, most: float
) -> None:
    """Coarse levels are means already, so pixels differ a little; by more when shifted."""
    path, rgb, (left, top) = leica
    whole = np.full((1703, 2311, 3), 255, np.uint8)
    whole[top : top + 768, left : left + 1024] = rgb
    with Slide.open(path) as slide:
        overview, _ = read_overview(slide, max_px=max_px, block_px=333)
    size = overview.shape[1], overview.shape[0]
    expected = np.asarray(Image.fromarray(whole).resize(size, Image.Resampling.BILINEAR))
    difference = np.abs(overview.astype(float) - expected).mean()
    assert difference <= most * expected.std()


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
        overview, _ = read_overview(slide, max_px=256, block_px=64)
    assert (overview[64:128, 64:128] == 255).all()
    np.testing.assert_array_equal(overview[:64], noise(256, 256)[:64])


def test_a_tile_needs_the_mpp(tmp_path: Path, write_slide: WriteSlide) -> None:
    path = write_slide(tmp_path / "a.tif", noise(64, 64), mpp=None)
    with Slide.open(path) as slide, pytest.raises(HistotileError, match="column `mpp`"):
        read_tile(slide, 0, 0, 0.5, 16)


@settings(max_examples=30, deadline=None)
@given(
    mpp=st.sampled_from([0.3, 0.5, 1.0, 1.7, 2.3, 8.0, 11.0]),
    block_px=st.sampled_from([33, 128, 2048]),
    axis=st.sampled_from("xy"),
)
def test_the_overview_shows_the_whole_slide_however_it_is_cut(
    slides: dict[tuple[str, bool], Path], mpp: float, block_px: int, axis: str
) -> None:
    with Slide.open(slides[axis, False], 0.5) as slide:
        overview, scale = read_overview(slide, mpp=mpp, block_px=block_px)
        whole, _ = read_overview(slide, mpp=mpp)
    assert overview.shape[1] == round(WIDTH / max(1, mpp / 0.5))
    assert scale == WIDTH / overview.shape[1]
    inner = (slice(1, -3), slice(1, -3))  # at the far edge OpenSlide fades into white
    np.testing.assert_allclose(overview[inner].astype(int), whole[inner].astype(int), atol=2)
    count, full = (overview.shape[1], WIDTH) if axis == "x" else (overview.shape[0], HEIGHT)
    error = places(overview[inner], axis) - ((np.arange(count) + 0.5) * full / count)[inner[0]]
    assert abs(error.mean()) < PRECISION[best_level(slide, max(1, mpp / 0.5))]
    assert np.abs(error).max() < 6


def test_the_overview_fits_max_px(slides: dict[tuple[str, bool], Path]) -> None:
    with Slide.open(slides["noise", False]) as slide:
        overview, scale = read_overview(slide, max_px=100)
        assert overview.shape == (88, 100, 3)
        assert scale == WIDTH / 100
        assert read_overview(slide, max_px=5000)[0].shape == (HEIGHT, WIDTH, 3)


class _HugeSlide(Slide):
    """A slide of 100,000 x 2,500 px with level 0 alone, whose pixels cost nothing."""

    def __init__(self) -> None:
        self.path = Path("huge.tif")
        self.vendor = "generic-tiff"
        self.width, self.height = 100_000, 2_500
        self.bounds = Bounds(0, 0, self.width, self.height)
        self.level_sizes = ((self.width, self.height),)
        self.downsamples = self.openslide_downsamples = (1.0,)
        self.mpp = 0.5
        self.largest = 0

    def read(self, x: int, y: int, level: int, width: int, height: int) -> Rgb:
        self.largest = max(self.largest, width * height)
        return np.array(Image.new("RGB", (width, height), (x // 400, y // 400, 0)))


def test_the_overview_of_a_huge_slide_without_low_levels_needs_little_memory() -> None:
    slide: Any = _HugeSlide()
    tracemalloc.start()
    overview, scale = read_overview(slide, mpp=32.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert overview.shape == (39, 1562, 3)
    assert scale == 100_000 / 1562
    assert slide.largest < 2200**2
    assert peak < 50e6
    assert abs(int(overview[5, -1, 0]) - 249) < 6
    slide.width = slide.height = 100_000
    assert overviews._overview_scale(slide, None, 1.0) == pytest.approx((1e10 / 8e6) ** 0.5)
