"""The files of a DICOM series are one slide, whichever of them is named."""

import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.config import Inspect
from histotile.config.yaml_file import read_config
from histotile.errors import HistotileError
from histotile.slides.identity import identify
from histotile.slides.inspection import Inspection, examine
from histotile.slides.metadata.dicom import choose_instance, find_series, read_instance
from histotile.slides.opening.files import slide_files
from histotile.slides.slide import Slide
from histotile.slides.triage import triage

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2"


def element(tag: tuple[int, int], vr: str, value: bytes, implicit: bool = False) -> bytes:
    """A data element of stated length, or a sequence that ends by its delimiter."""
    head = struct.pack("<HH", *tag)
    if vr == "SQ":
        length = b"\xff\xff\xff\xff"
        end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        return head + (length if implicit else b"SQ\0\0" + length) + value + end
    value += b"\0" * (len(value) % 2)
    if implicit:
        return head + struct.pack("<I", len(value)) + value
    return head + vr.encode() + struct.pack("<H", len(value)) + value


def item(value: bytes) -> bytes:
    """An item of unstated length."""
    begin, end = (struct.pack("<HHI", 0xFFFE, e, n) for e, n in ((0xE000, 2**32 - 1), (0xE00D, 0)))
    return begin + value + end


def dicom(series: str, kind: str = "VOLUME", implicit: bool = False) -> bytes:
    """A header that refers to another series before it names its own."""
    syntax = (IMPLICIT if implicit else EXPLICIT).encode()
    other = element((0x0020, 0x000E), "UI", b"9.9.9", implicit)
    return (
        bytes(128)
        + b"DICM"
        + element((0x0002, 0x0010), "UI", syntax)
        + element((0x0008, 0x0008), "CS", f"ORIGINAL\\PRIMARY\\{kind}\\NONE".encode(), implicit)
        + element((0x0008, 0x1115), "SQ", item(other + element(
            (0x0008, 0x1199), "SQ", item(other), implicit)), implicit)
        + element((0x0020, 0x000D), "UI", b"1.2", implicit)
        + element((0x0020, 0x000E), "UI", series.encode(), implicit)
        + element((0x0020, 0x0011), "IS", b"1", implicit)
    )  # fmt: skip


def write(folder: Path, names: Sequence[str], series: str = "1.2.3") -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.dcm").write_bytes(dicom(series, name.split("-")[0].upper()))
    return folder


@pytest.mark.parametrize("implicit", [False, True])
def test_a_header_tells_series_and_kind(tmp_path: Path, implicit: bool) -> None:
    (tmp_path / "a").write_bytes(dicom("1.2.3", "LABEL", implicit))
    assert read_instance(tmp_path / "a") == (tmp_path / "a", "1.2.3", "LABEL")


@given(cut=st.integers(0, 400), junk=st.binary(max_size=64))
def test_no_header_stops_it(
    cut: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.dcm"
    path.write_bytes(dicom("1.2.3")[:cut] + junk)
    found = read_instance(path)
    assert found is None or found.path == path


def test_a_folder_is_the_slide_whose_levels_lie_in_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", ["label", "overview", "thumbnail", "volume-0", "volume-1"])
    (folder / "readme.txt").write_text("no DICOM")
    assert choose_instance(folder) == folder / "volume-0.dcm"
    assert len(find_series(folder)["1.2.3"]) == 5
    assert slide_files(folder) == slide_files(folder / "label.dcm")
    assert identify(folder) == identify(folder / "volume-1.dcm")


def test_files_of_other_slides_beside_it_are_none_of_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", ["volume-0", "label"])
    before = identify(folder / "volume-0.dcm")
    (folder / "other.dcm").write_bytes(dicom("7.7"))
    assert identify(folder / "volume-0.dcm") == before
    with pytest.raises(HistotileError, match="2 DICOM series") as caught:
        choose_instance(folder)
    assert "other.dcm" in caught.value.remedy and "volume-0.dcm" in caught.value.remedy


def test_label_and_overview_alone_are_no_slide(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", ["label", "overview"])
    with pytest.raises(HistotileError, match="label, overview"):
        Slide.open(folder)
    with pytest.raises(HistotileError, match="the label of a DICOM slide"):
        Slide.open(folder / "label.dcm")


@pytest.fixture(scope="module")
def series(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real series with a label and a thumbnail, made of one of its levels."""
    folder = tmp_path_factory.mktemp("dicom") / "slide é"
    shutil.copytree(shared_data / "slides/cmu1_small_region_dicom", folder)
    level = (folder / "level-4-frames-0-1.dcm").read_bytes()
    begin = level.index(b"DERIVED\\PRIMARY")
    (length,) = struct.unpack("<H", level[begin - 2 : begin])
    for kind in ("LABEL", "THUMBNAIL"):
        named = f"ORIGINAL\\PRIMARY\\{kind}\\NONE".encode()
        named += b" " * (len(named) % 2)
        changed = struct.pack("<H", len(named)) + named + level[begin + length :]
        (folder / f"{kind.lower()}.dcm").write_bytes(level[: begin - 2] + changed)
    return folder


def inspections(settings: Inspect, *paths: Path) -> list[Inspection]:
    return [examine(path, path.stem, settings) for path in paths]


def test_rows_of_one_series_stop_and_may_be_accepted(series: Path, repository: Path) -> None:
    settings = read_config(repository / "config/config.yaml").inspect
    names = ("label.dcm", "thumbnail.dcm", "level-0-frames-0-30.dcm")
    found = inspections(settings, series, *(series / name for name in names))
    assert {(i.width, i.height) for i in found} == {(2220, 2967)}
    assert len({i.series for i in found}) == 1 and found[0].series
    assert "label.dcm is the label" in found[1].warnings[0]
    usable = [Inspection(**(vars(i) | {"verdict": "ok", "problem": None})) for i in found]
    with pytest.raises(HistotileError, match="files of one DICOM series") as caught:
        triage(usable, settings)
    (finding,) = {word for word in str(caught.value).split() if word.startswith("[duplicate-")}
    rows = triage(usable, settings, {finding.strip("[]"): "a test"})
    assert all("accepted by the user: a test" in str(row["warnings"]) for row in rows)
    assert triage(usable[:1], settings)[0]["verdict"] == "ok"
