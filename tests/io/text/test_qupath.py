"""Files that QuPath accepts at once."""

import gzip
import json
from pathlib import Path
from uuid import UUID

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from histotile.io.palette import class_colours
from histotile.io.text.qupath import feature, square, write_features

SQUARE = shapely.box(0.004, 0, 10.126, 10)


def test_a_feature_follows_the_rules_of_qupath() -> None:
    found = feature("tile", SQUARE, ("tumour", (1, 2, 3)), key="a", measurements={"prob_x": 0.5})
    assert found is not None
    assert str(UUID(found["id"])) == found["id"]
    ring = found["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1] and len(ring) == 5
    assert {c for point in ring for c in point} == {0.0, 10.13, 10.0}
    assert found["properties"] == {
        "objectType": "tile",
        "classification": {"name": "tumour", "color": [1, 2, 3]},
        "isLocked": False,
        "measurements": {"prob_x": 0.5},
    }


def test_ids_follow_their_key() -> None:
    one, same, other = (feature("tile", SQUARE, ("a", (0, 0, 0)), key=k) for k in "aab")
    assert one and same and other
    assert one["id"] == same["id"] != other["id"]


def test_single_parts_are_polygons_and_nothing_is_left_of_slivers() -> None:
    single = feature("annotation", shapely.MultiPolygon([SQUARE]), ("a", (0, 0, 0)), key="")
    assert single is not None and single["geometry"]["type"] == "Polygon"
    assert feature("annotation", shapely.box(0, 0, 0.001, 5), ("a", (0, 0, 0)), key="") is None


@settings(deadline=None)
@given(
    x=st.floats(-1e5, 3e5), y=st.floats(-1e5, 3e5), side=st.one_of(st.floats(1, 5000), st.just(224))
)
def test_squares_are_the_features_of_their_boxes(x: float, y: float, side: float) -> None:
    facts = {"prob_x": 0.5}
    quick = square("tile", (x, y), side, ("a", (1, 2, 3)), key="k", measurements=facts)
    box = shapely.box(x, y, x + side, y + side)
    slow = feature("tile", box, ("a", (1, 2, 3)), key="k", measurements=facts)
    assert slow is not None
    area, expected = shape(quick["geometry"]), shape(slow["geometry"])
    assert area.is_valid
    assert shapely.is_ccw(area.exterior)
    assert area.bounds == pytest.approx(expected.bounds, abs=0.0101)  # halves round either way
    assert all(round(c, 2) == c for c in area.bounds)
    assert {**quick, "geometry": None} == {**slow, "geometry": None}


def test_files_are_alike_plain_and_gzipped_and_the_same_each_time(tmp_path: Path) -> None:
    features = [feature("tile", SQUARE, ("a", (0, 0, 0)), key=""), None]
    plain, packed = tmp_path / "a.geojson", tmp_path / "a.geojson.gz"
    write_features(plain, features)
    write_features(packed, features)
    first = packed.read_bytes()
    write_features(packed, features)
    assert packed.read_bytes() == first
    assert gzip.decompress(first) == plain.read_bytes()
    assert len(json.loads(plain.read_text())["features"]) == 1


def test_classes_have_colours_of_their_own() -> None:
    colours = class_colours(["healthy", "a", "b", "c"])
    assert len(set(colours.values())) == 4
    assert class_colours([]) == {}
