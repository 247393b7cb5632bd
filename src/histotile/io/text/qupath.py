"""GeoJSON as QuPath 0.4 and later reads it: features, and files of them.

QuPath counts pixels of level 0 from the corner of `openslide.bounds-*`, rejects a classification
that has a name and no colour, ignores ids that are no UUIDs, and refuses rings that cross
themselves (its `QuPathTypeAdapters.java` and `ROITypeAdapters.java`, 0.4 to 0.8).
"""

import gzip
import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import shapely
from shapely.geometry import Polygon, mapping
from shapely.geometry.base import BaseGeometry

from histotile.io.atomic import replacing
from histotile.io.palette import Colour

ObjectType = Literal["annotation", "tile"]
Feature = dict[str, Any]


def feature(
    kind: ObjectType,
    geometry: BaseGeometry,
    shown: tuple[str, Colour],
    *,
    key: str,
    measurements: Mapping[str, float] | None = None,
    name: str | None = None,
) -> Feature | None:
    """One object; None where nothing of its area is left after rounding to two decimals.

    Args:
        kind: `tile` for heatmap tiles (annotations are slow by the thousand), else `annotation`.
        geometry: Area in the px of the file, i.e. from the corner of the slide's bounds.
        shown: Name and colour of its class.
        key: What its id is made of: the same key gives the same UUID.
        measurements: Finite numbers by name.
        name: Shown beside it; None: its class alone.
    """
    neat = _neat(geometry)
    if neat is None:
        return None
    outline = mapping(neat)
    rings = {"type": outline["type"], "coordinates": _rounded(outline["coordinates"])}
    return _assembled(kind, rings, shown, key, measurements, name)


def square(
    kind: ObjectType,
    corner: tuple[float, float],
    side: float,
    shown: tuple[str, Colour],
    *,
    key: str,
    measurements: Mapping[str, float] | None = None,
) -> Feature:
    """One square object: as `feature`, but quick enough for the tiles of a slide.

    Args:
        kind: As for `feature`.
        corner: x, y of its top left, in the px of the file.
        side: In px; above 0.01.
        shown: Name and colour of its class.
        key: What its id is made of.
        measurements: Finite numbers by name.
    """
    x, y = corner
    left, top, right, bottom = round(x, 2), round(y, 2), round(x + side, 2), round(y + side, 2)
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    outline = {"type": "Polygon", "coordinates": [ring]}
    return _assembled(kind, outline, shown, key, measurements, None)


def _assembled(
    kind: ObjectType,
    outline: dict[str, Any],
    shown: tuple[str, Colour],
    key: str,
    measurements: Mapping[str, float] | None,
    name: str | None,
) -> Feature:
    properties: dict[str, Any] = {
        "objectType": kind,
        "classification": {"name": shown[0], "color": list(shown[1])},
        "isLocked": False,
    }
    if name is not None:
        properties["name"] = name
    if measurements is not None:
        properties["measurements"] = dict(measurements)
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, key)),
        "geometry": outline,
        "properties": properties,
    }


def write_features(path: Path, features: Iterable[Feature | None]) -> None:
    """A FeatureCollection, whole or not at all; gzipped if the name ends in .gz.

    The same features give the same bytes. None among them is left out.
    """
    kept = [f for f in features if f is not None]
    collection = {"type": "FeatureCollection", "features": kept}
    data = (json.dumps(collection, ensure_ascii=False, allow_nan=False) + "\n").encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, compresslevel=6, mtime=0)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _neat(geometry: BaseGeometry) -> BaseGeometry | None:
    snapped = shapely.set_precision(geometry, 0.01)
    parts = [p for p in shapely.get_parts(snapped) if isinstance(p, Polygon) and not p.is_empty]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _rounded(coordinates: Any) -> Any:
    if isinstance(coordinates, float | int):
        return round(coordinates, 2)
    return [_rounded(item) for item in coordinates]
