"""Levels that are not the slide are left out by every reader; those that are, stay."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.config import Inspect
from histotile.slides.inspection import examine
from histotile.slides.levels.scale import level_scale
from histotile.slides.overview import read_overview
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import best_level

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]
SETTINGS = Inspect(
    unknown_mpp="stop", mpp_min=0.05, mpp_max=20, max_anisotropy=0.05, trust_objective_power=True
)
WIDTH, HEIGHT = 1100, 860  # no multiples of 64: levels can be padded to whole tiles


def tissue(width: int, height: int, seed: int = 0) -> Rgb:
    """Stained cells of about 12 px in a part of a glass."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(-60, 61, (height // 12 + 1, width // 12 + 1, 1)) + np.array(
        (190, 110, 150)
    )
    cells = cells.astype(np.uint8)
    rgb = np.full((height, width, 3), 243, np.uint8)
    left, top, right, bottom = width // 8, height // 8, 5 * width // 8, 7 * height // 8
    shown = cells.repeat(12, axis=0).repeat(12, axis=1)[:height, :width]
    rgb[top:bottom, left:right] = shown[top:bottom, left:right]
    return rgb


def halved(rgb: Rgb, times: int = 1) -> Rgb:
    for _ in range(times):
        rows, columns = (side // 2 * 2 for side in rgb.shape[:2])
        quads = rgb[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, 3)
        rgb = quads.mean(axis=(1, 3)).astype(np.uint8)
    return rgb


def padded(rgb: Rgb, value: int = 255) -> Rgb:
    down, across = (-side % 64 for side in rgb.shape[:2])
    return np.pad(rgb, ((0, down), (0, across), (0, 0)), constant_values=value)


SLIDE = tissue(WIDTH, HEIGHT)
HALF, QUARTER = halved(SLIDE), halved(SLIDE, 2)
HALF_BLANK = QUARTER.copy()
HALF_BLANK[len(QUARTER) // 3 :] = 243

WRONG = {
    "macro of other proportions": tissue(120, 240, seed=1),
    "macro of the same proportions": tissue(QUARTER.shape[1], QUARTER.shape[0], seed=1),
    "mirrored": QUARTER[:, ::-1],
    "upside down": QUARTER[::-1],
    "shifted": np.roll(QUARTER, 9, axis=1),
    "blank": np.full_like(QUARTER, 243),
    "most of it blank": HALF_BLANK,
    "negative": 255 - QUARTER,
    "red for blue": QUARTER[..., ::-1],
    "cut out": QUARTER[20:-20, 25:-25],
}


def with_levels(write: WriteSlide, path: Path, *levels: Rgb, **how: object) -> Path:
    factors = tuple(1 + k for k in range(len(levels)))
    return write(path, levels[0], factors, levels=[np.ascontiguousarray(p) for p in levels], **how)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("aperio", [False, True])
def test_a_level_that_is_not_the_slide_is_used_by_nobody(
    tmp_path: Path, write_slide: WriteSlide, wrong: str, aperio: bool
) -> None:
    name = "s.svs" if aperio else "s.tif"
    path = with_levels(write_slide, tmp_path / name, SLIDE, HALF, WRONG[wrong], aperio=aperio)
    with Slide.open(path) as slide:
        assert slide.left_out(1) == ""
        assert "level 2" in slide.left_out(2)
        assert best_level(slide, 16.0) == 1
        overview = read_overview(slide, max_px=128)[0]
    good = with_levels(write_slide, tmp_path / f"good-{name}", SLIDE, HALF, aperio=aperio)
    with Slide.open(good) as slide:
        np.testing.assert_array_equal(overview, read_overview(slide, max_px=128)[0])
    found = examine(path, "s", SETTINGS)
    assert found.verdict == "ok"
    assert list(found.left_out) == ["2"]
    assert found.left_out["2"] in found.warnings


def test_levels_after_a_wrong_one_are_still_held_against_the_slide(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    other = tissue(HALF.shape[1], HALF.shape[0], seed=2)
    eighth = halved(other, 2)
    path = with_levels(write_slide, tmp_path / "s.tif", SLIDE, HALF[:, ::-1], QUARTER, eighth)
    with Slide.open(path) as slide:
        assert [bool(slide.left_out(k)) for k in range(4)] == [False, True, False, True]


def test_right_levels_stay_however_they_were_made(tmp_path: Path, write_slide: WriteSlide) -> None:
    rng = np.random.default_rng(3)
    noisy = np.clip(QUARTER + rng.normal(0, 6, QUARTER.shape), 0, 255).astype(np.uint8)
    for levels in (
        (SLIDE, HALF, QUARTER, halved(QUARTER)),
        (SLIDE, SLIDE[::2, ::2], SLIDE[::4, ::4]),  # nearest px
        (SLIDE, HALF, noisy),
        (SLIDE, SLIDE[::3, ::3]),
        (np.full_like(SLIDE, 243), np.full_like(HALF, 243)),  # nothing to be seen
    ):
        path = with_levels(write_slide, tmp_path / "s.tif", *levels)
        with Slide.open(path) as slide:
            assert [slide.left_out(k) for k in range(len(levels))] == [""] * len(levels)


@pytest.mark.parametrize("value", [255, 0])
def test_a_padded_level_is_used_by_its_true_scale(
    tmp_path: Path, write_slide: WriteSlide, value: int
) -> None:
    levels = [SLIDE, padded(HALF, value), padded(QUARTER, value)]
    path = with_levels(write_slide, tmp_path / "s.tif", *levels)
    with Slide.open(path) as slide:
        assert slide.downsamples == (1.0, 2.0, 4.0)
        assert slide.openslide_downsamples[2] != 4.0
        assert [slide.left_out(k) for k in range(3)] == ["", "", ""]
        shown = read_overview(slide, max_px=WIDTH // 4)[0]
    difference = np.abs(shown[:, :-2].astype(int) - QUARTER[: len(shown), :-2])[:-2]
    assert difference.mean() < 3


def test_pixels_tell_a_padded_square_from_one_of_an_odd_scale(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    square = tissue(1000, 1000)
    at = (np.arange(512) * 1000 / 512).astype(int)
    for level, downsample in ((padded(halved(square)), 2.0), (square[at][:, at], 1000 / 512)):
        path = with_levels(write_slide, tmp_path / "s.tif", square, level)
        with Slide.open(path) as slide:
            assert slide.downsamples[1] == pytest.approx(downsample)
            assert slide.left_out(1) == ""


@pytest.mark.parametrize("kind", ["another picture", "blank", "not the first page"])
def test_a_slide_whose_level_0_is_not_the_slide_is_set_aside(
    tmp_path: Path, write_slide: WriteSlide, kind: str
) -> None:
    levels = {
        "another picture": [tissue(WIDTH, HEIGHT, seed=5), HALF, QUARTER],
        "blank": [np.full_like(SLIDE, 243), HALF],
        "not the first page": [HALF, tissue(WIDTH, HEIGHT, seed=5)],
    }[kind]
    path = with_levels(write_slide, tmp_path / "s.tif", *levels)
    found = examine(path, "s", SETTINGS)
    assert (found.verdict, found.problem) == ("quarantined", "level")
    name = str(found.reason)[1 : str(found.reason).index("]")]
    assert name.startswith("level-")
    accepted = examine(path, "s", SETTINGS, None, {name: "it is a phantom"})
    assert accepted.verdict == "ok"
    assert any("accepted by the user: it is a phantom" in w for w in accepted.warnings)


def test_pages_that_cannot_be_levels_are_told(tmp_path: Path, write_slide: WriteSlide) -> None:
    path = with_levels(write_slide, tmp_path / "s.tif", SLIDE, tissue(1400, 100))
    assert "1400 x 100" in str(examine(path, "s", SETTINGS).reason)


@given(st.integers(300, 100_000), st.integers(300, 100_000), st.integers(1, 8))
def test_sizes_halved_again_and_again_fit_in_whole_numbers(
    width: int, height: int, times: int
) -> None:
    size = (max(width >> times, 1), max(height >> times, 1))
    stated = (width / size[0] + height / size[1]) / 2
    found = level_scale((width, height), size, stated, (256, 256))
    assert found.proven
    assert found.downsamples
    assert found.downsamples[-1] == pytest.approx(2**times, rel=2 / min(size))


@given(st.integers(2000, 200_000), st.integers(2000, 200_000), st.integers(1, 6))
def test_padded_sizes_give_the_true_scale(width: int, height: int, times: int) -> None:
    sides = [-(-(side >> times) // 512) * 512 for side in (width, height)]
    stated = (width / sides[0] + height / sides[1]) / 2
    found = level_scale((width, height), (sides[0], sides[1]), stated, (512, 512))
    if sides[0] > 4096 and sides[1] > 4096:  # smaller ones may be padded at several scales
        assert 2.0**times in found.downsamples


def test_known_padded_sizes() -> None:
    """CAMELYON16's TIFFs."""
    full, tile = (97792, 221184), (512, 512)
    for size, downsample in (((12288, 27648), 8), ((3072, 7168), 32), ((1024, 2048), 128)):
        stated = (full[0] / size[0] + full[1] / size[1]) / 2
        assert level_scale(full, size, stated, tile).downsamples[0] == downsample


def test_a_scale_that_the_format_states_is_not_doubted_by_sizes() -> None:
    assert level_scale((1000, 1000), (300, 250), 4.0, None).downsamples == (4.0,)


def test_real_slides_keep_their_levels(shared_data: Path) -> None:
    for name in (
        "TCGA-CR-7395-01A-01-TS1.svs",
        "ndpi_test3-DAPI-2-(387).ndpi",
        "osp_boxes.tiff",
        "slaid_patch.tif",
        "cmu1_small_region_dicom/level-0-frames-0-30.dcm",
    ):
        with Slide.open(shared_data / "slides" / name) as slide:
            assert not any(slide.left_out(k) for k in range(len(slide.level_sizes))), name
