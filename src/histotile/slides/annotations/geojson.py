"""GeoJSON as QuPath and others write it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon, shape
from shapely.geometry.base import BaseGeometry

from histotile.errors import HistotileError
from histotile.slides.annotations.shapes import FURTHEST_PX, UNNAMED, PassedOver, Shape
from histotile.slides.annotations.text import read_json_text

_REMEDY = "export the annotations again as GeoJSON"
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)
_AREAS = {"Polygon", "MultiPolygon"}
_OBJECTS = {"detection", "cell", "tile", "tmaCore", "root"}
_OLD_OBJECTS = {
    "PathCellObject": "cell",
    "PathDetectionObject": "detection",
    "PathTileObject": "tile",
    "TMACoreObject": "tmaCore",
    "PathRootObject": "root",
}


def decode(path: Path) -> tuple[list[Shape], PassedOver]:
    """Named areas in the file's own px, and what was passed over.

    Takes a FeatureCollection, an array, a single Feature or a bare geometry, plain, gzipped or
    zipped, with features nested as `childObjects`. Cells, detections and tiles are measurements
    rather than annotations and are passed over, as are points and lines. An area is named by its
    classification, else by its name, label, class or group; where the classification is null it
    is "unclassified", whatever else it is called. A class derived from another ("Tumor: Positive")
    lies in the group of that.

    Raises:
        HistotileError: No JSON, no GeoJSON, or a geometry that cannot be read; the place is named.
    """
    shapes: list[Shape] = []
    passed = PassedOver()
    for number, feature in enumerate(_features(path, _load(path)), 1):
        properties = _mapping(feature.get("properties"))
        kind = str(properties.get("objectType") or _OLD_OBJECTS.get(str(feature.get("id"))))
        areas, others = _parts(feature.get("geometry"))
        measured = kind if kind in _OBJECTS else ""
        for other in others:
            passed.add(measured or other)
        if areas:
            name, groups = _name(properties)
            parts = [_geometry(path, number, area, bool(measured)) for area in areas]
            whole = parts[0] if len(parts) == 1 else shapely.GeometryCollection(parts)
            shapes.append(Shape(name, whole, groups, measured))
    return shapes, passed


def _load(path: Path) -> Any:
    text = read_json_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise HistotileError(path, f"no valid JSON at {place}: {error.msg}", _REMEDY) from error
    except RecursionError as error:
        raise HistotileError(path, "JSON nested too deeply to be GeoJSON", _REMEDY) from error
    except ValueError as error:  # a number of thousands of digits
        raise HistotileError(path, f"JSON that cannot be read: {error}", _REMEDY) from error


def _features(path: Path, data: Any) -> Iterator[dict[str, Any]]:
    """Every feature, in the order of the file, parents before their children."""
    todo = [data]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo += reversed(item)
        elif not isinstance(item, dict) or "type" not in item:
            raise HistotileError(path, "JSON, but no GeoJSON: `type` is missing", _REMEDY)
        elif item["type"] == "FeatureCollection":
            todo.append(item.get("features") or [])
        elif item["type"] == "Feature":
            yield item
            children = _mapping(item.get("properties")).get("childObjects")
            todo.append(item.get("childObjects") or children or [])
        else:
            yield {"type": "Feature", "geometry": item, "properties": {}}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _parts(geometry: Any) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The areas of a geometry, however deep in collections, and the kinds of its other parts."""
    areas: list[Mapping[str, Any]] = []
    others: list[str] = []
    todo = [geometry]
    while todo:
        item = todo.pop()
        kind = _mapping(item).get("type")
        members = _mapping(item).get("geometries")
        if kind == "GeometryCollection" and isinstance(members, list) and members:
            todo += reversed(members)
        elif isinstance(kind, str) and kind in _AREAS:
            areas.append(item)
        else:
            others.append(str(kind) if isinstance(kind, str) else "no geometry")
    return areas, others


def _name(properties: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The name of an area, and those of the classes that its class derives from."""
    classification = properties.get("classification", "")
    if classification is None:
        return UNNAMED, ()
    if isinstance(classification, dict):
        names = classification.get("names")
        classification = (
            ": ".join(map(str, names))
            if isinstance(names, list) and names
            else classification.get("name")
        )
    candidates = [classification, *(properties.get(k) for k in ("name", "label", "class", "group"))]
    name = next((str(c) for c in candidates if c not in (None, "")), UNNAMED)
    parts = name.split(": ") if name == str(classification) else [name]
    return name, tuple(": ".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))


def _geometry(
    path: Path, number: int, geometry: Mapping[str, Any], may_be_broken: bool
) -> BaseGeometry:
    try:
        with np.errstate(invalid="ignore"):  # not a number: told below
            area = shapely.force_2d(shape(geometry))
    except (*_UNREADABLE, RecursionError, shapely.errors.ShapelyError) as error:
        if may_be_broken:  # one of thousands of cells
            return Polygon()
        fact = f"feature {number}: its {geometry.get('type')} cannot be read ({error})"
        raise HistotileError(path, fact, _REMEDY) from error
    furthest = np.abs(shapely.get_coordinates(area)).max(initial=0)
    if not furthest < FURTHEST_PX:
        fact = f"feature {number}: a coordinate is no finite number of px ({furthest:g})"
        raise HistotileError(path, fact, _REMEDY)
    return area
