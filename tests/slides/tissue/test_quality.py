"""Artefact measures on drawn tiles, and marks relative to a slide."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from histotile.config import Quality
from histotile.slides.tissue import quality
from histotile.slides.tissue.ink import hsv, ink_share
from histotile.slides.tissue.quality import mark

SETTINGS = Quality(max_blur_z=2.5, max_pen_fraction=0.05, max_fold_fraction=0.3, exclude=())


def measure(tile: NDArray[np.uint8]) -> list[float]:
    found: list[float] = quality.measure([tile], ink=True)[0].tolist()
    return found


def tissue(seed: int, nuclei: int = 60) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    tile = np.clip(np.array([215, 150, 190]) + rng.normal(0, 8, (224, 224, 1)), 0, 255).astype(
        np.uint8
    )
    for x, y in rng.integers(0, 224, (nuclei, 2)).tolist():
        cv2.circle(tile, (x, y), 6, (85, 50, 120), -1)
    return tile


def blurred(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(tile, (0, 0), 4.0), np.uint8)


def test_blur_is_seen_whatever_the_number_of_nuclei() -> None:
    for nuclei in (5, 60, 200):
        sharp, soft = tissue(1, nuclei), blurred(tissue(1, nuclei))
        assert measure(soft)[0] < 0.1 * measure(sharp)[0]


@pytest.mark.parametrize(
    "ink",
    [(40, 160, 80), (30, 70, 200), (215, 35, 45), (30, 30, 34)],
    ids=["green", "blue", "red", "black"],
)
def test_ink_is_measured_by_its_area(ink: tuple[int, int, int]) -> None:
    tile = tissue(2)
    assert measure(tile)[1] < 0.005
    tile[40:96] = ink  # a quarter of the tile
    assert measure(tile)[1] == pytest.approx(0.25, abs=0.02)


def test_a_fold_is_dark_and_saturated_over_an_area_and_nuclei_are_not() -> None:
    assert measure(tissue(3, 150))[2] < 0.05
    folded = tissue(3)
    folded[:112] = (70, 20, 80)
    assert measure(folded)[2] == pytest.approx(0.5, abs=0.05)


def test_blur_is_marked_against_the_slide() -> None:
    rng = np.random.default_rng(0)
    tiles = [tissue(seed, int(rng.integers(20, 120))) for seed in range(60)]
    tiles[7], tiles[31] = blurred(tiles[7]), blurred(tiles[31])
    sharpness, pen, fold = (np.array(v) for v in quality.measure(tiles, ink=True)[:, :3].T)
    marks = mark(sharpness, pen, fold, SETTINGS)
    assert set(np.flatnonzero(marks["blur"])) == {7, 31}
    assert not marks["pen"].any()
    assert not marks["fold"].any()
    assert set(marks) == {"blur", "pen", "fold"}


def test_there_is_no_blur_without_comparison() -> None:
    few = np.array([1.0, 1.1, 1e-6])
    assert not mark(few, few * 0, few * 0, SETTINGS)["blur"].any()
    equal = np.ones(50)
    equal[3] = 1e-6
    assert not mark(equal, equal * 0, equal * 0, SETTINGS)["blur"].any()
    none = np.array([])
    assert all(m.shape == (0,) for m in mark(none, none, none, SETTINGS).values())


def test_unreadable_tiles_have_no_mark_and_disturb_none() -> None:
    sharpness = np.exp(np.random.default_rng(1).normal(0, 0.3, 100))
    sharpness[5], sharpness[9] = np.nan, 1e-3
    blank = np.where(np.isnan(sharpness), np.nan, 0.0)
    marks = mark(sharpness, blank, blank, SETTINGS)
    assert marks["blur"][9]
    assert not marks["blur"][5] and not marks["pen"][5] and not marks["fold"][5]


def test_limits_come_from_the_settings_and_folds_are_relative() -> None:
    shares = np.array([0.0] * 30 + [0.2, 0.4])
    marks = mark(np.ones(32), shares, shares, SETTINGS)
    assert np.flatnonzero(marks["pen"]).tolist() == [30, 31]
    assert np.flatnonzero(marks["fold"]).tolist() == [31]
    lax = SETTINGS.model_copy(update={"max_pen_fraction": 0.3})
    assert np.flatnonzero(mark(np.ones(32), shares, shares, lax)["pen"]).tolist() == [31]
    dark_slide = np.full(32, 0.8)
    assert not mark(np.ones(32), dark_slide * 0, dark_slide, SETTINGS)["fold"].any()


@pytest.mark.parametrize("name", ["colorectal5_flagy", "ebhi_seg", "kather2016_100png", "idc_ps50"])
def test_real_stained_tiles_hold_no_ink(shared_data: Path, name: str) -> None:
    folder = shared_data / "tiles" / name
    files = sorted(f for kind in ("jpg", "png") for f in folder.rglob(f"*.{kind}"))
    files = [f for f in files if "mask" not in f.parts]
    files = files[:: max(1, len(files) // 150)]
    inked = [measure(np.array(Image.open(f).convert("RGB")))[1] > 0.05 for f in files]
    assert len(files) >= 100
    assert np.mean(inked) <= 0.01


@pytest.mark.parametrize("green", [(150, 205, 170), (90, 165, 135), (172, 165, 218)])
def test_tiles_of_a_slide_are_not_asked_for_ink(green: tuple[int, int, int]) -> None:
    tile = np.full((64, 64, 3), green, np.uint8)
    assert quality.measure([tile])[0, 1] == 0


@pytest.mark.parametrize("tissue", [(200, 140, 165), (150, 110, 170), (235, 225, 232)])
def test_blue_ink_that_tissue_shines_through_counts_as_pen(tissue: tuple[int, int, int]) -> None:
    tile = np.full((128, 128, 3), tissue, np.uint8)
    ink = np.array([20, 30, 120])
    tile[:, 40:90] = np.rint(0.8 * ink + 0.2 * tile[:, 40:90])
    assert measure(tile)[1] == pytest.approx(50 / 128, abs=0.05)


def halved(rgb: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    for _ in range(times):
        side = max(1, rgb.shape[1] // 2), max(1, rgb.shape[0] // 2)
        rgb = np.asarray(cv2.resize(rgb, side, interpolation=cv2.INTER_AREA), np.uint8)
    return rgb


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1), st.sampled_from([1, 8]))
def test_measures_are_those_of_their_definitions(
    width: int, height: int, seed: int, unit: int
) -> None:
    rng = np.random.default_rng(seed)
    size = (height * unit, width * unit, 3)
    low, high = sorted(rng.integers(0, 256, 2).tolist())
    rgb: NDArray[np.uint8] = rng.integers(low, high + 1, size, np.uint8)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64)
    edges = cv2.Laplacian(grey, cv2.CV_64F, ksize=1)
    quarter, eighth = halved(rgb, 2), halved(rgb, 3)
    _, saturation, value = hsv(eighth)
    sharpness, pen, fold, *colour = measure(rgb)
    assert sharpness == pytest.approx(edges.var() / (grey.var() + 25), rel=1e-9, abs=1e-12)
    assert pen == ink_share(quarter)
    assert fold == ((saturation > 0.5) & (value < 0.36)).mean()
    assert colour == pytest.approx([*rgb.mean((0, 1)), *rgb.std((0, 1))], rel=1e-6, abs=1e-4)


def test_a_tile_is_measured_alike_alone_and_among_others() -> None:
    tiles = [tissue(seed, 20 * seed) for seed in range(5)]
    tiles[1][40:96], tiles[3][:112] = (30, 70, 200), (70, 20, 80)
    together = quality.measure(tiles, ink=True)
    assert together.shape == (5, 9)
    assert together.tolist() == [measure(tile) for tile in tiles]
    assert len(set(together[:, 1])) > 1 < len(set(together[:, 2]))
    assert quality.measure([]).shape == (0, 9)
