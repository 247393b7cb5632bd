"""An open slide: what a read gives, and what it tells of itself."""

import errno
import gc
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import tifffile
from numpy.typing import NDArray
from PIL import Image

from histotile.slides.readers.protocol import Wanted, on_white
from histotile.slides.readers.tiff import blending
from histotile.slides.readers.tiff.reader import DirectReader
from histotile.slides.slide import Slide, UnreadableTile

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]
READERS: tuple[Wanted, ...] = ("auto", "openslide")
LENT: list[Slide] = []


def test_transparent_px_become_white() -> None:
    picture = Image.new("RGBA", (4, 1), (10, 20, 30, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    picture.putpixel((2, 0), (0, 0, 0, 128))
    shown = on_white(picture)[0]
    assert shown[0].tolist() == [10, 20, 30]
    assert shown[1].tolist() == [255, 255, 255]
    assert abs(int(shown[2][0]) - 127) <= 1


def picture(width: int = 300, height: int = 200) -> Rgb:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 10, width // 10, 3))
    return coarse.repeat(10, axis=0).repeat(10, axis=1).astype(np.uint8)


@pytest.fixture
def path(tmp_path: Path, write_jpeg_slide: WriteSlide) -> Path:
    """A slide that the direct reader takes."""
    return write_jpeg_slide(tmp_path / "a.svs", [picture(), picture(150, 100)], aperio=True)


def test_a_slide_tells_who_reads_it_and_why(
    path: Path, tmp_path: Path, write_slide: WriteSlide
) -> None:
    with Slide.open(path) as slide:
        assert (slide.reader, slide.reader_note) == ("direct", "")
    with Slide.open(path, reader="openslide") as slide:
        assert (slide.reader, slide.reader_note) == ("openslide", "OpenSlide was asked for")
    with Slide.open(write_slide(tmp_path / "b.tif", picture())) as slide:
        assert slide.reader == "openslide"
        assert "DEFLATE" in slide.reader_note


def test_both_readers_give_own_arrays_and_white_where_nothing_is(path: Path) -> None:
    for reader in READERS:
        with Slide.open(path, reader=reader) as slide:
            tile = slide.read(-10, 190, 0, 64, 32)
            assert tile.shape == (32, 64, 3) and tile.dtype == np.uint8
            assert (tile[:, :10] == 255).all() and (tile[10:] == 255).all()
            assert np.abs(tile[:10, 10:].astype(int) - picture()[190:, :54]).mean() < 12
            assert tile.flags.writeable and tile.flags.c_contiguous
            assert (slide.read(5_000, 0, 0, 8, 8) == 255).all()
            rgba = np.asarray(slide.read_rgba(-10, 190, 0, 64, 32))
            assert (rgba[..., 3] == 255).sum() == 54 * 10


def test_a_level_that_would_read_otherwise_is_left_to_openslide(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *a, **k: decode(*a, **k) ^ 1)
    with Slide.open(path) as slide, Slide.open(path, reader="openslide") as other:
        assert slide.reader == "direct"
        for window in ((64, 64, 0, 64, 64), (64, 64, 1, 32, 32)):
            np.testing.assert_array_equal(slide.read(*window), other.read(*window))
        assert slide.reader == "openslide"
        assert slide.reader_note == (
            "pixels of level 0 would differ by up to 1; pixels of level 1 would differ by up to 1"
        )
        slide.expect(0, np.array([[0, 0, 64, 64]]))
        assert slide.spent.decoded == 2  # to be compared


def test_only_the_level_that_would_read_otherwise_is_left_to_openslide(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = DirectReader.read

    def odd(reader: DirectReader, x: int, y: int, level: int, *size: int) -> Rgb | None:
        pixels = read(reader, x, y, level, *size)
        if pixels is not None and level == 1:
            pixels[0, 0, 0] ^= 3
        return pixels

    monkeypatch.setattr(DirectReader, "read", odd)
    with Slide.open(path) as slide, Slide.open(path, reader="openslide") as other:
        assert slide.settle(1) is None
        assert slide.reader == "openslide"
        assert slide.settle(0) is not None
        assert slide.reader == "direct"
        assert slide.reader_note == "pixels of level 1 would differ by up to 3"
        for window in ((64, 64, 0, 64, 64), (64, 64, 1, 32, 32)):
            np.testing.assert_array_equal(slide.read(*window), other.read(*window))


def test_blended_windows_are_compared_before_the_first_is_shown(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a level of whole downsample the first comparison sees whole px only."""
    blended = blending.blended
    monkeypatch.setattr(blending, "blended", lambda *a: blended(*a) ^ 1)
    with Slide.open(path) as slide, Slide.open(path, reader="openslide") as other:
        assert slide.openslide_downsamples == (1, 2)
        for x in (64, 65, 66):
            there = other.read(x, 64, 1, 32, 32)
            np.testing.assert_array_equal(slide.read(x, 64, 1, 32, 32), there)
        assert slide.settle(1) is not None
        assert slide.reader == "direct"
        note = "pixels of level 1 between whole px would differ by up to 1"
        assert slide.reader_note == note


def test_what_the_direct_reader_leaves_to_openslide_is_told(path: Path) -> None:
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[6]  # row 1, column 1 of 64 px tiles
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 40)
    with Slide.open(path) as slide:
        slide.read(0, 0, 0, 64, 64)
        assert slide.reader_note == ""
        for _ in range(2):
            with pytest.raises(UnreadableTile):
                slide.read(64, 64, 0, 64, 64)
        assert (slide.reader, slide.reader_note) == ("direct", "2 windows were left to OpenSlide")


@pytest.mark.parametrize("more", [0, 2**31])
def test_a_tile_that_claims_bytes_beyond_the_end_is_left_to_openslide(
    path: Path, more: int
) -> None:
    count = path.stat().st_size + more
    with tifffile.TiffFile(path) as tiff:
        counts = tiff.pages.first.tags["TileByteCounts"]
        assert counts.dataformat[-1] == "I"
    with path.open("r+b") as file:
        file.seek(counts.valueoffset + 4 * 19)  # the last tile of level 0
        file.write(count.to_bytes(4, "little"))
    with Slide.open(path) as slide, Slide.open(path, reader="openslide") as other:
        reader = slide.settle(1)
        assert reader is not None
        with pytest.raises(OSError, match="ends before tile 19 of level 0"):
            reader.compressed(0, 19)
        for who in (slide, other):
            with pytest.raises(UnreadableTile):
                who.read(256, 192, 0, 44, 8)


def test_a_slide_whose_file_opens_only_once_is_left_to_openslide(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", refuse)
    with Slide.open(path) as slide:
        assert slide.reader == "openslide"
        assert "Too many open files" in slide.reader_note
        assert slide.read(0, 0, 0, 8, 8).shape == (8, 8, 3)


def test_opening_reads_no_pixels(path: Path) -> None:
    with Slide.open(path) as slide:
        assert slide.spent == (0.0, 0.0, 0)
        slide.read(0, 0, 0, 64, 64)
        spent = slide.spent
        assert spent.decoded >= 1
        assert spent.reading_s > 0 and spent.decoding_s > 0


def test_a_pickled_slide_reads_by_the_same_reader(path: Path) -> None:
    for reader in READERS:
        with Slide.open(path, 0.3, reader) as slide:
            expected = slide.read(30, 30, 0, 64, 64)
            copy = pickle.loads(pickle.dumps(slide))
        with copy:
            assert (copy.mpp, copy.reader) == (0.3, slide.reader)
            np.testing.assert_array_equal(copy.read(30, 30, 0, 64, 64), expected)


def test_processes_after_a_fork_do_not_disturb_each_other(path: Path) -> None:
    """They share one open file: whoever moved its position would read another's bytes."""
    corners = [(x, y) for x in range(0, 300, 23) for y in range(0, 200, 31)]
    with Slide.open(path) as slide:
        alone = [slide.read(x, y, 0, 64, 64).tobytes() for x, y in corners]
    with Slide.open(path) as slide:
        slide.settle(0)
        with multiprocessing.get_context("fork").Pool(3, _lend, (slide,)) as pool:
            assert pool.map(_read, corners, chunksize=1) == alone


def _lend(slide: Slide) -> None:
    LENT.append(slide)


def _read(corner: tuple[int, int]) -> bytes:
    return LENT[0].read(*corner, 0, 64, 64).tobytes()


@pytest.mark.parametrize("reader", READERS)
def test_a_closed_slide_reads_no_more(path: Path, reader: Wanted) -> None:
    with Slide.open(path, reader=reader) as slide:
        slide.read(64, 64, 0, 8, 8)
        before, settled = slide.reader, slide.settle(0)
    for x in (64, 65, 0):  # decoded before and kept; not yet decoded
        with pytest.raises(Exception, match=r"(?i)closed|handle|null"):
            slide.read(x, 64, 0, 8, 8)
    assert slide.reader == before
    if settled is not None:
        assert slide.spent.decoded
        with pytest.raises(OSError, match="descriptor"):
            settled.compressed(0, 0)


def test_a_closed_slide_gives_its_files_back(path: Path) -> None:
    def number_open() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
        return sum(link.samefile(path) for link in links)

    with Slide.open(path) as slide:
        slide.read(0, 0, 0, 8, 8)
        assert number_open() >= 1
    assert number_open() == 0
    left = Slide.open(path)
    left.read(0, 0, 0, 8, 8)
    del left
    gc.collect()
    assert number_open() == 0
