"""Inspection: verdicts, reasons, where the mpp comes from, and triage."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import simplejpeg
import tifffile

from histotile.config import Inspect
from histotile.errors import HistotileError
from histotile.slides.inspection import Inspection, examine
from histotile.slides.mpp import find_scale
from histotile.slides.slide import Bounds, Slide
from histotile.slides.triage import triage

WriteSlide = Callable[..., Path]
SETTINGS = Inspect(
    unknown_mpp="stop", mpp_min=0.05, mpp_max=20, max_anisotropy=0.05, trust_objective_power=True
)
PICTURE = np.random.default_rng(0).integers(0, 256, (300, 200, 3)).astype(np.uint8)


def test_a_good_slide_is_described(tmp_path: Path, write_slide: WriteSlide) -> None:
    path = write_slide(tmp_path / "a.svs", PICTURE, (1, 4), aperio=True)
    found = examine(path, "a", SETTINGS)
    assert (found.verdict, found.problem, found.reason) == ("ok", None, None)
    assert (found.vendor, found.format) == ("aperio", "Aperio SVS")
    assert (found.width, found.height, found.bounds) == (200, 300, (0, 0, 200, 300))
    assert found.levels[1] == {"width": 50, "height": 75, "downsample": 4}
    assert (found.mpp, found.mpp_source) == (0.5, "property openslide.mpp-x")
    assert found.objective_power == 20
    assert found.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.bytes, found.hashed) == (path.stat().st_size, ["a.svs"])
    assert found.reader == "openslide"
    assert "not JPEG" in found.reader_note
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Inspection.from_json(again) == found


def test_the_reader_is_told_after_comparing_all_levels(
    tmp_path: Path, write_jpeg_slide: WriteSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_jpeg_slide(tmp_path / "a.svs", [PICTURE, PICTURE[::2, ::2]], aperio=True)
    found = examine(path, "a", SETTINGS)
    assert (found.verdict, found.reader, found.reader_note) == ("ok", "direct", "")
    decode = simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *a, **k: decode(*a, **k) ^ 4)
    found = examine(path, "a", SETTINGS)
    assert (found.verdict, found.reader) == ("ok", "openslide")
    notes = [f"pixels of level {level} would differ by up to 4" for level in (0, 1)]
    assert found.reader_note == "; ".join(notes)


MPP = {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.25"}
POWER = {"openslide.objective-power": "40"}
DPI_72 = {"tiff.ResolutionUnit": "inch", "tiff.XResolution": "72", "tiff.YResolution": "72"}
TAG = {
    "tiff.ResolutionUnit": "centimeter",
    "tiff.XResolution": "20000",
    "tiff.YResolution": "20000",
}


@pytest.mark.parametrize(
    ("properties", "vendor", "column", "mpp", "source"),
    [
        (MPP | POWER, "aperio", 0.3, 0.3, "cohort column"),
        (MPP | POWER, "aperio", None, 0.25, "property openslide.mpp-x"),
        (MPP, "generic-tiff", None, 0.25, "TIFF tag"),
        (TAG | POWER, "aperio", None, 0.5, "TIFF tag"),
        (POWER, "aperio", None, 0.25, "objective power 40"),
        (DPI_72 | POWER, "aperio", None, 0.25, "objective power 40"),
    ],
)
def test_the_mpp_comes_from_the_first_source(
    properties: dict[str, str], vendor: str, column: float | None, mpp: float, source: str
) -> None:
    found = find_scale(properties, vendor, SETTINGS, column)
    assert (found.mpp, found.source, found.reason) == (mpp, source, None)


@pytest.mark.parametrize(
    ("properties", "column", "words"),
    [
        ({}, None, "the file says nothing"),
        ({"openslide.mpp-x": "nan", "openslide.mpp-y": "inf"}, None, "says nothing"),
        (
            {"openslide.mpp-x": "0.005", "openslide.mpp-y": "0.005"} | POWER,
            None,
            "0.005 um/px from property",
        ),
        (MPP, 250.0, "250 um/px from cohort column is impossible: outside 0.05-20"),
        (DPI_72, None, "352.8 um/px from TIFF tag"),
        (
            {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.27"},
            None,
            "0.25 x 0.27 .* differ by 8%",
        ),
    ],
)
def test_an_unusable_mpp_is_named_with_value_and_source(
    properties: dict[str, str], column: float | None, words: str
) -> None:
    found = find_scale(properties, "aperio", SETTINGS, column)
    assert found.mpp is None
    assert found.reason is not None
    assert re.search(words, found.reason)


def test_objective_power_counts_only_if_trusted() -> None:
    wary = SETTINGS.model_copy(update={"trust_objective_power": False})
    found = find_scale(POWER, "aperio", wary)
    assert found.mpp is None
    assert "objective power 40 is not trusted" in str(found.reason)


def test_remarks_name_what_was_passed_over_and_contradictions() -> None:
    assert "352.8" in find_scale(DPI_72 | POWER, "aperio", SETTINGS).remarks[0]
    (remark,) = find_scale(MPP, "aperio", SETTINGS, 0.3).remarks
    assert "0.3" in remark and "0.25" in remark


def test_generic_tiff_scale_comes_from_its_tag(tmp_path: Path, write_slide: WriteSlide) -> None:
    found = examine(write_slide(tmp_path / "a.tif", PICTURE, mpp=0.25), "a", SETTINGS)
    assert found.mpp == pytest.approx(0.25, rel=1e-4)
    assert found.mpp_source == "TIFF tag"


def broken(tmp_path: Path, write_slide: WriteSlide) -> dict[str, tuple[Path, str]]:
    whole = write_slide(tmp_path / "whole.svs", PICTURE, (1, 4), aperio=True).read_bytes()
    with tifffile.TiffFile(tmp_path / "whole.svs") as tiff:
        middle_tile = tiff.pages[1].dataoffsets[0]
    damaged = bytearray(whole)
    damaged[middle_tile : middle_tile + 40] = b"\xff" * 40
    texts = {
        "empty.svs": (b"", "zero bytes"),
        "cut.svs": (whole[: len(whole) // 2], "cut short"),
        "header.svs": (whole[:100], "cut short|damaged"),
        "level.svs": (bytes(damaged), "level 1 opens but its pixels do not read"),
        "page.svs": (b"<!DOCTYPE html><html>", "web page"),
        "lfs.svs": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        "junk.svs": (b"junk" * 300, "no .svs slide despite its name"),
        "junk.xyz": (b"junk" * 300, "no slide format"),
        "alone.mrxs": (b"\xff\xd8\xff junk", "companion file missing: alone/Slidedat.ini"),
        "alone.vms": (
            b"[Virtual Microscope Specimen]\nNoLayers=1\nImageFile=a(0,0).jpg\nMapFile=m.jpg\n",
            "companion file missing: a",
        ),
    }
    files = {}
    for name, (data, words) in texts.items():
        (tmp_path / name).write_bytes(data)
        files[name] = (tmp_path / name, words)
    files["none.svs"] = (tmp_path / "none.svs", "no such file")
    files["folder"] = (tmp_path, "a folder")
    return files


def test_broken_files_are_quarantined_with_a_reason(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    for name, (path, words) in broken(tmp_path, write_slide).items():
        found = examine(path, name, SETTINGS, mpp=0.5)
        assert (found.verdict, found.problem) == ("quarantined", "unreadable"), name
        assert re.search(words, str(found.reason)), (name, found.reason)
        assert "remedy" in str(found.reason)
        json.dumps(found.to_json(), allow_nan=False)


def test_opening_a_broken_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "é😐.svs").write_bytes(b"")
    with pytest.raises(HistotileError, match=r"é😐\.svs: the file is empty"):
        Slide.open(tmp_path / "é😐.svs")


def test_a_pipe_is_no_slide_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.svs")
    for path in (tmp_path / "pipe.svs", Path("/dev/null")):
        with pytest.raises(HistotileError, match="pipe or device"):
            Slide.open(path)


def test_missing_low_levels_are_remarked(tmp_path: Path, write_slide: WriteSlide) -> None:
    long = np.full((64, 20_500, 3), 230, np.uint8)
    found = examine(write_slide(tmp_path / "a.tif", long), "a", SETTINGS)
    assert found.verdict == "ok"
    assert "low levels are missing" in found.warnings[0]
    dark = examine(write_slide(tmp_path / "b.tif", PICTURE // 20), "b", SETTINGS)
    assert "background is black" in dark.warnings[0]


def test_bounds_are_read_and_kept_inside_the_slide(
    tmp_path: Path, write_slide: WriteSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_slide(tmp_path / "a.tif", PICTURE)
    for values, expected in (
        ((20, 30, 100, 200), Bounds(20, 30, 100, 200)),
        ((150, 30, 100, 200), Bounds(150, 30, 50, 200)),
        ((900, 30, 100, 200), Bounds(0, 0, 200, 300)),
    ):
        names = ("x", "y", "width", "height")
        properties = {f"openslide.bounds-{n}": str(v) for n, v in zip(names, values, strict=True)}
        monkeypatch.setattr(openslide.OpenSlide, "properties", properties)
        with Slide.open(path) as slide:
            assert slide.bounds == expected


def test_companions_count_in_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "a.mrxs").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "a").mkdir()
    for name in ("Slidedat.ini", "Index.dat", "Data0000.dat"):
        (tmp_path / "a" / name).write_bytes(name.encode())
    first = examine(tmp_path / "a.mrxs", "a", SETTINGS)
    assert first.hashed == ["a.mrxs", "a/Data0000.dat", "a/Index.dat", "a/Slidedat.ini"]
    (tmp_path / "a" / "Data0000.dat").write_bytes(b"other pixels")
    assert examine(tmp_path / "a.mrxs", "a", SETTINGS).checksum != first.checksum


def inspections(tmp_path: Path, write_slide: WriteSlide) -> list[Inspection]:
    good = write_slide(tmp_path / "good.svs", PICTURE, aperio=True)
    unknown = write_slide(tmp_path / "unknown.tif", PICTURE[:, ::-1], mpp=None)
    other = write_slide(tmp_path / "other.tif", PICTURE[::-1], mpp=100.0)
    (tmp_path / "empty.svs").write_bytes(b"")
    (tmp_path / "empty2.svs").write_bytes(b"")
    paths = [good, unknown, other, tmp_path / "empty.svs", tmp_path / "empty2.svs"]
    return [examine(path, path.stem, SETTINGS) for path in paths]


def test_triage_names_all_slides_without_mpp_and_the_remedy(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    with pytest.raises(HistotileError) as caught:
        triage(inspections(tmp_path, write_slide), SETTINGS)
    text = str(caught.value)
    assert "unknown:" in text and "other: mpp unknown: mpp 100 um/px" in text
    assert "good" not in text and "empty" not in text
    assert "column `mpp` of the cohort file" in caught.value.remedy


def test_triage_quarantines_if_asked_and_unreadable_slides_never_stop(
    tmp_path: Path, write_slide: WriteSlide
) -> None:
    lenient = SETTINGS.model_copy(update={"unknown_mpp": "quarantine"})
    rows: list[dict[str, Any]] = triage(inspections(tmp_path, write_slide), lenient)
    assert [(r["slide_id"], r["verdict"], r["problem"]) for r in rows] == [
        ("good", "ok", None),
        ("unknown", "quarantined", "mpp"),
        ("other", "quarantined", "mpp"),
        ("empty", "quarantined", "unreadable"),
        ("empty2", "quarantined", "unreadable"),
    ]
    assert list(rows[0]) == [
        "slide_id", "verdict", "problem", "reason", "mpp", "mpp_source", "checksum", "path",
        "warnings",
    ]  # fmt: skip


def test_triage_names_both_rows_of_one_slide(tmp_path: Path, write_slide: WriteSlide) -> None:
    first = write_slide(tmp_path / "first.svs", PICTURE, aperio=True)
    (tmp_path / "second.svs").write_bytes(first.read_bytes())
    both = [examine(tmp_path / f"{n}.svs", n, SETTINGS) for n in ("first", "second")]
    with pytest.raises(
        HistotileError, match=r"first = second: equal files: .*first.svs, .*second.svs"
    ):
        triage(both, SETTINGS)


def test_shared_slides_and_broken_files(shared_data: Path) -> None:
    expected: dict[str, str | tuple[float, str]] = {
        "slides/CMU-1-Small-Region.svs": (0.499, "property openslide.mpp-x"),
        "slides/osp_emoji😐.svs": (0.499, "property openslide.mpp-x"),
        "slides/ndpi_test3-DAPI-2-(387).ndpi": (0.2281750559028887, "property openslide.mpp-x"),
        "slides/TCGA-CR-7395-01A-01-TS1.svs": "says nothing",
        "slides/CMU-1-Small-Region-wrong-mpp.tiff": "0.00499 um/px from TIFF tag",
        "slides/camelyon16-lowres.dcm": "28.97 um/px from property openslide.mpp-x",
        "broken/panimg_invalid_resolutions_tiff.tif": "says nothing",
        "broken/wsiprocess_corrupted.ndpi": "zero bytes",
        "broken/histolab_broken.svs": "despite its name",
        "broken/osp_unopenable.tiff": "compression",
        "broken/osp_unreadable.svs": "pixels do not read",
        "broken/wsic_CMU-1-Small-Region.jp2.tiff": "0.00499 um/px from TIFF tag",
        "broken/wsic_CMU-1-Small-Region.webp.tiff": "0.00499 um/px from TIFF tag",
        "broken/libvips_sample.tif": "84.67 um/px from TIFF tag",
        "broken/pathml_smalltif.tif": "264.6 um/px from TIFF tag",
        "broken/panimg_complex_tiff/Mirax2-Fluorescence-1.mrxs": "5 companion files",
    }
    for name, fact in expected.items():
        found = examine(shared_data / name, "s", SETTINGS)
        if isinstance(fact, tuple):
            assert (found.mpp, found.mpp_source) == fact, name
        else:
            assert fact in str(found.reason), (name, found.reason)
