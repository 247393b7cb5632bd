"""Areas as an annotation file draws them, what the file holds besides, and how areas nest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

UNNAMED = "unclassified"
NEGATIVE = "negative region*"  # of those that cut nothing; the asterisk makes them ignored regions
NO_AREA, OUTSIDE, PARTLY = "outline without area", "outside the slide", "partly outside the slide"
FURTHEST_PX = 1e9  # no slide is that large; areas of larger numbers overflow
_SLACK = 0.02


@dataclass(frozen=True)
class Shape:
    """An area of an annotation file.

    Attributes:
        name: What the annotator called it.
        area: In the file's own px.
        groups: Names of the groups it lies in, the nearest first.
        measured: What kind of object it is where a program measured it ("detection", "cell") and
            nobody outlined it; empty for outlines.
    """

    name: str
    area: BaseGeometry
    groups: tuple[str, ...] = ()
    measured: str = ""


@dataclass
class PassedOver:
    """What a file holds besides outlines: kind -> how many, and their area in px."""

    counts: Counter[str] = field(default_factory=Counter)
    areas: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, area_px: float = 0.0) -> None:
        """Count one object."""
        self.counts[kind] += 1
        self.areas[kind] = self.areas.get(kind, 0.0) + area_px

    def update(self, other: "PassedOver") -> None:
        """Count what another file holds, too."""
        self.counts.update(other.counts)
        for kind, area_px in other.areas.items():
            self.areas[kind] = self.areas.get(kind, 0.0) + area_px


def mended(geometry: BaseGeometry) -> Polygon | MultiPolygon | None:
    """The areas of a geometry, valid; None without any."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    areas = [
        shapely.make_valid(part, method="structure", keep_collapsed=False)
        for part in parts
        if isinstance(part, Polygon)
    ]
    merged = areas_only(shapely.union_all(areas)) if areas else None
    return None if merged is None or merged.is_empty else merged


def areas_only(geometry: BaseGeometry) -> Polygon | MultiPolygon:
    """The areas of a geometry, without the points and lines where it only touched another."""
    if isinstance(geometry, Polygon | MultiPolygon):
        return geometry
    parts = shapely.get_parts(shapely.get_parts(geometry))
    found = shapely.union_all([part for part in parts if isinstance(part, Polygon)])
    return found if isinstance(found, Polygon | MultiPolygon) else Polygon()


def lies_in(inner: Sequence[BaseGeometry], outer: Sequence[BaseGeometry]) -> np.ndarray:
    """Whether each area of `inner` lies within the area of the same place of `outer`.

    What sticks out must be below 2 % both of the inner area and of what surrounds it, so that
    hand-drawn rims and rounded corners do not matter, and of two outlines of the same thing neither
    lies in the other.

    Args:
        inner: (N,) valid areas.
        outer: (N,) valid areas, best those of one object side by side.
    """
    first, second = np.asarray(inner, object), np.asarray(outer, object)
    area, around = shapely.area(first), shapely.area(second)
    found = np.zeros(len(first), bool)
    smaller = np.flatnonzero(area < around)
    shapely.prepare(second)
    whole = shapely.covers(second[smaller], first[smaller])
    common = area[smaller].copy()
    partly = smaller[~whole]
    common[~whole] = shapely.area(shapely.intersection(first[partly], second[partly]))
    out, rest = area[smaller] - common, around[smaller] - common
    found[smaller] = out < _SLACK * np.minimum(area[smaller], rest)
    return found


def cut_holes(shapes: Iterable[Shape], holes: Sequence[BaseGeometry]) -> list[Shape]:
    """Shapes without the negative regions, but with the islands drawn in these.

    A negative region is cut out of every shape but those that lie in it. One that cuts nothing
    becomes a shape of its own, an ignored region: nobody knows what it was drawn in.

    Args:
        shapes: Of valid areas.
        holes: Valid areas of negative regions.
    """
    found = list(shapes)
    if not holes:
        return found
    areas = np.asarray([shape.area for shape in found], object)
    which, where = shapely.STRtree(areas).query(holes, predicate="intersects")
    sequence = np.asarray(holes, object)
    cutting = ~lies_in(areas[where], sequence[which])
    which, where = which[cutting], where[cutting]
    for number in np.unique(where).tolist():
        hole = shapely.union_all(sequence[which[where == number]])
        left = areas_only(shapely.difference(found[number].area, hole))
        found[number] = replace(found[number], area=left)
    idle = np.setdiff1d(np.arange(len(holes)), which).tolist()
    return [*found, *(Shape(NEGATIVE, holes[number]) for number in idle)]
