"""GeoJSON as QuPath and others write it."""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from histotile.errors import HistotileError

UNNAMED = "unclassified"
Shapes = list[tuple[str, BaseGeometry]]

_REMEDY = "export the annotations again as GeoJSON"
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError)
_AREAS = {"Polygon", "MultiPolygon", "GeometryCollection"}
_OBJECTS = {"detection", "cell", "tile", "tmaCore", "root"}
_OLD_OBJECTS = {
    "PathCellObject": "cell",
    "PathDetectionObject": "detection",
    "PathTileObject": "tile",
    "TMACoreObject": "tmaCore",
    "PathRootObject": "root",
}


def decode(path: Path) -> tuple[Shapes, Counter[str]]:
    """Named areas in the file's own px, and what was passed over (kind -> number).

    Takes a FeatureCollection, an array, a single Feature or a bare geometry, plain or gzipped,
    with features nested as `childObjects`. Cells, detections and tiles are measurements rather
    than annotations and are passed over, as are points and lines. An area is named by its
    classification, else by its name, label, class or group; where the classification is null it
    is "unclassified", whatever else it is called.

    Raises:
        HistotileError: No JSON, no GeoJSON, or a geometry that cannot be read; the place is named.
    """
    shapes: Shapes = []
    ignored: Counter[str] = Counter()
    for number, feature in enumerate(_features(path, _load(path)), 1):
        properties = feature.get("properties") or {}
        kind = properties.get("objectType") or _OLD_OBJECTS.get(str(feature.get("id")))
        geometry = feature.get("geometry")
        if kind in _OBJECTS:
            ignored[str(kind)] += 1
        elif geometry is None or geometry.get("type") not in _AREAS:
            ignored[str((geometry or {}).get("type", "no geometry"))] += 1
        else:
            shapes.append((_name(properties), _geometry(path, number, geometry)))
    return shapes, ignored


def _load(path: Path) -> Any:
    data = path.read_bytes()
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return json.loads(data.decode("utf-8-sig"))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise HistotileError(path, f"damaged gzip file ({error})", _REMEDY) from error
    except UnicodeDecodeError as error:
        raise HistotileError(path, f"no UTF-8 text (byte {error.start})", _REMEDY) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise HistotileError(path, f"no valid JSON at {place}: {error.msg}", _REMEDY) from error


def _features(path: Path, data: Any) -> list[dict[str, Any]]:
    if isinstance(data, list):
        found = [feature for item in data for feature in _features(path, item)]
    elif not isinstance(data, dict) or "type" not in data:
        raise HistotileError(path, "JSON, but no GeoJSON: `type` is missing", _REMEDY)
    elif data["type"] == "FeatureCollection":
        found = _features(path, data.get("features") or [])
    elif data["type"] == "Feature":
        properties = data.get("properties") or {}
        children = data.get("childObjects") or properties.get("childObjects") or []
        found = [data, *_features(path, children)]
    else:
        found = [{"type": "Feature", "geometry": data, "properties": {}}]
    return found


def _name(properties: Mapping[str, Any]) -> str:
    classification = properties.get("classification", "")
    if classification is None:
        return UNNAMED
    if isinstance(classification, dict):
        names = classification.get("names")
        classification = ": ".join(map(str, names)) if names else classification.get("name")
    candidates = [classification, *(properties.get(k) for k in ("name", "label", "class", "group"))]
    return next((str(c) for c in candidates if c not in (None, "")), UNNAMED)


def _geometry(path: Path, number: int, geometry: Mapping[str, Any]) -> BaseGeometry:
    try:
        area = shapely.force_2d(shape(geometry))
    except (*_UNREADABLE, shapely.errors.ShapelyError) as error:
        fact = f"feature {number}: its {geometry.get('type')} cannot be read ({error})"
        raise HistotileError(path, fact, _REMEDY) from error
    if not np.isfinite(shapely.get_coordinates(area)).all():
        raise HistotileError(path, f"feature {number}: a coordinate is no finite number", _REMEDY)
    return area
