"""What is wrong with a TIFF file comes back as one error, and nothing on the terminal."""

import logging
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from histotile.slides.diagnosis import missing_pixels
from histotile.slides.readers.tiff.tiff_file import OddTiff, open_tiff


def write(path: Path) -> Path:
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint8), tile=(32, 32), photometric="rgb")
    return path


def test_a_whole_file_opens_and_closes(tmp_path: Path) -> None:
    with open_tiff(write(tmp_path / "é😐.tif")) as tiff:
        assert tiff.pages.first.is_tiled
    assert tiff.filehandle.closed
    assert not logging.getLogger("tifffile").disabled


@pytest.mark.parametrize(
    "error", [ZeroDivisionError, TypeError, AttributeError, KeyError, ValueError, struct.error]
)
def test_whatever_tifffile_raises_at_odd_tags_is_one_error(
    tmp_path: Path, error: type[Exception]
) -> None:
    with pytest.raises(OddTiff, match="a tag"), open_tiff(write(tmp_path / "a.tif")):
        raise error("a tag")
    assert not logging.getLogger("tifffile").disabled


def test_no_height_is_no_verdict(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages.first.tags["TileLength"].valueoffset
    data = bytearray(path.read_bytes())
    data[place : place + 2] = bytes(2)
    path.write_bytes(data)
    assert missing_pixels(path) is None


def test_what_is_no_tiff_is_odd(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0" + b"junk" * 9)
    with pytest.raises(OddTiff), open_tiff(tmp_path / "a.tif") as tiff:
        assert tiff.pages.first
    with pytest.raises(OddTiff), open_tiff(tmp_path / "b.tif"):
        pass
