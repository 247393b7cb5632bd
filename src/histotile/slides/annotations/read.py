"""Outlines drawn by people, in the frame of the slide, whichever program wrote them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import shapely
from shapely import affinity
from shapely.geometry import MultiPolygon, Polygon

from histotile.errors import HistotileError
from histotile.io.text.qupath import feature, write_features
from histotile.slides.annotations import geojson, mask, xml
from histotile.slides.annotations.shapes import NO_AREA, OUTSIDE, PARTLY, PassedOver, Shape, mended
from histotile.slides.slide import Bounds

GREY = (128, 128, 128)
_TOLD_OUTSIDE = 0.001  # of an outline's area


@dataclass(frozen=True)
class Annotation:
    """An outlined area.

    Attributes:
        name: What the annotator called it.
        polygon: Valid area in level-0 px, holes included.
        layer: Number of its file among those of the slide; a higher one wins where they overlap.
        groups: Names of the groups it lies in, the nearest first.
    """

    name: str
    polygon: Polygon | MultiPolygon
    layer: int = 0
    groups: tuple[str, ...] = ()


class Annotations(list[Annotation]):
    """The annotations of a slide, and what its files hold besides.

    Attributes:
        passed: Kinds of what was passed over, with numbers and areas; "partly outside the slide"
            counts annotations of the list, by the part of them that is outside.
        measured: Objects that a program measured: no annotations, but no plain tissue either.
    """

    def __init__(self, found: Iterable[Annotation] = (), passed: PassedOver | None = None) -> None:
        super().__init__(found)
        self.passed = passed or PassedOver()
        self.measured: list[Annotation] = []

    @property
    def ignored(self) -> dict[str, int]:
        """What the files held besides annotations: kind -> number."""
        return {kind: n for kind, n in self.passed.counts.items() if kind != PARTLY}


def read_annotations(
    path: Path, bounds: Bounds, size: tuple[int, int], slide: Path | None = None
) -> Annotations:
    """The annotations in a file, in level-0 px as OpenSlide counts them.

    By suffix: QuPath GeoJSON (.geojson, .json, also .gz, or alone in a .zip; its coordinates begin
    at the slide's bounds, which are added), ASAP, Aperio ImageScope, HALO and NDP.view (.xml,
    .annotations, .ndpa), a label mask image (.png, .tif, .tiff, .bmp). Crossing outlines are
    mended; areas outside the slide, points, lines and measured objects are passed over and counted.

    Args:
        path: The file.
        bounds: The slide's bounds.
        size: (width, height) of the slide, level-0 px.
        slide: Its file, which NDPA needs.

    Raises:
        HistotileError: No such file, an unknown kind, malformed (the place is named), or wholly
            outside the slide.
    """
    if not path.is_file():
        raise HistotileError(
            path, "there is no such annotation file", "correct the column `annotation`"
        )
    shapes, passed = _decode(path, bounds, size, slide)
    whole = shapely.box(0, 0, *size)
    annotations = Annotations(passed=passed)
    for shape in shapes:
        polygon = mended(shape.area)
        if shape.measured:
            passed.add(shape.measured, polygon.area if polygon else 0.0)
            annotations.measured += [Annotation(shape.name, polygon)] if polygon else []
        elif polygon is None:
            passed.add(NO_AREA)
        elif not polygon.intersects(whole):
            passed.add(OUTSIDE, polygon.area)
        else:
            annotations.append(Annotation(shape.name, polygon, groups=shape.groups))
            beyond = 0.0 if whole.covers(polygon) else polygon.difference(whole).area
            if beyond > _TOLD_OUTSIDE * polygon.area:
                passed.add(PARTLY, beyond)
    if passed.counts[OUTSIDE] and not annotations:
        raise HistotileError(
            path,
            f"all its outlines lie outside the slide ({size[0]} x {size[1]} px)",
            "check that the annotation belongs to this slide and counts level-0 px",
        )
    return annotations


def read_layers(
    paths: Sequence[Path], bounds: Bounds, size: tuple[int, int], slide: Path | None = None
) -> Annotations:
    """The annotations in several files of a slide, one layer per file; see `read_annotations`.

    Args:
        paths: The files, corrections after what they correct.
        bounds: The slide's bounds.
        size: (width, height) of the slide, level-0 px.
        slide: Its file, which NDPA needs.
    """
    layers = [read_annotations(path, bounds, size, slide) for path in paths]
    numbered = (replace(a, layer=n) for n, layer in enumerate(layers) for a in layer)
    found = Annotations(numbered)
    for layer in layers:
        found.passed.update(layer.passed)
        found.measured += layer.measured
    return found


def write_geojson(
    path: Path,
    annotations: Iterable[Annotation],
    bounds: Bounds,
    colours: Mapping[str, tuple[int, int, int]],
) -> None:
    """A GeoJSON file that QuPath lays exactly over the slide.

    Args:
        path: Where; whole or not at all.
        annotations: Areas in level-0 px.
        bounds: The slide's bounds; QuPath counts from their corner, so they are subtracted.
        colours: Name -> (red, green, blue); grey where missing.
    """
    write_features(
        path,
        (
            feature(
                "annotation",
                affinity.translate(a.polygon, -bounds.x, -bounds.y),
                (a.name, colours.get(a.name, GREY)),
                key=f"{number} {a.name} {a.polygon.wkt}",
            )
            for number, a in enumerate(annotations)
        ),
    )


def _decode(
    path: Path, bounds: Bounds, size: tuple[int, int], slide: Path | None
) -> tuple[list[Shape], PassedOver]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = next((s for s in reversed(suffixes) if s != ".gz"), "")
    if suffix in {".geojson", ".json", ".zip"}:
        shapes, passed = geojson.decode(path)
        moved = [replace(s, area=affinity.translate(s.area, bounds.x, bounds.y)) for s in shapes]
        return moved, passed
    if suffix in {".xml", ".annotations", ".ndpa"}:
        return xml.decode(path, slide)
    if suffix in {".png", ".tif", ".tiff", ".bmp"}:
        return mask.decode(path, size), PassedOver()
    raise HistotileError(
        path,
        f"annotations in {suffix or 'a file without suffix'} are not taken",
        "give QuPath GeoJSON, ASAP, Aperio ImageScope or HALO XML, NDPA, or a label mask image",
    )
