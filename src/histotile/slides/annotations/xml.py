"""Annotations in XML: ASAP, Aperio ImageScope, HALO in ImageScope's form; NDPA next door."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from numpy.typing import NDArray
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from histotile.errors import HistotileError
from histotile.slides.annotations import ndpa
from histotile.slides.annotations.shapes import (
    NO_AREA,
    UNNAMED,
    PassedOver,
    Shape,
    cut_holes,
    mended,
)
from histotile.slides.annotations.text import read_xml_text
from histotile.slides.metadata.numbers import read_number

_REMEDY = "export the annotations again"
_HOLES = {"exclusion", "_2"}  # CAMELYON's names for regions cut out of the others
_OTHER_KINDS = {"3": "arrow", "4": "line", "5": "point"}


def decode(path: Path, slide: Path | None) -> tuple[list[Shape], PassedOver]:
    """Named areas in level-0 px, and what was passed over.

    ASAP: the group is the name, and the groups that it lies in are those of the shape; regions of
    groups "Exclusion" and "_2", or in these, are negative. ImageScope and HALO: the name is the
    layer's, else the region's text, else the layer's attribute, else "Layer <Id>"; regions with
    NegativeROA="1" are negative in their layer. What lies in a negative region is positive again,
    see `shapes.cut_holes`. NDPA: see `annotation_ndpa`.

    Args:
        path: The file.
        slide: The slide, whose facts NDPA needs.

    Raises:
        HistotileError: No XML, of another program, or with unreadable coordinates.
    """
    try:
        root = fromstring(read_xml_text(path))
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise HistotileError(path, f"no safe, valid XML ({error})", _REMEDY) from error
    if root.tag == "ASAP_Annotations":
        return _asap(path, root)
    if root.tag == "Annotations":
        return _imagescope(path, root)
    if root.tag == "annotations":
        return ndpa.decode(path, root, slide)
    raise HistotileError(
        path,
        f"XML of an unknown kind (<{root.tag}>)",
        "give QuPath GeoJSON, ASAP XML, Aperio ImageScope XML or a label mask image",
    )


def _asap(path: Path, root: Element) -> tuple[list[Shape], PassedOver]:
    shapes: list[Shape] = []
    holes: list[BaseGeometry] = []
    passed = PassedOver()
    parents = {g.get("Name", ""): g.get("PartOfGroup", "") for g in root.iter("Group")}
    for number, annotation in enumerate(root.iter("Annotation"), 1):
        kind = annotation.get("Type", "")
        if kind not in {"Polygon", "Spline", "Rectangle"}:
            passed.add(kind or "no type")
            continue
        found = annotation.findall("Coordinates/Coordinate")
        place = f"annotation {number}"
        ordered = sorted(found, key=lambda c: read_number(path, place, c, "Order"))
        area = _area(path, place, ordered, _rectangle if kind == "Rectangle" else None)
        name = annotation.get("PartOfGroup") or UNNAMED
        groups = _ancestors(name, parents)
        if area is None:
            passed.add(NO_AREA)
        elif any(group.strip().lower() in _HOLES for group in (name, *groups)):
            holes.append(area)
        else:
            shapes.append(Shape(name, area, groups))
    return cut_holes(shapes, holes), passed


def _ancestors(name: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    """The groups a group lies in, the nearest first; circles end where they close."""
    found: dict[str, None] = {name: None}
    while (name := parents.get(name, "")) not in {"", "None", *found}:
        found[name] = None
    return tuple(found)[1:]


def _imagescope(path: Path, root: Element) -> tuple[list[Shape], PassedOver]:
    shapes: list[Shape] = []
    passed = PassedOver()
    for number, layer in enumerate(root.iter("Annotation"), 1):
        own: list[Shape] = []
        holes: list[BaseGeometry] = []
        for count, region in enumerate(layer.iter("Region"), 1):
            kind = region.get("Type", "0").lower()
            if kind in _OTHER_KINDS or kind in {"arrow", "ruler", "pin", "line", "polyline"}:
                passed.add(_OTHER_KINDS.get(kind, kind))
                continue
            place = f"layer {number}, region {count}"
            rounding = {"2": _ellipse, "ellipse": _ellipse}.get(kind)
            corners = {"1": _rectangle, "rectangle": _rectangle}.get(kind, rounding)
            area = _area(path, place, region.findall("Vertices/*"), corners)
            if area is None:
                passed.add(NO_AREA)
            elif region.get("NegativeROA", "0").strip().lower() in {"1", "true"}:
                holes.append(area)
            else:
                own.append(Shape(_layer_name(layer, region, number), area))
        shapes += cut_holes(own, holes)
    return shapes, passed


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
    points: Sequence[Element],
    corners: Callable[[NDArray[Any]], BaseGeometry] | None,
) -> BaseGeometry | None:
    xy = np.array([[read_number(path, place, p, axis) for axis in "XY"] for p in points], float)
    if corners is not None and 2 <= len(xy) <= 4:
        return mended(corners(xy))
    return mended(Polygon(xy)) if len(xy) >= 3 else None


def _rectangle(xy: NDArray[Any]) -> BaseGeometry:
    if len(xy) == 4:  # four corners; the rectangle may be turned
        return Polygon(xy)
    return box(*xy.min(axis=0), *xy.max(axis=0))


def _ellipse(xy: NDArray[Any]) -> BaseGeometry:
    low, high = xy.min(axis=0), xy.max(axis=0)
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Polygon((low + high) / 2 + circle * (high - low) / 2)
