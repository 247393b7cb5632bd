"""A slide that was replaced, changed or moved is noticed, and a copy is not."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.io.identity import check_same
from histotile.slides.identity import check_identity, identify

WriteSlide = Callable[..., Path]
PICTURE = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)


def test_a_copy_is_the_same_slide_whatever_its_name_and_date(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    path = write_slide(tmp_path / "a.svs", PICTURE, aperio=True)
    copy = shutil.copyfile(path, tmp_path / "b é.svs")
    os.utime(copy, (0, 0))
    assert identify(path) == identify(copy)
    check_identity(copy, identify(path), "a")


def test_another_scan_of_the_same_size_is_noticed(tmp_path: Path, write_slide: WriteSlide) -> None:
    path = write_slide(tmp_path / "a.tif", PICTURE)
    known, length = identify(path), path.stat().st_size
    write_slide(path, PICTURE[::-1])
    path.write_bytes(path.read_bytes()[:length].ljust(length, b"\0"))
    with pytest.raises(HistotileError, match="slide a was replaced or changed") as caught:
        check_identity(path, known, "a")
    assert str(known["bytes"]) in caught.value.fact and known["digest"][:8] in caught.value.fact
    assert "tile it again" in caught.value.remedy


def test_the_length_of_any_compressed_tile_counts(tmp_path: Path, write_slide: WriteSlide) -> None:
    """Changed far from the ends, where no sampled block need lie."""
    large = np.zeros((1536, 1536, 3), np.uint8)
    path = write_slide(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 9, large.shape))
    known = identify(path)
    changed = bytearray(path.read_bytes())
    lengths = np.frombuffer(changed, np.uint8)
    assert len(lengths) > 10 * (1 << 16)
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags[325]
        place, size = tag.valueoffset, tag.valuebytecount
    changed[place + size // 2] ^= 1
    path.write_bytes(changed)
    assert identify(path) != known


def test_a_slide_that_is_gone_says_how_to_name_its_new_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"II")
    known = identify(path)
    path.rename(tmp_path / "moved.tif")
    with pytest.raises(HistotileError, match="no longer here") as caught:
        check_identity(path, known, "a")
    assert "cohort file" in caught.value.remedy
    check_identity(path, None, "a")  # a table of older make: opening will tell


def test_companions_are_part_of_a_slide(tmp_path: Path) -> None:
    (tmp_path / "a.mrxs").write_bytes(b"\xff\xd8")
    (tmp_path / "a").mkdir()
    for name in ("Slidedat.ini", "Data0000.dat"):
        (tmp_path / "a" / name).write_bytes(b"1234")
    known = identify(tmp_path / "a.mrxs")
    assert known["files"] == 3 and known["bytes"] == 10
    (tmp_path / "a" / "Data0000.dat").write_bytes(b"1235")
    assert identify(tmp_path / "a.mrxs") != known


@given(
    head=st.sampled_from([b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"]),
    rest=st.binary(max_size=300),
)
def test_no_bytes_stop_it(
    head: bytes, rest: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tif"
    path.write_bytes(head + rest)
    assert identify(path) == identify(path)


def test_directories_that_lead_round_end(tmp_path: Path) -> None:
    path = tmp_path / "round.tif"
    path.write_bytes(b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0")  # no entry, next at 8 again
    assert identify(path)["bytes"] == 14


def test_what_was_made_of_another_version_is_refused() -> None:
    known, other = ({"files": 1, "bytes": n, "digest": 32 * "a"} for n in (10, 11))
    check_same("p.parquet", known, dict(known))
    check_same("p.parquet", known, None)
    with pytest.raises(HistotileError, match=r"11 bytes.*10 bytes"):
        check_same("p.parquet", known, other)
