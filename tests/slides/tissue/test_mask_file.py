"""Tissue masks as image files: what they may claim, and what they show."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides.tissue.mask_file import read_levels
from histotile.slides.tissue.tissue import GLASS, INK, TISSUE, Survey
from histotile.stages.mask import write_mask


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims these sides."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def test_bright_is_tissue(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 127], [128, 255]], np.uint8)).save(tmp_path / "m.png")
    assert read_levels(tmp_path / "m.png").tolist() == [[0, 0], [255, 255]]


def test_grey_rims_of_masks_by_another_hand_are_no_ink(tmp_path: Path) -> None:
    levels = np.array([[GLASS, INK, TISSUE]], np.uint8)
    Image.fromarray(levels).save(tmp_path / "theirs.png")
    assert read_levels(tmp_path / "theirs.png").tolist() == [[GLASS, GLASS, TISSUE]]
    write_mask(tmp_path / "ours.png", Survey(levels, []))
    assert read_levels(tmp_path / "ours.png").tolist() == levels.tolist()


@pytest.mark.parametrize("side", [12_000, 14_000, 100_000])
def test_sizes_that_no_mask_has_are_refused_unread(tmp_path: Path, side: int) -> None:
    (tmp_path / "m.png").write_bytes(bomb(side, side))
    with pytest.raises(HistotileError, match="too large for a mask"):
        read_levels(tmp_path / "m.png")


@pytest.mark.parametrize("content", [b"", b"text", bomb(20, 20)])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.png").write_bytes(content)
    with pytest.raises(HistotileError, match="not a readable mask"):
        read_levels(tmp_path / "m.png")
