"""Annotation files as people pack and encode them, and archives made to harm."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.slides.annotations.read import Annotations, read_annotations
from histotile.slides.slide import Bounds

SIZE = (1000, 800)
RING = [[10, 10], [90, 10], [90, 70], [10, 70], [10, 10]]


def geojson(name: str) -> str:
    geometry = {"type": "Polygon", "coordinates": [RING]}
    properties = {"classification": {"name": name, "color": [1, 2, 3]}}
    feature = {"type": "Feature", "geometry": geometry, "properties": properties}
    return json.dumps({"type": "FeatureCollection", "features": [feature]}, ensure_ascii=False)


def asap(name: str, declaration: str = "") -> str:
    points = "".join(
        f'<Coordinate Order="{n}" X="{x}" Y="{y}"/>' for n, (x, y) in enumerate(RING[:4])
    )
    return (
        f"{declaration}<ASAP_Annotations><Annotations>"
        f'<Annotation Name="A" Type="Polygon" PartOfGroup="{name}">'
        f"<Coordinates>{points}</Coordinates></Annotation></Annotations></ASAP_Annotations>"
    )


def read(path: Path) -> Annotations:
    return read_annotations(path, Bounds(0, 0, *SIZE), SIZE)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("packed", ["", ".gz", ".zip"])
def test_geojson_in_any_encoding_and_packing(tmp_path: Path, encoding: str, packed: str) -> None:
    data = geojson("Tumör").encode(encoding)
    path = tmp_path / (f"a.geojson{packed}" if packed != ".zip" else "a.zip")
    if packed == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("folder/", "")
            archive.writestr("folder/a.geojson", data)
            archive.writestr("__MACOSX/folder/._a.geojson", b"\0\5\x16")
    else:
        path.write_bytes(gzip.compress(data) if packed else data)
    (found,) = read(path)
    assert (found.name, found.polygon.area) == ("Tumör", 4800)


@pytest.mark.parametrize(
    ("encoding", "declared", "name"),
    [
        ("utf-8", "utf-8", "Tumör"),
        ("utf-8", None, "Tumör"),
        ("utf-8-sig", "UTF-8", "Tumör"),
        ("utf-8", "utf-16", "Tumör"),  # .NET, through a string
        ("utf-16", "UTF-16", "肿瘤"),
        ("utf-16-le", None, "肿瘤"),
        ("gb2312", "gb2312", "肿瘤"),
        ("gb18030", "GB18030", "肿瘤"),
        ("shift_jis", "Shift_JIS", "腫瘍"),
        ("cp1252", "windows-1252", "Tumör"),
        ("cp1252", None, "Tumör"),
        ("cp1252", "UTF-8", "Tumör"),  # declared so, and not saved so
        ("cp1251", "windows-1251", "Опухоль"),
        ("iso-8859-1", "ISO-8859-1", "Tumör"),
    ],
)
def test_xml_in_any_encoding(
    tmp_path: Path, encoding: str, declared: str | None, name: str
) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    path = tmp_path / "a.xml"
    path.write_bytes(asap(name, declaration).encode(encoding))
    assert [a.name for a in read(path)] == [name]


@pytest.mark.parametrize("declared", ["nonsense", "zip", "rot13", "hex", "ascii"])
def test_other_encodings_are_named(tmp_path: Path, declared: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(asap("Tumör", f'<?xml version="1.0" encoding="{declared}"?>').encode())
    with pytest.raises(HistotileError, match=declared):
        read(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(geojson("x").encode().replace(b"x", b"\x81\x8d"))
    with pytest.raises(HistotileError, match="not UTF-8"):
        read(path)


def members(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, geojson("x"))
    return path


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.geojson", "b.geojson"], r"2 GeoJSON files \(a.geojson, b.geojson\)"),
        (["a.xml"], r"no GeoJSON file \(a.xml\)"),
        ([], r"no GeoJSON file \(nothing\)"),
    ],
)
def test_a_zip_of_none_or_several_is_refused(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(HistotileError, match=words):
        read(members(tmp_path / "a.zip", *names))


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_archives_that_unpack_to_absurd_sizes_are_refused(tmp_path: Path, kind: str) -> None:
    bomb = b"[" + b" " * 40_000_000 + b"]"
    path = tmp_path / f"a.{'geojson.gz' if kind == 'gz' else 'zip'}"
    if kind == "gz":
        path.write_bytes(gzip.compress(bomb))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.geojson", bomb)
    with pytest.raises(HistotileError, match="unpack to more than"):
        read(path)


@pytest.mark.parametrize("cut", [30, 60, -30])
def test_cut_archives_are_named(tmp_path: Path, cut: int) -> None:
    whole = members(tmp_path / "a.zip", "a.geojson").read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[:cut])
    with pytest.raises(HistotileError, match="damaged archive"):
        read(tmp_path / "b.zip")
    (tmp_path / "c.geojson.gz").write_bytes(gzip.compress(whole)[:cut])
    with pytest.raises(HistotileError, match="damaged archive"):
        read(tmp_path / "c.geojson.gz")
