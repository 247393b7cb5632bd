"""Compressed tiles as JPEG files: the pixels that other programs see are the slide's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from histotile.slides.readers.tiff.compressed_tiles import CompressedTiles, compressed_tiles
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import read_tile

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]
SIDE = 128


def picture(factor: int = 1) -> Rgb:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (50, 70, 3), np.uint8).repeat(16, 0).repeat(16, 1)[:780, :1100]
    return np.ascontiguousarray(rgb[::factor, ::factor])


def jpeg_at(tiles: CompressedTiles, x: int, y: int) -> bytes | None:
    (number,) = tiles.numbers(np.array([x], np.int32), np.array([y], np.int32)).tolist()
    return None if number < 0 else tiles.jpeg(number)


@pytest.mark.parametrize(
    "how",
    [
        {"tables": True},
        {"markers": True},
        {"subsampling": "422"},
        {"photometric": "rgb", "subsampling": "444", "tables": True},
    ],
    ids=str,
)
def test_a_jpeg_holds_the_pixels_of_the_slide(
    tmp_path: Path, write_jpeg_slide: WriteSlide, how: dict[str, Any]
) -> None:
    path = write_jpeg_slide(tmp_path / "s.tiff", [picture()], tile_px=SIDE, **how)
    with Slide.open(path, 0.5) as slide:
        assert slide.reader == "direct", slide.reader_note
        tiles = compressed_tiles(slide, 0.5, SIDE)
        assert tiles is not None
        for x, y in ((0, 0), (SIDE, 3 * SIDE), (7 * SIDE, 5 * SIDE)):
            jpeg = jpeg_at(tiles, x, y)
            assert jpeg is not None
            seen = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
            np.testing.assert_array_equal(seen, read_tile(slide, x, y, 0.5, SIDE))


def test_what_is_no_whole_compressed_tile_is_none(
    tmp_path: Path, write_jpeg_slide: WriteSlide
) -> None:
    path = write_jpeg_slide(tmp_path / "s.tiff", [picture()], tile_px=SIDE)
    with Slide.open(path, 0.5) as slide:
        tiles = compressed_tiles(slide, 0.5, SIDE)
        assert tiles is not None
        for x, y in ((1, 0), (0, SIDE - 1), (-SIDE, 0), (8 * SIDE, 0), (0, 6 * SIDE), (9999, 9999)):
            assert jpeg_at(tiles, x, y) is None
        assert compressed_tiles(slide, 0.75, SIDE) is None
        assert compressed_tiles(slide, 0.5, SIDE // 2) is None
    with Slide.open(path, 0.5, "openslide") as slide:
        assert compressed_tiles(slide, 0.5, SIDE) is None


def test_tiles_of_a_lower_level(tmp_path: Path, write_jpeg_slide: WriteSlide) -> None:
    path = write_jpeg_slide(tmp_path / "s.tiff", [picture(), picture(2)], tile_px=SIDE)
    with Slide.open(path, 0.5) as slide:
        tiles = compressed_tiles(slide, 1.0, SIDE)
        assert tiles is not None
        jpeg = jpeg_at(tiles, 2 * SIDE, 4 * SIDE)
        assert jpeg is not None
        seen = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        np.testing.assert_array_equal(seen, read_tile(slide, 2 * SIDE, 4 * SIDE, 1.0, SIDE))


def test_real_slides(shared_data: Path) -> None:
    whole = 0
    for name in ("CMU-1-Small-Region.svs", "TCGA-CR-7395-01A-01-TS1.svs"):
        with Slide.open(shared_data / "slides" / name, 0.5) as slide:
            for side in (240, 256):
                tiles = compressed_tiles(slide, 0.5, side)
                jpeg = jpeg_at(tiles, 2 * side, 3 * side) if tiles is not None else None
                if jpeg is None:
                    continue
                seen = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
                there = read_tile(slide, 2 * side, 3 * side, 0.5, side)
                np.testing.assert_array_equal(seen, there)
                whole += 1
    assert whole


def test_what_lies_over_a_missing_tile_of_an_aperio_slide_is_none(
    tmp_path: Path, write_jpeg_slide: Callable[..., Path]
) -> None:
    """It may have bytes; OpenSlide does not show them."""
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 256, (512, 512, 3), np.uint8)
    levels = [fine, fine.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3)).astype(np.uint8)]
    found = {}
    for gaps in (frozenset(), frozenset({(0, 3)})):
        path = write_jpeg_slide(tmp_path / "a.svs", levels, aperio=True, missing=gaps)
        with Slide.open(path) as slide:
            tiles = compressed_tiles(slide, 1.0, 64)
            assert tiles is not None
            places = [(x, 0) for x in (0, 128, 256)]
            found[len(gaps)] = [jpeg_at(tiles, *place) is not None for place in places]
    assert found == {0: [True, True, True], 1: [True, False, True]}
