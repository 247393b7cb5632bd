"""Slides of which many are open: the same pixels, little memory."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from numpy.typing import NDArray

from histotile.slides.random_access import FrugalSlide
from histotile.slides.slide import Slide, UnreadableTile

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]


def picture() -> Rgb:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (64, 80, 3), np.uint8).repeat(16, 0).repeat(16, 1)


def windows() -> list[tuple[int, int]]:
    places = np.random.default_rng(1).integers(-50, 1000, (60, 2)).tolist()
    return [(x, y) for x, y in places]


def kept_bytes(slide: Slide) -> int:
    reader = slide.settle(0)
    return 0 if reader is None else reader._tiles.kept_bytes


def test_pixels_are_the_same_and_few_are_kept(
    tmp_path: Path, write_jpeg_slide: WriteSlide, write_slide: WriteSlide
) -> None:
    jpeg = write_jpeg_slide(tmp_path / "a.tiff", [picture()], tile_px=256)
    other = write_slide(tmp_path / "b.tiff", picture())
    for path, reader in ((jpeg, "direct"), (other, "openslide")):
        with Slide.open(path, 0.5) as slide, FrugalSlide.open(path, 0.5) as frugal:
            assert isinstance(frugal, FrugalSlide)
            assert frugal.reader == reader
            for x, y in windows():
                there = slide.read(x, y, 0, 300, 200)
                np.testing.assert_array_equal(frugal.read(x, y, 0, 300, 200), there)
            if reader == "direct":
                assert 0 < kept_bytes(frugal) <= 1 << 20 < kept_bytes(slide)


def test_it_arrives_as_frugal_as_it_left(tmp_path: Path, write_jpeg_slide: WriteSlide) -> None:
    path = write_jpeg_slide(tmp_path / "a.tiff", [picture()])
    with FrugalSlide.open(path, 0.5, "openslide") as slide:
        copy = pickle.loads(pickle.dumps(slide))
    with copy:
        assert type(copy) is FrugalSlide
        assert (copy.mpp, copy.reader) == (0.5, "openslide")


def test_all_share_one_cache_also_after_damage(
    tmp_path: Path, write_slide: WriteSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches: list[openslide.OpenSlideCache] = []
    own = openslide.OpenSlide.set_cache

    def spy(handle: openslide.OpenSlide, cache: openslide.OpenSlideCache) -> None:
        caches.append(cache)
        own(handle, cache)

    monkeypatch.setattr(openslide.OpenSlide, "set_cache", spy)
    path = write_slide(tmp_path / "b.tiff", picture())
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[0]
    whole = tmp_path / "whole.tiff"
    whole.write_bytes(path.read_bytes())
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 40)
    with FrugalSlide.open(path, 0.5) as slide, FrugalSlide.open(whole, 0.5) as other:
        there = other.read(64, 64, 0, 64, 64)
        with pytest.raises(UnreadableTile):
            slide.read(0, 0, 0, 64, 64)
        np.testing.assert_array_equal(slide.read(64, 64, 0, 64, 64), there)
    assert len(caches) == 3
    assert all(cache is caches[0] for cache in caches)
