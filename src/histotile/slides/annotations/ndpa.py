"""Annotations of Hamamatsu's NDP.view, which counts nanometres from the centre of the glass."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from histotile.errors import HistotileError
from histotile.slides.annotations.shapes import NO_AREA, UNNAMED, PassedOver, Shape, mended
from histotile.slides.metadata.numbers import read_number
from histotile.slides.slide import Slide

_FURTHEST_NM = 1e12
_OFFSETS = ("hamamatsu.XOffsetFromSlideCentre", "hamamatsu.YOffsetFromSlideCentre")
_OTHERS = {"linearmeasure": "ruler", "anglemeasure": "angle"}


def decode(path: Path, root: Element, slide: Path | None) -> tuple[list[Shape], PassedOver]:
    """Named areas in level-0 px, and what was passed over: pins, pointers, rulers, open lines.

    The title is the name, else the details. Closed freehand outlines (rectangles are such) and
    circles are areas.

    Args:
        path: The file.
        root: Its root element, <annotations>.
        slide: The NDPI file, which says where its scan lay on the glass.

    Raises:
        HistotileError: The slide is no NDPI, or a coordinate is no number.
    """
    frame = _frame(path, slide)
    shapes: list[Shape] = []
    passed = PassedOver()
    for number, view in enumerate(root.iter("ndpviewstate"), 1):
        place = f"annotation {number}"
        unit = (view.findtext("coordformat") or "nanometers").strip().lower()
        if unit != "nanometers":
            fact = f"{place}: its coordinates are {unit}, not nanometers"
            raise HistotileError(path, fact, "export the annotations again")
        names = (view.findtext(tag, "").strip() for tag in ("title", "details"))
        name = next((name for name in names if name), UNNAMED)
        for annotation in view.iter("annotation"):
            kind = annotation.get("type", "no type").lower()
            is_open = annotation.findtext("closed", "1").strip() == "0"
            if kind not in {"freehand", "circle"} or is_open:
                passed.add("open line" if kind == "freehand" else _OTHERS.get(kind, kind))
            elif area := _area(path, place, annotation, kind, frame):
                shapes.append(Shape(name, area))
            else:
                passed.add(NO_AREA)
    return shapes, passed


def _area(
    path: Path, place: str, annotation: Element, kind: str, frame: NDArray[np.float64]
) -> BaseGeometry | None:
    points = [annotation] if kind == "circle" else annotation.findall("pointlist/point")
    nm = [[read_number(path, place, p, axis, _FURTHEST_NM) for axis in "xy"] for p in points]
    (centre_x, centre_y), (step_x, step_y) = frame
    xy = np.array(nm, float).reshape(-1, 2) / (step_x, step_y) + (centre_x, centre_y)
    if kind == "circle":
        radius = read_number(path, place, annotation, "radius", _FURTHEST_NM)
        round_nm = Point(0, 0).buffer(abs(radius), quad_segs=24)
        circle = shapely.get_coordinates(round_nm.exterior) / (step_x, step_y) + xy
        return mended(Polygon(circle)) if radius else None
    return mended(Polygon(xy)) if len(xy) >= 3 else None


def _frame(path: Path, slide: Path | None) -> NDArray[np.float64]:
    """Level-0 px of the glass's centre (x, y), and nm per px (x, y)."""
    if slide is None:
        raise HistotileError(path, "NDPA needs its slide", "name the slide, too")
    with Slide.open(slide) as opened:
        known: Mapping[str, Any] = opened.properties
        size = (opened.width, opened.height)
    wanted = (*_OFFSETS, "openslide.mpp-x", "openslide.mpp-y")
    if missing := [name for name in wanted if not _is_number(known.get(name))]:
        raise HistotileError(
            path,
            f"it counts nanometres from the centre of the glass, and {slide.name} does not say "
            f"where that is ({missing[0]} is missing): only NDPI files do",
            "give the NDPI file itself; or open the slide in QuPath, load the outlines there, and "
            "export them as GeoJSON",
        )
    offset_x, offset_y, mpp_x, mpp_y = (float(known[name]) for name in wanted)
    step = np.array([mpp_x, mpp_y]) * 1000
    return np.stack([np.array(size) / 2 - np.array([offset_x, offset_y]) / step, step])


def _is_number(text: str | None) -> bool:
    try:
        return bool(np.isfinite(float(text or "")))
    except ValueError:
        return False
