"""Windows of what OpenSlide refuses are those of the picture that was written."""

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides.random_access import FrugalSlide
from histotile.slides.readers.image import reader as image_reader
from histotile.slides.readers.image import segments, tiff_parts
from histotile.slides.slide import Slide, UnreadableTile

Rgb = NDArray[np.uint8]
WIDTH, HEIGHT = 203, 171


def noise(width: int = WIDTH, height: int = HEIGHT, channels: int = 3) -> Rgb:
    rng = np.random.default_rng(width)
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


LEVELS = [noise(), noise(WIDTH // 2, HEIGHT // 2), noise(WIDTH // 4, HEIGHT // 4)]
KINDS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 7},
    "one strip": {},
    "one strip, lzw": {"compression": "lzw", "rowsperstrip": HEIGHT},
    "lzw, predictor": {"compression": "lzw", "predictor": True, "rowsperstrip": 16},
    "deflate": {"compression": "deflate", "rowsperstrip": 33},
    "planes": {"planarconfig": "separate", "rowsperstrip": 20},
    "plain planes": {"planarconfig": "separate"},
    "big-endian": {"byteorder": ">", "compression": "zstd", "rowsperstrip": 9},
    "webp in tiles": {
        "tile": (64, 48),
        "compression": "webp",
        "compressionargs": {"lossless": True},
    },
    "jpeg 2000": {"tile": (64, 64), "compression": "jpeg2000"},
    "jpeg xl": {"tile": (48, 64), "compression": "jpegxl"},
    "planes of tiles": {"tile": (64, 64), "planarconfig": "separate", "compression": "webp_none"},
    "subifds": {"compression": "lzw", "rowsperstrip": 40, "subifds": 2},
}


def write(path: Path, levels: list[Rgb], **how: Any) -> Path:
    order, subifds = how.pop("byteorder", "<"), how.pop("subifds", 0)
    if how.get("compression") == "webp_none":
        how |= {"compression": "png"}
    planes = how.get("planarconfig") == "separate"
    with tifffile.TiffWriter(path, byteorder=order) as tiff:
        for number, level in enumerate(levels):
            stored = np.moveaxis(level, -1, 0) if planes else level
            more: dict[str, Any] = {"subfiletype": 1} if number else {}
            more |= {"subifds": subifds} if subifds and not number else {}
            tiff.write(stored, photometric="rgb", metadata=None, **how, **more)
    return path


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Slide]]:
    folder = tmp_path_factory.mktemp("pictures")
    slides = {}
    for name, how in KINDS.items():
        slides[name] = Slide.open(write(folder / f"{name} é😐.tif", LEVELS, **how))
    Image.fromarray(LEVELS[0]).save(folder / "a.png")
    Image.fromarray(LEVELS[0]).save(folder / "a.bmp")
    Image.fromarray(LEVELS[0]).save(folder / "a.webp", lossless=True)
    (folder / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(LEVELS[0], level=0, codecformat="jp2"))
    slides |= {kind: Slide.open(folder / f"a.{kind}") for kind in ("png", "bmp", "webp", "jp2")}
    yield slides
    for slide in slides.values():
        slide.close()


def cut(level: Rgb, left: int, top: int, width: int, height: int) -> Rgb:
    """A window of a picture, white outside of it."""
    white = np.full((height, width, 3), 255, np.uint8)
    right, bottom = min(left + width, level.shape[1]), min(top + height, level.shape[0])
    a, b = max(left, 0), max(top, 0)
    if right > a and bottom > b:
        white[b - top : bottom - top, a - left : right - left] = level[b:bottom, a:right]
    return white


places = st.integers(-90, 260)
sides = st.integers(1, 240)


@given(data=st.data(), x=places, y=places, width=sides, height=sides)
@settings(deadline=None, max_examples=300)
def test_windows_are_slices_of_the_picture(
    opened: dict[str, Slide], data: st.DataObject, x: int, y: int, width: int, height: int
) -> None:
    slide = opened[data.draw(st.sampled_from(sorted(opened)))]
    level = data.draw(st.integers(0, len(slide.level_sizes) - 1))
    downsample = 2**level
    assert (slide.reader, slide.openslide_downsamples[level]) == ("image", downsample)
    left, top = x // downsample, y // downsample
    window = (left * downsample, top * downsample, level, width, height)
    there = cut(LEVELS[level], left, top, width, height)
    np.testing.assert_array_equal(slide.read(*window), there)
    rgba = np.asarray(slide.read_rgba(*window))
    inside = cut(np.zeros_like(LEVELS[level]), left, top, width, height)[..., 0] == 0
    np.testing.assert_array_equal(rgba[..., 3] == 255, inside)
    np.testing.assert_array_equal(rgba[inside, :3], there[inside])


def test_every_kind_has_its_levels_and_says_why_it_reads(opened: dict[str, Slide]) -> None:
    sizes = tuple((level.shape[1], level.shape[0]) for level in LEVELS)
    for name, slide in opened.items():
        assert slide.level_sizes == (sizes if name in KINDS else sizes[:1]), name
        assert slide.reader_note, name
        tile = slide.read(3, 3, 0, 8, 8)
        assert tile.flags.writeable and tile.flags.c_contiguous
    assert "strips" in opened["one strip"].reader_note
    assert "WEBP" in opened["webp in tiles"].reader_note
    assert "PNG" in opened["png"].reader_note


def test_between_two_px_of_a_level_both_show(opened: dict[str, Slide]) -> None:
    """As of levels that OpenSlide reads."""
    half = opened["strips"].read(1, 0, 1, 20, 20).astype(float)
    level = LEVELS[1].astype(float)
    assert np.abs(half - (level[:20, :20] + level[:20, 1:21]) / 2).max() <= 2


@pytest.mark.parametrize("subsampled", [False, True])
def test_pixels_are_openslides_where_both_read(
    tmp_path: Path, write_jpeg_slide: Callable[..., Path], subsampled: bool
) -> None:
    rgb = np.asarray(Image.fromarray(noise(40, 40)).resize((300, 260)))
    path = write_jpeg_slide(tmp_path / "a.tif", [rgb], subsampling="420" if subsampled else "444")
    with Slide.open(path, reader="openslide") as there, Slide.open(path, reader="image") as slide:
        assert (slide.vendor, slide.level_sizes) == (there.vendor, there.level_sizes)
        differs = slide.read(-20, 30, 0, 320, 300).astype(int) - there.read(-20, 30, 0, 320, 300)
        assert np.abs(differs).max() <= 1


def test_no_more_is_decoded_than_a_window_needs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", LEVELS[:1], compression="lzw", rowsperstrip=10)
    with Slide.open(path) as slide:
        slide.read(0, 95, 0, 200, 10)
        assert slide.spent.decoded == 2
        slide.read(50, 90, 0, 20, 20)
        assert slide.spent.decoded == 2  # kept
        assert slide.spent.reading_s > 0 and slide.spent.decoding_s > 0


def test_announced_strips_are_decoded_once_and_then_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", LEVELS[:1], compression="lzw", rowsperstrip=10)
    windows = [(x, y, 40, 40) for y in range(0, 160, 40) for x in range(0, 200, 40)]
    kept = image_reader._kept(os.getpid())
    before = kept.kept_bytes
    with Slide.open(path) as slide:
        slide.expect(0, np.array(windows))
        for x, y, width, height in windows:
            slide.read(x, y, 0, width, height)
        assert slide.spent.decoded == 16
    assert kept.kept_bytes == before


def test_a_frugal_slide_keeps_no_small_segment(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", LEVELS[:1], compression="lzw", rowsperstrip=10)
    with FrugalSlide.open(path) as slide:
        for _ in range(2):
            slide.read(0, 95, 0, 20, 3)
        assert slide.spent.decoded == 2
        np.testing.assert_array_equal(slide.read(0, 0, 0, WIDTH, HEIGHT), LEVELS[0])


def test_threads_and_copies_read_the_same(opened: dict[str, Slide]) -> None:
    for name in ("strips", "webp", "png"):
        copy = pickle.loads(pickle.dumps(opened[name]))
        corners = [(x, y) for x in range(0, 200, 31) for y in range(0, 160, 29)]
        with copy, ThreadPoolExecutor(4) as pool:
            tiles = [pool.submit(copy.read, x, y, 0, 30, 30) for x, y in corners]
            for tile, (x, y) in zip(tiles, corners, strict=True):
                there = cut(LEVELS[0], x, y, 30, 30)
                np.testing.assert_array_equal(tile.result(), there)
        with pytest.raises(UnreadableTile, match="closed"):
            copy.read(0, 0, 0, 8, 8)


def test_damage_is_told_and_other_places_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", LEVELS[:1], compression="deflate", rowsperstrip=50)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[1]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 40)
    with Slide.open(path) as slide:
        with pytest.raises(UnreadableTile, match=r"a\.tif: level 0"):
            slide.read(0, 40, 0, 20, 20)
        np.testing.assert_array_equal(slide.read(0, 120, 0, 20, 20), LEVELS[0][120:140, :20])


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_what_needs_too_much_memory_is_refused_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "tif":
        how = {"compression": "deflate", "rowsperstrip": HEIGHT}
        path = write(tmp_path / "a.tif", LEVELS[:1], **how)
    else:
        path = tmp_path / "a.png"
        Image.fromarray(LEVELS[0]).save(path)
    monkeypatch.setattr(segments, "MOST_BYTES", LEVELS[0].nbytes - 1)
    monkeypatch.setattr(tiff_parts, "_BAND_BYTES", 9000)
    with pytest.raises(HistotileError, match=r"203 x 171 px can only be decoded whole") as caught:
        Slide.open(path)
    assert "vips" in caught.value.remedy
    strips = write(tmp_path / "b.tif", LEVELS[:1], compression="deflate", rowsperstrip=50)
    plain = write(tmp_path / "c.tif", LEVELS[:1])  # one strip, that need not be decoded
    for path in (strips, plain):
        with Slide.open(path) as slide:
            np.testing.assert_array_equal(slide.read(0, 0, 0, WIDTH, HEIGHT), LEVELS[0])


def test_a_picture_of_many_px_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (14_000, 14_000)).save(tmp_path / "bomb.png")
    with pytest.raises(HistotileError, match="can only be decoded whole, which takes"):
        Slide.open(tmp_path / "bomb.png")


def test_the_other_reader_can_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", LEVELS[:1])
    with pytest.raises(HistotileError, match="TIFF in strips"):
        Slide.open(path, reader="openslide")
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(b"no picture at all")
        file.flush()
        with pytest.raises(HistotileError, match="no slide format"):
            Slide.open(Path(file.name), reader="image")
