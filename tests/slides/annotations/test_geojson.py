"""GeoJSON of odd and hostile make: read, or refused in words; and what it tells of the rest."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.slides.annotations.read import Annotations, read_annotations
from histotile.slides.annotations.shapes import PARTLY
from histotile.slides.slide import Bounds

SIZE = (1000, 800)


def read(folder: Path, data: Any) -> Annotations:
    path = folder / "a.geojson"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_annotations(path, Bounds(0, 0, *SIZE), SIZE)


def square(x: float, y: float, side: float) -> dict[str, Any]:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def test_what_a_program_measured_is_kept_apart_with_its_area(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        [
            feature(square(10, 10, 100), classification={"name": "Tumor"}, objectType="detection"),
            feature(square(10, 10, 10), objectType="cell"),
            feature({"type": "Polygon", "coordinates": [[[0, 0]]]}, objectType="cell"),
            feature(square(500, 500, 50), classification={"name": "Tumor"}),
        ],
    )
    assert [a.polygon.area for a in found] == [2500]
    assert [(a.name, a.polygon.area) for a in found.measured] == [
        ("Tumor", 10000),
        ("unclassified", 100),
    ]
    assert found.ignored == {"detection": 1, "cell": 2}
    assert found.passed.areas == {"detection": 10000, "cell": 100}


def test_what_is_outside_and_partly_outside_is_told_with_its_area(tmp_path: Path) -> None:
    found = read(
        tmp_path, [feature(square(950, 100, 100)), feature(square(5000, 0, 10)), square(0, 0, 9)]
    )
    assert len(found) == 2
    assert found.ignored == {"outside the slide": 1}
    assert found.passed.counts[PARTLY] == 1
    assert found.passed.areas == {"outside the slide": 100, PARTLY: 5000}


def test_collections_are_opened_however_deep(tmp_path: Path) -> None:
    geometry: dict[str, Any] = square(10, 10, 10)
    for _ in range(100):
        geometry = {"type": "GeometryCollection", "geometries": [geometry]}
    point = {"type": "Point", "coordinates": [1, 1]}
    geometry["geometries"].append(point)
    found = read(tmp_path, feature(geometry))
    assert [a.polygon.area for a in found] == [100]
    assert found.ignored == {"Point": 1}


@pytest.mark.parametrize(
    ("classification", "name", "groups"),
    [
        ({"name": "Tumor: Positive"}, "Tumor: Positive", ("Tumor",)),
        ({"names": ["A", "B", "C"]}, "A: B: C", ("A: B", "A")),
        ({"name": "Tumor"}, "Tumor", ()),
    ],
)
def test_derived_classes_lie_in_those_they_derive_from(
    tmp_path: Path, classification: dict[str, Any], name: str, groups: tuple[str, ...]
) -> None:
    (found,) = read(tmp_path, feature(square(1, 1, 5), classification=classification))
    assert (found.name, found.groups) == (name, groups)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"type":"GeometryCollection","geometries":[' * 3000,
        '{"type":"Polygon","coordinates":[[[0,0],[1' + "0" * 400 + ",0],[1,1],[0,0]]]}",
        '{"type":"Polygon","coordinates":[[[0,0],[1' + "0" * 9000 + ",0],[1,1],[0,0]]]}",
        '{"type":"Polygon","coordinates":[[[0,0],[1e300,0],[1,1],[0,0]]]}',
        '{"type":"Polygon","coordinates":[[[0,0],[1e400,0],[1,1],[0,0]]]}',
        '{"type":"Polygon","coordinates":[[[0,0],[Infinity,0],[1,1],[0,0]]]}',
        '{"type":"Polygon","coordinates":{"a":1}}',
        '{"type":"FeatureCollection","features":"none"}',
        '{"type":"Feature","properties":{"childObjects":7},"geometry":null}',
        "\0",
        "",
    ],
)
def test_hostile_geojson_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(HistotileError, match=r"a\.geojson"):
        read(tmp_path, text)


KEYS = ["type", "geometry", "geometries", "coordinates", "properties", "features", "id", "names"]
KEYS += ["childObjects", "classification", "name", "objectType"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner
            | st.sampled_from(["Feature", "FeatureCollection", "Polygon", "MultiPolygon"])
            | st.sampled_from(["GeometryCollection", "detection", "Point"]),
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(json_values)
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    try:
        found = read(tmp_path_factory.mktemp("json"), data)
    except HistotileError as error:
        assert error.remedy
    else:
        assert all(annotation.polygon.area > 0 for annotation in found)


def test_shared_hostile_files_are_refused(shared_data: Path) -> None:
    folder = shared_data.parent / "cases/hostile"
    for name in ("deep", "deepgc", "overflow"):
        with pytest.raises(HistotileError):
            read_annotations(folder / f"{name}.geojson", Bounds(0, 0, *SIZE), SIZE)
    empty = read_annotations(folder / "emptygeom.geojson", Bounds(0, 0, *SIZE), SIZE)
    assert (list(empty), empty.ignored) == ([], {"no geometry": 1})
