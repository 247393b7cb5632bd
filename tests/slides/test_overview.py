"""Overviews against pixels that are known."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from histotile.slides import overview as overviews
from histotile.slides.overview import read_overview
from histotile.slides.slide import Bounds, Slide
from histotile.slides.tile_reader import best_level

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]
Places = Callable[[Rgb, str], NDArray[np.float64]]

# How exactly mean places follow from dithered grey values (level-0 px, by level). With OpenSlide's
# own downsamples level 2 would be wrong by 9 at the far edge.
PRECISION = (1.0, 2.6, 2.6)
WIDTH, HEIGHT = 1021, 903  # of `slides`


def noise(width: int, height: int) -> Rgb:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


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


def test_what_is_damaged_stays_white_in_the_overview(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    path = write_slide(tmp_path / "a.svs", noise(256, 256), aperio=True)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].dataoffsets[5]  # row 1, column 1 of 64 px tiles
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(data)
    with Slide.open(path) as slide:
        overview, _ = read_overview(slide, max_px=256, block_px=64)
    assert (overview[64:128, 64:128] == 255).all()
    np.testing.assert_array_equal(overview[:64], noise(256, 256)[:64])


@settings(max_examples=30, deadline=None)
@given(
    mpp=st.sampled_from([0.3, 0.5, 1.0, 1.7, 2.3, 8.0, 11.0]),
    block_px=st.sampled_from([33, 128, 2048]),
    axis=st.sampled_from("xy"),
)
def test_the_overview_shows_the_whole_slide_however_it_is_cut(
    slides: dict[tuple[str, bool], Path], places: Places, mpp: float, block_px: int, axis: str
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
        self.announced = 0

    def settle(self, level: int) -> None:
        return None

    def left_out(self, level: int) -> str:
        return ""

    def expect(self, level: int, windows: NDArray[np.int64]) -> None:
        self.announced += len(windows)

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
