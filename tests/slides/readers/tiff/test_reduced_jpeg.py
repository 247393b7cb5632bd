"""Overviews made of JPEG at a quarter of its size against those made of all px."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.slides.overview import read_overview
from histotile.slides.readers.tiff import reduced_jpeg
from histotile.slides.readers.tiff.reduced_jpeg import FACTOR, LEAST_STEP, ShrunkLevel, shrunk_level
from histotile.slides.slide import Slide
from histotile.slides.windows import Box

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]

SIZE = (1402, 1603)  # px; no multiples of 4


@pytest.fixture(scope="module")
def one_level(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide of level 0 alone: dark spots of many sizes on pale ground, as tissue has them."""
    rng = np.random.default_rng(5)
    ground = np.full((SIZE[1], SIZE[0], 3), 235.0)
    for spread, strength in ((2, 90), (9, 160), (40, 300)):
        spots = cv2.GaussianBlur(rng.normal(0, spread, ground.shape[:2]), (0, 0), spread)
        ground -= np.clip(spots, 0, None)[..., None] * np.array([0.4, 1.0, 0.5]) * strength / 9
    rgb = ground.clip(0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("one") / "level.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            rgb,
            tile=(240, 240),
            photometric="rgb",
            compression="jpeg",
            compressionargs={"level": 85},
            metadata=None,
            resolution=(40000, 40000),
            resolutionunit="CENTIMETER",
        )
    return path


def both(slide: Slide, mpp: float, block_px: int, patch: pytest.MonkeyPatch) -> tuple[Rgb, Rgb]:
    """The overview as it is and as it would be of all px."""
    few, _ = read_overview(slide, mpp=mpp, block_px=block_px)
    patch.setattr(reduced_jpeg, "LEAST_STEP", np.inf)
    every, _ = read_overview(slide, mpp=mpp, block_px=block_px)
    patch.undo()
    return few, every


@settings(max_examples=25, deadline=None)
@given(step=st.floats(LEAST_STEP + 0.7, 90), block_px=st.sampled_from([200, 777, 2048]))
def test_overviews_of_shrunk_tiles_differ_by_two_grey_levels_and_are_not_brighter(
    one_level: Path, step: float, block_px: int
) -> None:
    with Slide.open(one_level) as slide:
        few, every = both(slide, 0.25 * step, block_px, pytest.MonkeyPatch())
    difference = few.astype(int) - every
    assert np.abs(difference).max() <= 2
    assert abs(difference.mean()) < 0.1


@pytest.mark.parametrize("step", [25, 32, 47])
def test_on_real_tissue_it_does_not_show_either(
    shared_data: Path, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Slide.open(shared_data / "slides" / "CMU-1-Small-Region.svs", 0.25) as slide:
        assert shrunk_level(slide, 0, step) is not None
        few, every = both(slide, 0.25 * step, 960, monkeypatch)
    difference = few.astype(int) - every
    assert np.abs(difference).max() <= 2
    assert abs(difference.mean()) < 0.1


def test_it_is_used_where_an_overview_shrinks_far(
    one_level: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Box] = []
    own = ShrunkLevel.read

    def spy(level: ShrunkLevel, box: Box) -> tuple[Rgb, Box] | None:
        read.append(box)
        return own(level, box)

    monkeypatch.setattr(ShrunkLevel, "read", spy)
    with Slide.open(one_level) as slide:
        read_overview(slide, mpp=0.25 * (LEAST_STEP - 1), block_px=480)
        assert not read
        read_overview(slide, mpp=0.25 * (LEAST_STEP + 1), block_px=480)
        assert len(read) >= 6
    with Slide.open(one_level, reader="openslide") as slide:
        assert shrunk_level(slide, 0, 100.0) is None


@settings(max_examples=50, deadline=None)
@given(
    left=st.floats(0, 1000),
    top=st.floats(0, 1000),
    width=st.floats(1, 600),
    height=st.floats(1, 600),
)
def test_a_box_is_covered_and_lies_where_it_says(
    one_level: Path, left: float, top: float, width: float, height: float
) -> None:
    box = (left, top, left + width, top + height)
    with Slide.open(one_level) as slide:
        level = shrunk_level(slide, 0, LEAST_STEP)
        assert level is not None
        whole = level.read((0, 0, SIZE[0] // FACTOR * FACTOR, SIZE[1] // FACTOR * FACTOR))
        assert whole is not None
        if not level.holds(box):
            assert box[2] > SIZE[0] - FACTOR or box[3] > SIZE[1] - FACTOR
            return
        found = level.read(box)
    assert found is not None
    pixels, inner = found
    x, y = left / FACTOR - inner[0], top / FACTOR - inner[1]
    assert (x, y) == pytest.approx((round(x), round(y)))
    assert 0 <= min(inner[:2]) < 1
    assert 0 <= pixels.shape[1] - inner[2] < 1
    assert 0 <= pixels.shape[0] - inner[3] < 1
    rows, columns = slice(round(y), round(y) + len(pixels)), round(x)
    np.testing.assert_array_equal(pixels, whole[0][rows, columns : columns + pixels.shape[1]])


@pytest.mark.parametrize("what", ["damaged", "missing"])
def test_damaged_and_missing_tiles_are_left_to_the_slide(
    one_level: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = tmp_path / f"{what}.tif"
    data = bytearray(one_level.read_bytes())
    with tifffile.TiffFile(one_level) as tiff:
        page = tiff.pages.first
        offset = page.dataoffsets[8]  # row 1, column 2
        place = page.tags["TileByteCounts"].valueoffset + 4 * 8
    if what == "damaged":
        data[offset + 300 : offset + 500] = b"\xff" * 200
    else:
        data[place : place + 4] = bytes(4)
    path.write_bytes(data)
    box = (480.0, 240.0, 720.0, 480.0)
    with Slide.open(path) as slide:
        level = shrunk_level(slide, 0, LEAST_STEP)
        assert level is not None
        assert level.holds(box) == (what == "damaged")
        assert level.holds((0.0, 0.0, 480.0, 480.0))
        if what == "damaged":
            assert level.read(box) is None
        few, every = both(slide, 0.25 * 30, 240, monkeypatch)
    with Slide.open(one_level) as slide:
        whole, _ = read_overview(slide, mpp=0.25 * 30, block_px=240)
    np.testing.assert_allclose(few.astype(int), every, atol=2)
    differs = np.abs(few.astype(int) - whole).max(axis=-1) > 2
    shown, reach = slice(3, 21), slice(11, 30)  # around damage, up to 128 px and a step
    assert differs[8:16, 16:24].mean() > 0.6
    assert not np.delete(differs[:, reach], np.r_[shown], axis=0).any()
    assert not np.delete(differs, np.r_[reach], axis=1).any()
