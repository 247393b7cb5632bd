"""What QuPath demands of a file, and what it is told of tiles and regions."""

import gzip
import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.heatmaps.qupath_objects import Squares, write_region_objects, write_tile_objects
from histotile.heatmaps.regions import find_regions
from histotile.io.palette import class_colours
from histotile.slides.annotations.read import read_annotations
from histotile.slides.slide import Bounds
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour", '<script>alert("رحم 😐")</script>')
TASK = make_task(CLASSES)
BOUNDS = Bounds(1234, 567, 40_000, 30_000)
Feature = dict[str, Any]


def read(path: Path) -> list[Feature]:
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    collection = json.loads(text, parse_constant=refuse)
    assert collection["type"] == "FeatureCollection"
    return list(collection["features"])


def rings(feature: Feature) -> list[list[list[float]]]:
    coordinates = feature["geometry"]["coordinates"]
    if feature["geometry"]["type"] == "Polygon":
        return list(coordinates)
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert len(coordinates) > 1
    return [ring for part in coordinates for ring in part]


def check_rules(features: list[Feature], kind: str) -> None:
    """Every rule that QuPath 0.4 to 0.8 enforces or silently acts on."""
    assert len({UUID(f["id"]) for f in features}) == len(features)
    for f in features:
        properties, area = f["properties"], shape(f["geometry"])
        assert f["type"] == "Feature"
        assert properties["objectType"] == kind
        assert set(properties["classification"]) == {"name", "color"}
        assert all(
            isinstance(c, int) and 0 <= c < 256 for c in properties["classification"]["color"]
        )
        assert all(np.isfinite(list(properties["measurements"].values())))
        assert area.is_valid
        assert area.area > 0
        for ring in rings(f):
            assert len(ring) >= 4
            assert ring[0] == ring[-1]
            assert all(round(c, 2) == c for place in ring for c in place)


def tiles(n: int, side: float = 225.4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    number, columns = np.arange(n), int(np.ceil(np.sqrt(n)))
    x = BOUNDS.x + np.rint(number % columns * side).astype(np.int32)
    y = BOUNDS.y + np.rint(number // columns * side).astype(np.int32)
    p = np.random.default_rng(n).dirichlet(np.ones(3), n).astype(np.float32)
    return x, y, p


def noisy_map(seed: int, shape_: tuple[int, int], covered: float) -> ProbabilityMap:
    p = np.random.default_rng(seed).random((3, *shape_)).astype(np.float32)
    return ProbabilityMap(p, CLASSES, BOUNDS.x, BOUNDS.y, 225.43, covered)


@pytest.mark.parametrize("name", ["a.geojson", "a.geojson.gz"])
def test_tiles_are_tile_objects_in_the_frame_of_the_bounds(tmp_path: Path, name: str) -> None:
    x, y, p = tiles(50)
    p[3, 1] = np.nan
    write_tile_objects(tmp_path / name, "s", Squares(x, y, 225.4), p, TASK, BOUNDS)
    features = read(tmp_path / name)
    check_rules(features, "tile")
    kept = [k for k in range(50) if k != 3]
    assert len(features) == len(kept)
    colours = class_colours(CLASSES)
    for k, f in zip(kept, features, strict=True):
        left, top = int(x[k]) - BOUNDS.x, int(y[k]) - BOUNDS.y
        expected = shapely.box(left, top, left + 225.4, top + 225.4)
        assert shape(f["geometry"]).symmetric_difference(expected).area < 0.01 * 4 * 226
        best = CLASSES[int(p[k].argmax())]
        assert f["properties"]["classification"] == {"name": best, "color": list(colours[best])}
        assert list(f["properties"]["measurements"]) == [f"prob_{c}" for c in CLASSES]
        assert list(f["properties"]["measurements"].values()) == pytest.approx(p[k], abs=1e-6)


def test_ids_follow_slide_and_place_alone(tmp_path: Path) -> None:
    x, y, p = tiles(9)
    path, ids = tmp_path / "a.geojson", {}
    for slide, order in (("s", 1), ("s", -1), ("t", 1)):
        places = Squares(x[::order], y[::order], 225.4)
        write_tile_objects(path, slide, places, p, TASK, BOUNDS)
        ids[slide, order] = {str(rings(f)): f["id"] for f in read(path)}
    assert ids["s", 1] == ids["s", -1]
    assert not set(ids["s", 1].values()) & set(ids["t", 1].values())
    first = path.read_bytes()
    write_tile_objects(path, "t", Squares(x, y, 225.4), p, TASK, BOUNDS)
    assert path.read_bytes() == first


def test_slides_without_predictions_give_files_without_objects(tmp_path: Path) -> None:
    x, y, p = tiles(4)
    path = tmp_path / "a.geojson"
    write_tile_objects(path, "s", Squares(x, y, 225.4), np.full_like(p, np.nan), TASK, BOUNDS)
    assert read(path) == []
    write_region_objects(path, "s", [], CLASSES, BOUNDS)
    assert read(path) == []


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 999),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    covered=st.sampled_from([225.43, 100.0]),
)
def test_regions_read_back_as_annotations_cover_the_same_ground(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: tuple[int, int], covered: float
) -> None:
    found = noisy_map(seed, size, covered)
    regions = [r for c in CLASSES for r in find_regions(found, c, 0.4, 0.25)]
    path = tmp_path_factory.mktemp("regions") / "s.geojson"
    write_region_objects(path, "s", regions, CLASSES, BOUNDS)
    features = read(path)
    check_rules(features, "annotation")
    assert len(features) == len(regions)
    slide = (BOUNDS.x + BOUNDS.width, BOUNDS.y + BOUNDS.height)
    again = read_annotations(path, BOUNDS, slide)
    assert not again.ignored
    for region, annotation in zip(regions, again, strict=True):
        assert annotation.name == region.class_name
        missed = annotation.polygon.symmetric_difference(region.polygon).area
        assert missed <= 0.01 * region.polygon.length
        assert annotation.polygon.area == pytest.approx(region.polygon.area, rel=1e-3)


def test_regions_tell_their_facts_and_are_numbered_within_their_class(tmp_path: Path) -> None:
    found = noisy_map(1, (9, 9), 225.43)
    regions = [r for c in CLASSES for r in find_regions(found, c, 0.6, 0.25)]
    write_region_objects(tmp_path / "s.geojson", "s", regions, CLASSES, BOUNDS)
    seen = dict.fromkeys(CLASSES, 0)
    for region, f in zip(regions, read(tmp_path / "s.geojson"), strict=True):
        seen[region.class_name] += 1
        assert f["properties"]["name"] == f"{region.class_name} {seen[region.class_name]}"
        facts = f["properties"]["measurements"]
        assert list(facts) == ["area_mm2", "max_probability", "mean_probability", "cells"]
        assert facts["area_mm2"] == round(region.area_mm2 or 0, 6)
        assert facts["cells"] == region.cells
        assert facts["max_probability"] == pytest.approx(region.max_probability, abs=1e-6)
        assert facts["mean_probability"] == pytest.approx(region.mean_probability, abs=1e-6)
    assert min(seen.values()) > 1


def test_no_area_is_told_where_the_mpp_is_unknown(tmp_path: Path) -> None:
    regions = find_regions(noisy_map(1, (3, 3), 225.43), None, 0.3, None)
    write_region_objects(tmp_path / "s.geojson", "s", regions, CLASSES, BOUNDS)
    assert all(
        "area_mm2" not in f["properties"]["measurements"] for f in read(tmp_path / "s.geojson")
    )


@pytest.mark.slow
def test_twenty_thousand_tiles_are_written_in_no_time(tmp_path: Path) -> None:
    x, y, p = tiles(20_000)
    seconds = []
    for _ in range(3):  # other processes on the same cores slow some of them down
        start = time.process_time()
        write_tile_objects(tmp_path / "a.geojson.gz", "s", Squares(x, y, 225.4), p, TASK, BOUNDS)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.5, seconds
    assert len(read(tmp_path / "a.geojson.gz")) == 20_000
