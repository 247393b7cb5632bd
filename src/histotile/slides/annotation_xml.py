"""Annotations in XML: ASAP, Aperio ImageScope, and HALO in ImageScope's form."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import numpy as np
import shapely
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from histotile.errors import HistotileError
from histotile.slides.annotation_geojson import UNNAMED, Shapes

_REMEDY = "export the annotations again"
_HOLES = {"exclusion", "_2"}  # CAMELYON's names for regions cut out of the others
_OTHER_KINDS = {"3": "arrow", "4": "line", "5": "point"}


def decode(path: Path) -> tuple[Shapes, Counter[str]]:
    """Named areas in level-0 px, and what was passed over (kind -> number).

    ASAP: the group is the name; groups "Exclusion" and "_2" are cut out of all others. ImageScope
    and HALO: the name is the layer's, else the region's text, else the layer's attribute, else
    "Layer <Id>"; regions with NegativeROA="1" are cut out of their layer.

    Raises:
        HistotileError: No XML, of another program, or with unreadable coordinates.
    """
    try:
        root = parse(path).getroot()
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise HistotileError(path, f"no safe, valid XML ({error})", _REMEDY) from error
    if root is not None and root.tag == "ASAP_Annotations":
        return _asap(path, root)
    if root is not None and root.tag == "Annotations":
        return _imagescope(path, root)
    raise HistotileError(
        path,
        f"XML of an unknown kind (<{root.tag if root is not None else ''}>)",
        "give QuPath GeoJSON, ASAP XML, Aperio ImageScope XML or a label mask image",
    )


def _asap(path: Path, root: Element) -> tuple[Shapes, Counter[str]]:
    shapes: Shapes = []
    holes: list[BaseGeometry] = []
    ignored: Counter[str] = Counter()
    for number, annotation in enumerate(root.iter("Annotation"), 1):
        kind = annotation.get("Type", "")
        if kind not in {"Polygon", "Spline", "Rectangle"}:
            ignored[kind or "no type"] += 1
            continue
        found = annotation.findall("Coordinates/Coordinate")
        place = f"annotation {number}"
        ordered = sorted(found, key=lambda c: _number(path, place, c, "Order"))
        area = _area(path, place, ordered, _rectangle if kind == "Rectangle" else None)
        name = annotation.get("PartOfGroup") or UNNAMED
        if area is None:
            ignored["outline without area"] += 1
        elif name.lower() in _HOLES:
            holes.append(area)
        else:
            shapes.append((name, area))
    return _cut(shapes, holes), ignored


def _imagescope(path: Path, root: Element) -> tuple[Shapes, Counter[str]]:
    shapes: Shapes = []
    ignored: Counter[str] = Counter()
    for number, layer in enumerate(root.iter("Annotation"), 1):
        own: Shapes = []
        holes: list[BaseGeometry] = []
        for count, region in enumerate(layer.iter("Region"), 1):
            kind = region.get("Type", "0").lower()
            if kind in _OTHER_KINDS or kind in {"arrow", "ruler", "pin", "line", "polyline"}:
                ignored[_OTHER_KINDS.get(kind, kind)] += 1
                continue
            place = f"layer {number}, region {count}"
            rounding = {"2": _ellipse, "ellipse": _ellipse}.get(kind)
            corners = {"1": _rectangle, "rectangle": _rectangle}.get(kind, rounding)
            area = _area(path, place, region.findall("Vertices/*"), corners)
            if area is None:
                ignored["outline without area"] += 1
            elif region.get("NegativeROA") == "1":
                holes.append(area)
            else:
                own.append((_layer_name(layer, region, number), area))
        shapes += _cut(own, holes)
    return shapes, ignored


def _layer_name(layer: Element, region: Element, number: int) -> str:
    names = [layer.get("Name"), region.get("Text")]
    for attribute in layer.findall("Attributes/Attribute"):
        names.append(attribute.get("Value"))
        names.append(attribute.get("Name") if attribute.get("Name") != "Description" else None)
    found = next((name.strip() for name in names if name and name.strip()), None)
    return found or f"Layer {layer.get('Id') or number}"


def _area(
    path: Path,
    place: str,
    points: list[Element],
    corners: Callable[[Any], BaseGeometry] | None,
) -> BaseGeometry | None:
    xy = np.array([[_number(path, place, p, axis) for axis in "XY"] for p in points], float)
    if corners is not None and 2 <= len(xy) <= 4:
        return corners(xy)
    return Polygon(xy) if len(xy) >= 3 else None


def _number(path: Path, place: str, element: Element, attribute: str) -> float:
    text = element.get(attribute)
    try:
        value = float(text if text is not None else "")
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise HistotileError(path, f"{place}: {attribute}={text!r} is no number", _REMEDY)
    return value


def _rectangle(xy: Any) -> BaseGeometry:
    if len(xy) == 4:  # four corners; the rectangle may be turned
        return Polygon(xy)
    return box(*xy.min(axis=0), *xy.max(axis=0))


def _ellipse(xy: Any) -> BaseGeometry:
    low, high = xy.min(axis=0), xy.max(axis=0)
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Polygon((low + high) / 2 + circle * (high - low) / 2)


def _cut(shapes: Shapes, holes: list[BaseGeometry]) -> Shapes:
    if not holes:
        return shapes
    hole = shapely.union_all([shapely.make_valid(h) for h in holes])
    return [(name, shapely.difference(shapely.make_valid(a), hole)) for name, a in shapes]
