"""Annotations of every taken format, their frames, their holes, and their mistakes."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from shapely import affinity
from shapely.geometry import MultiPolygon, Point, Polygon, box

from histotile.errors import HistotileError
from histotile.slides.annotations.read import (
    Annotation,
    Annotations,
    read_annotations,
    read_layers,
    write_geojson,
)
from histotile.slides.slide import Bounds

SIZE = (4000, 3000)
WHOLE = Bounds(0, 0, *SIZE)
SHIFTED = Bounds(300, 200, 3000, 2500)
SQUARE = [[100, 100], [500, 100], [500, 400], [100, 400], [100, 100]]
HOLE = [[200, 200], [300, 200], [300, 300], [200, 300], [200, 200]]


def feature(coordinates: Any, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def read_json(folder: Path, data: Any, bounds: Bounds = WHOLE) -> Annotations:
    path = folder / "a.geojson"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_annotations(path, bounds, SIZE)


def read_text(folder: Path, name: str, text: str) -> Annotations:
    (folder / name).write_text(text)
    return read_annotations(folder / name, SHIFTED, SIZE)


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        ({"classification": {"name": "Tumor", "color": [200, 0, 0]}}, "Tumor"),
        ({"classification": "Stroma"}, "Stroma"),
        ({"classification": {"names": ["Tumor", "Positive"]}}, "Tumor: Positive"),
        ({"objectType": "annotation", "name": "Region 1"}, "Region 1"),
        ({"classification": {"name": "Tumor"}, "name": "Region 1"}, "Tumor"),
        ({"group": "Other", "label": "Tumor"}, "Tumor"),
        ({"class": 0}, "0"),
        ({"classification": None, "name": "Tumor"}, "unclassified"),
        ({"classification": {"name": None, "color": [1, 2, 3]}, "isLocked": True}, "unclassified"),
        ({}, "unclassified"),
    ],
)
def test_geojson_names(tmp_path: Path, properties: dict[str, Any], name: str) -> None:
    assert [a.name for a in read_json(tmp_path, feature([SQUARE], **properties))] == [name]


def test_geojson_wrappings_mean_the_same(tmp_path: Path) -> None:
    one = feature([SQUARE, HOLE], classification="Tumor", measurements={"x": float("nan")})
    parent = feature([[[0, 0], [900, 0], [900, 900], [0, 0]]])
    wrapped: list[Any] = [
        one,
        [one],
        {"type": "FeatureCollection", "features": [one]},
        {"type": "Feature", "geometry": None, "properties": {}, "childObjects": [one]},
    ]
    for data in wrapped:
        (found,) = read_json(tmp_path, data)
        assert found.polygon.equals(Polygon(SQUARE, [HOLE]))
    assert len(read_json(tmp_path, {**parent, "childObjects": [one]})) == 2
    assert len(read_json(tmp_path, one["geometry"])) == 1
    path = tmp_path / "b.json.gz"
    path.write_bytes(gzip.compress(json.dumps(one).encode()))
    assert read_annotations(path, WHOLE, SIZE)[0].polygon.area == 400 * 300 - 100 * 100


def test_geojson_counts_from_the_bounds(tmp_path: Path) -> None:
    (found,) = read_json(tmp_path, feature([SQUARE]), SHIFTED)
    assert found.polygon.bounds == (400, 300, 800, 600)


def test_files_of_a_slide_are_layers(tmp_path: Path) -> None:
    first, second = tmp_path / "a.geojson", tmp_path / "b.geojson"
    first.write_text(json.dumps([feature([SQUARE], label="x"), feature([5, 5], "Point")]))
    second.write_text(json.dumps([feature([SQUARE], label="y"), feature([5, 5], "Point")]))
    found = read_layers([first, second], SHIFTED, SIZE)
    assert [(a.name, a.layer) for a in found] == [("x", 0), ("y", 1)]
    assert {a.polygon.bounds for a in found} == {(400, 300, 800, 600)}
    assert found.ignored == {"Point": 2}


def test_what_is_no_area_is_counted(tmp_path: Path) -> None:
    data = [
        feature([SQUARE], classification="Tumor"),
        feature([5, 5], "Point"),
        feature([[5, 5], [6, 6]], "MultiPoint"),
        feature([[5, 5], [6, 6]], "LineString"),
        feature([SQUARE], objectType="cell"),
        feature([SQUARE], objectType="detection"),
        feature([[[5, 5], [6, 6], [7, 7], [5, 5]]]),
        feature([[[9000, 9000], [9001, 9000], [9001, 9001], [9000, 9000]]]),
    ]
    found = read_json(tmp_path, data)
    assert len(found) == 1
    assert found.ignored == {
        "Point": 1,
        "MultiPoint": 1,
        "LineString": 1,
        "cell": 1,
        "detection": 1,
        "outline without area": 1,
        "outside the slide": 1,
    }


def test_crossing_outlines_are_mended(tmp_path: Path) -> None:
    bow_tie = [[0, 0], [100, 100], [100, 0], [0, 100], [0, 0]]
    (found,) = read_json(tmp_path, feature([bow_tie]))
    assert found.polygon.is_valid
    assert found.polygon.area == pytest.approx(5000)
    parts = [[SQUARE, HOLE], [[[600, 600], [700, 600], [700, 700], [600, 600]]]]
    (found,) = read_json(tmp_path, feature(parts, "MultiPolygon"))
    assert isinstance(found.polygon, MultiPolygon)
    assert found.polygon.area == 110000 + 5000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"type": "Feature",', "line 1, column"),
        ('{"a": 1}', "`type` is missing"),
        ("[1]", "`type` is missing"),
        (json.dumps(feature([[[0, 0], [None, 1], [1, 1], [0, 0]]])), "feature 1"),
        (json.dumps([feature([SQUARE]), feature("nonsense")]), "feature 2"),
        (json.dumps(feature([[[0, 0], [1, float("nan")], [1, 1], [0, 0]]])), "feature 1"),
        (json.dumps(feature([[[9000, 0], [9001, 0], [9001, 1], [9000, 0]]])), "outside the slide"),
    ],
)
def test_malformed_geojson_names_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(HistotileError, match=words) as caught:
        read_json(tmp_path, text)
    assert "a.geojson" in str(caught.value)


def asap(annotations: str) -> str:
    return f"<ASAP_Annotations><Annotations>{annotations}</Annotations></ASAP_Annotations>"


def asap_shape(points: Sequence[tuple[float, float]], group: str, kind: str = "Polygon") -> str:
    coordinates = "".join(
        f'<Coordinate Order="{order}" X="{x}" Y="{y}"/>'
        for order, (x, y) in reversed(list(enumerate(points)))
    )
    return (
        f'<Annotation Name="A" Type="{kind}" PartOfGroup="{group}">'
        f"<Coordinates>{coordinates}</Coordinates></Annotation>"
    )


def test_asap_groups_splines_holes_and_dots(tmp_path: Path) -> None:
    outline = [(100, 100), (500, 100), (500, 400), (100, 400)]
    text = asap(
        asap_shape(outline, "Tumor")
        + asap_shape([(1000, 100), (1400, 100), (1400, 400)], "None", "Spline")
        + asap_shape([(200, 200), (300, 200), (300, 300), (200, 300)], "Exclusion", "Rectangle")
        + asap_shape([(7, 7)], "Tumor", "Dot")
    )
    found = read_text(tmp_path, "a.xml", text)
    assert [(a.name, a.polygon.area) for a in found] == [("Tumor", 110000), ("None", 60000)]
    assert found[0].polygon.bounds == (100, 100, 500, 400)  # absolute: bounds are not added
    assert found.ignored == {"Dot": 1}


def region(points: Sequence[tuple[float, float]], **attributes: str) -> str:
    written = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
    return f"<Region {written}><Vertices>{vertices}</Vertices></Region>"


def test_imagescope_layers_holes_rectangles_and_ellipses(tmp_path: Path) -> None:
    outline = [(100.0, 100.0), (500.0, 100.0), (500.0, 400.0), (100.0, 400.0)]
    hole = region([(200, 200), (300, 200), (300, 300), (200, 300)], Type="0", NegativeROA="1")
    layers = (
        '<Annotation Id="1" Name="Tumor"><Regions>'
        + region(outline, Type="0", NegativeROA="0", Text="ignored")
        + hole
        + "</Regions></Annotation>"
        + '<Annotation Id="2" Name=""><Regions>'
        + region([(100, 100), (500, 400)], Type="Rectangle", Text="Stroma")
        + region([(1000, 1000), (1200, 1100)], Type="2")
        + region([(1, 1), (2, 2)], Type="3")
        + "</Regions></Annotation>"
    )
    text = f'<Annotations MicronsPerPixel="0.25">{layers}</Annotations>'
    found = read_text(tmp_path, "a.xml", text)
    assert [a.name for a in found] == ["Tumor", "Stroma", "Layer 2"]
    assert [a.polygon.area for a in found[:2]] == [110000, 120000]
    assert found[2].polygon.area == pytest.approx(np.pi * 100 * 50, rel=0.01)
    assert found[2].polygon.bounds == pytest.approx((1000, 1000, 1200, 1100), abs=1)
    assert found.ignored == {"arrow": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<ASAP_Annotations>", "valid XML"),
        ("<html></html>", "unknown kind"),
        (asap(asap_shape([(1, 2), (float("nan"), 3), (3, 3)], "T")), "annotation 1: X"),
        (
            '<!DOCTYPE a [<!ENTITY x "y">]><ASAP_Annotations>&x;</ASAP_Annotations>',
            "safe, valid XML",
        ),
    ],
)
def test_malformed_xml_names_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(HistotileError, match=words):
        read_text(tmp_path, "a.xml", text)


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_a_label_mask_gives_the_exact_area_of_each_value(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int, columns: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, (rows, columns)).astype(np.uint8)
    path = tmp_path_factory.mktemp("mask") / "m.png"
    Image.fromarray(labels).save(path)
    found = read_annotations(path, SHIFTED, (columns * 100, rows * 100))
    assert [a.name for a in found] == [str(v) for v in np.unique(labels) if v]
    for annotation in found:
        assert annotation.polygon.is_valid
        for row, column in np.ndindex(rows, columns):
            pixel = box(column * 100, row * 100, column * 100 + 100, row * 100 + 100)
            share = annotation.polygon.intersection(pixel).area / 10000
            assert share == pytest.approx(float(str(labels[row, column]) == annotation.name))


def test_a_mask_of_other_proportions_or_channels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    Image.fromarray(np.zeros((100, 100), np.uint8)).save(path)
    with pytest.raises(HistotileError, match="proportions"):
        read_annotations(path, WHOLE, SIZE)
    coloured = np.zeros((75, 100, 3), np.uint8)
    coloured[..., 0], coloured[0, 0] = 9, (0, 200, 0)
    Image.fromarray(coloured).save(path)
    with pytest.raises(HistotileError, match=r"\(0, 200, 0\), \(9, 0, 0\)"):
        read_annotations(path, WHOLE, SIZE)
    path.write_bytes(b"no image")
    with pytest.raises(HistotileError, match="mask image"):
        read_annotations(path, WHOLE, SIZE)


def test_unknown_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("<annotations/>")
    with pytest.raises(HistotileError, match="svg are not taken"):
        read_annotations(tmp_path / "a.svg", WHOLE, SIZE)
    with pytest.raises(HistotileError, match="no such annotation"):
        read_annotations(tmp_path / "none.xml", WHOLE, SIZE)


def test_geojson_round_trip_and_qupath_rules(tmp_path: Path) -> None:
    tumour = Polygon(SQUARE, [HOLE])
    parts = MultiPolygon([box(1000, 1000, 1100, 1100), box(1200, 1000, 1300.123456, 1100)])
    single = MultiPolygon([Point(2000, 2000).buffer(50)])
    written = [Annotation("Tumor", tumour), Annotation("Ü", parts), Annotation("x", single)]
    path = tmp_path / "out.geojson"
    write_geojson(path, written, Bounds(50, 60, 3000, 2000), {"Tumor": (200, 0, 0)})
    data = json.loads(path.read_text("utf-8"))
    assert data["type"] == "FeatureCollection"
    kinds = [f["geometry"]["type"] for f in data["features"]]
    assert kinds == ["Polygon", "MultiPolygon", "Polygon"]
    first = data["features"][0]
    assert first["properties"]["objectType"] == "annotation"
    assert first["properties"]["classification"] == {"name": "Tumor", "color": [200, 0, 0]}
    assert all("color" in f["properties"]["classification"] for f in data["features"])
    assert np.min(first["geometry"]["coordinates"][0], axis=0).tolist() == [50, 40]
    for ring in first["geometry"]["coordinates"]:
        assert ring[0] == ring[-1]
    text = path.read_text()
    write_geojson(path, written, Bounds(50, 60, 3000, 2000), {"Tumor": (200, 0, 0)})
    assert path.read_text() == text
    back = read_annotations(path, Bounds(50, 60, 3000, 2000), SIZE)
    for before, after in zip(written, back, strict=True):
        assert after.name == before.name
        assert after.polygon.symmetric_difference(before.polygon).area < 5
    again = affinity.translate(back[0].polygon, 0, 0)
    assert again.equals(tumour)


def test_shared_annotations(shared_data: Path) -> None:
    large = (200_000, 200_000)
    whole = Bounds(0, 0, *large)
    counts = {
        "asap/asap-dot.xml": 0,
        "asap/asap-pointset.xml": 0,
        "asap/asap-polygon.xml": 1,
        "asap/camelyon17_patient_004_node_4.xml": 3,
        "imagescope/TCGA-EJ-5518-01Z-00-DX1.xml": 4,
        "luna/1006844.annotation.geojson": 15,
        "luna/123.annotation.geojson": 2,
        "luna/123456_annotation_from_halo.xml": 2,
        "luna/region_annotation_results.geojson": 0,
        "luna/test_cell_detections.geojson": 0,
        "luna/test_object_classification_NAN_modified.geojson": 0,
        "qupath/dlup_qupath05.geojson": 3,
        "qupath/holed.geojson": 1,
        "qupath/large_image_sample.geojson": 10,
        "qupath/qupath_polygon.geojson": 1,
        "qupath/wsiprocess_test_annotation.geojson": 1,
    }
    for name, count in counts.items():
        found = read_annotations(shared_data / "annotations" / name, whole, large)
        assert len(found) == count, name
        assert all(a.polygon.is_valid and a.polygon.area > 0 for a in found), name
    (holed,) = read_annotations(shared_data / "annotations/qupath/holed.geojson", whole, large)
    assert isinstance(holed.polygon, Polygon)
    assert len(holed.polygon.interiors) == 1
    assert holed.polygon.area < Polygon(holed.polygon.exterior).area
    scope = shared_data / "annotations/imagescope/TCGA-EJ-5518-01Z-00-DX1.xml"
    first = read_annotations(scope, whole, large)[0]
    assert (first.name, round(first.polygon.area, 1)) == ("CaP", 29046449.6)  # the file's own Area
