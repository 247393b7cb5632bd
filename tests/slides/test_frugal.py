"""Slides of which many are open: the same pixels, little memory."""

from pathlib import Path

import numpy as np
import tifffile

from histotile.slides.frugal import FrugalSlide
from histotile.slides.slide import Slide


def write(path: Path, compression: str) -> Path:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (64, 80, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(rgb, tile=(256, 256), photometric="rgb", compression=compression)
    return path


def windows() -> list[tuple[int, int]]:
    places = np.random.default_rng(1).integers(-50, 1000, (60, 2)).tolist()
    return [(x, y) for x, y in places]


def test_pixels_are_the_same_and_few_are_kept(tmp_path: Path) -> None:
    for name, compression, reader in (
        ("a.tiff", "jpeg", "direct"),
        ("b.tiff", "deflate", "openslide"),
    ):
        path = write(tmp_path / name, compression)
        with Slide.open(path, 0.5) as slide, FrugalSlide.open(path, 0.5) as frugal:
            assert isinstance(frugal, FrugalSlide)
            assert frugal.reader == reader
            for x, y in windows():
                there = slide.read(x, y, 0, 300, 200)
                np.testing.assert_array_equal(frugal.read(x, y, 0, 300, 200), there)
            if frugal._direct is not None:
                assert 0 < frugal._direct._tiles.kept_bytes <= 1 << 20
                assert slide._direct is not None
                assert slide._direct._tiles.kept_bytes > 1 << 20


def test_goes_on_after_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tiff", "deflate")
    with FrugalSlide.open(path, 0.5) as frugal:
        before = frugal.read(0, 0, 0, 64, 64)
        frugal._reopen(frugal._handle)
        np.testing.assert_array_equal(frugal.read(0, 0, 0, 64, 64), before)
