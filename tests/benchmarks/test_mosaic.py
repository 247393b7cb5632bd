"""Mosaics are whole: every level shows the same slide."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from peers import mosaic

from histotile.slides.slide import Slide


def smooth_squares(rng: np.random.Generator) -> list[mosaic.Rgb]:
    """Squares darker than glass, whose colours change slowly enough for JPEG."""
    side = (mosaic.SQUARE, mosaic.SQUARE)
    coarse = rng.integers(40, 200, (4, 8, 8, 3)).astype(np.uint8)
    return [np.asarray(cv2.resize(colours, side)) for colours in coarse]


@pytest.fixture(autouse=True)
def _quick_squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mosaic, "BENCH", tmp_path)
    monkeypatch.setattr(mosaic, "_squares", smooth_squares)


def level(slide: Slide, number: int) -> NDArray[np.float32]:
    return slide.read(0, 0, number, *slide.level_sizes[number]).astype(np.float32)


@pytest.mark.parametrize("size", [(700, 600), (1_024, 768), (1_300, 520)])
def test_levels_show_the_same_slide(size: tuple[int, int]) -> None:
    path = mosaic.mosaic(size)
    with Slide.open(path) as slide:
        assert (slide.width, slide.height) == size
        large, *reduced = (level(slide, number) for number in range(3))
    for small in reduced:
        shrunk = cv2.resize(large, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert small.std() > 20
        assert np.abs(shrunk - small).mean() < 5  # JPEG; 30 and more where rows are sheared


def test_a_slide_that_is_there_is_not_made_again() -> None:
    path = mosaic.mosaic((700, 600))
    made = path.stat().st_mtime_ns
    assert mosaic.mosaic((700, 600)) == path
    assert path.stat().st_mtime_ns == made


def test_tissue_lies_on_the_grid_row_by_row() -> None:
    with Slide.open(mosaic.mosaic((2_048, 1_536))) as slide:
        corners = mosaic.tissue(slide, 128, (10, 20))
        brightness = [slide.read(x, y, 0, 128, 128).mean() for x, y in corners.tolist()]
    assert 10 < len(corners) < 15 * 11 * mosaic.TISSUE
    assert not np.any((corners - (10, 20)) % 128)
    assert (corners[np.lexsort(corners.T)] == corners).all()
    assert max(brightness) < 200
