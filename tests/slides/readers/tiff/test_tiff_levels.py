"""Which tiled pages of a TIFF are which level, and what is left to OpenSlide."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.slides.readers.tiff.tiff_levels import (
    Array,
    OddSlide,
    TiffLevel,
    find_levels,
    missing_tiles,
    read_array,
)

WriteSlide = Callable[..., Path]
LEVELS = [np.full((300, 200, 3), 200, np.uint8), np.full((75, 50, 3), 100, np.uint8)]
SIZES = [(200, 300), (50, 75)]


@pytest.mark.parametrize(
    "how", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"bigtiff": True, "byteorder": ">"}]
)
def test_levels_and_their_tables_are_found(
    tmp_path: Path, write_jpeg_slide: WriteSlide, how: dict[str, Any]
) -> None:
    path = write_jpeg_slide(tmp_path / "é😐.tif", LEVELS, tables=True, **how)
    levels = find_levels(path, SIZES, "generic-tiff")
    with tifffile.TiffFile(path) as tiff, path.open("rb") as file:
        for level, page, size in zip(levels, tiff.pages, SIZES, strict=True):
            assert isinstance(page, tifffile.TiffPage)
            assert (level.width, level.height) == size
            assert (level.tile_width, level.tile_height) == (64, 64)
            assert (level.across, level.down) == (-(-size[0] // 64), -(-size[1] // 64))
            assert (level.compression, level.photometric) == (7, 6)
            assert level.tables == page.jpegtables
            number = file.fileno()
            assert tuple(read_array(number, level.offsets)) == page.dataoffsets
            assert tuple(read_array(number, level.byte_counts)) == page.databytecounts


def test_a_page_of_one_tile_keeps_its_numbers_in_the_entry(
    tmp_path: Path, write_jpeg_slide: WriteSlide
) -> None:
    path = write_jpeg_slide(tmp_path / "a.tif", [LEVELS[1]], tile_px=128)
    level = find_levels(path, [SIZES[1]], "generic-tiff")[0]
    with path.open("rb") as file:
        begin, count = (
            int(read_array(file.fileno(), table)[0]) for table in (level.offsets, level.byte_counts)
        )
        assert os.pread(file.fileno(), count, begin)[:2] == b"\xff\xd8"
    assert begin + count <= path.stat().st_size


def write_odd(path: Path, what: str, write_jpeg_slide: WriteSlide) -> None:
    white: dict[str, Any] = {"tile": (64, 64), "metadata": None}
    match what:
        case "deflate":
            tifffile.imwrite(path, LEVELS[0], photometric="rgb", compression="deflate", **white)
        case "jpeg 2000":
            tiles = iter([b"1", b"2"])
            form: dict[str, Any] = {"shape": (64, 128, 3), "dtype": "uint8", "compression": 33003}
            tifffile.imwrite(path, tiles, photometric="rgb", **form, **white)
        case "alike":
            write_jpeg_slide(path, [LEVELS[0], LEVELS[0]])
        case "grey":
            grey = LEVELS[0][..., 0]
            tifffile.imwrite(path, grey, photometric="minisblack", compression="jpeg", **white)
        case "planes":
            planes = np.moveaxis(LEVELS[0], -1, 0)
            planar: dict[str, Any] = {"planarconfig": "separate", "compression": "jpeg"}
            tifffile.imwrite(path, planes, photometric="rgb", **planar, **white)
        case "strips":
            tifffile.imwrite(path, LEVELS[0], photometric="rgb", metadata=None)
        case "junk":
            path.write_bytes(b"II*\0" + b"junk" * 40)
        case "no height":
            write_jpeg_slide(path, [LEVELS[0]])
            with tifffile.TiffFile(path) as tiff:
                at = tiff.pages.first.tags["TileLength"].valueoffset
            with path.open("r+b") as file:
                file.seek(at)
                file.write(bytes(2))
        case "cut":
            data = write_jpeg_slide(path, [LEVELS[0]]).read_bytes()
            path.write_bytes(data[:60])


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("deflate", "compressed by DEFLATE, not JPEG"),
        ("jpeg 2000", "compressed by APERIO_JP2000_YCBC, not JPEG"),
        ("alike", "2 tiled pages are 200 x 300 px, not one"),
        ("grey", "photometric kind 1"),
        ("planes", "not interleaved RGB of 8 bits"),
        ("strips", "0 tiled pages are 200 x 300 px"),
        ("junk", "not understood|0 tiled pages"),
        ("no height", "not understood: .*zero"),
        ("cut", "not understood|0 tiled pages"),
    ],
)
def test_what_is_odd_is_left_to_openslide_with_a_reason(
    tmp_path: Path, write_jpeg_slide: WriteSlide, what: str, words: str
) -> None:
    write_odd(tmp_path / "odd.tif", what, write_jpeg_slide)
    with pytest.raises(OddSlide, match=words):
        sizes = [(128, 64)] if what == "jpeg 2000" else SIZES[:1]
        find_levels(tmp_path / "odd.tif", sizes, "generic-tiff")


def test_other_vendors_are_left_to_openslide(tmp_path: Path, write_jpeg_slide: WriteSlide) -> None:
    path = write_jpeg_slide(tmp_path / "a.tif", LEVELS)
    with pytest.raises(OddSlide, match="hamamatsu slides"):
        find_levels(path, SIZES, "hamamatsu")


def test_a_table_beyond_the_end_of_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(8)))
    with (tmp_path / "a").open("rb") as file:
        assert read_array(file.fileno(), Array(2, 2, ">u2")).tolist() == [0x0203, 0x0405]
        with pytest.raises(OSError, match="ends within"):
            read_array(file.fileno(), Array(6, 2, "<u4"))


def grid(across: int, down: int) -> TiffLevel:
    nothing = Array(0, across * down, "<u4")
    return TiffLevel(across * 64, down * 64, 64, 64, 7, 6, b"", nothing, nothing)


@given(across=st.integers(1, 9), down=st.integers(1, 9), data=st.data())
def test_what_lies_over_a_missing_tile_is_missing(
    across: int, down: int, data: st.DataObject
) -> None:
    counts: NDArray[np.int64] = np.array(
        data.draw(
            st.lists(st.integers(0, 2), min_size=16 * across * down, max_size=16 * across * down)
        )
    )
    coarse = np.ones(across * down, np.int64)
    levels = [(grid(4 * across, 4 * down), counts), (grid(across, down), coarse)]
    fine_missing, missing = missing_tiles(levels)
    expected = (counts == 0).reshape(down, 4, across, 4)
    np.testing.assert_array_equal(fine_missing.ravel(), counts == 0)
    np.testing.assert_array_equal(missing, expected.any(axis=(1, 3)))
