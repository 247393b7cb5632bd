"""Outlines drawn by people, in the frame of the slide, whichever program wrote them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import shapely
from shapely import affinity
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from histotile.errors import HistotileError
from histotile.qupath import feature, write_features
from histotile.slides import annotation_geojson, annotation_mask, annotation_xml
from histotile.slides.annotation_geojson import Shapes
from histotile.slides.slide import Bounds

GREY = (128, 128, 128)


@dataclass(frozen=True)
class Annotation:
    """An outlined area.

    Attributes:
        name: What the annotator called it.
        polygon: Valid area in level-0 px, holes included.
        layer: Number of its file among those of the slide; a higher one wins where they overlap.
    """

    name: str
    polygon: Polygon | MultiPolygon
    layer: int = 0


class Annotations(list[Annotation]):
    """The annotations of a slide; `ignored` counts what the file held besides (kind -> number)."""

    def __init__(
        self, found: Iterable[Annotation] = (), ignored: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(found)
        self.ignored = dict(ignored or {})


def read_annotations(path: Path, bounds: Bounds, size: tuple[int, int]) -> Annotations:
    """The annotations in a file, in level-0 px as OpenSlide counts them.

    By suffix: QuPath GeoJSON (.geojson, .json, also .gz; its coordinates begin at the slide's
    bounds, which are added), ASAP, Aperio ImageScope and HALO (.xml), a label mask image (.png,
    .tif, .tiff, .bmp). Crossing outlines are mended; areas outside the slide, points, lines and
    measured objects are passed over and counted in `ignored`.

    Args:
        path: The file.
        bounds: The slide's bounds.
        size: (width, height) of the slide, level-0 px.

    Raises:
        HistotileError: No such file, an unknown kind, malformed (the place is named), or wholly
            outside the slide.
    """
    if not path.is_file():
        raise HistotileError(
            path, "there is no such annotation file", "correct the column `annotation`"
        )
    shapes, ignored = _decoder(path)(path, bounds, size)
    found = [(name, _mended(geometry)) for name, geometry in shapes]
    whole = shapely.box(0, 0, *size)
    annotations = Annotations(ignored=ignored)
    for name, polygon in found:
        if polygon is None:
            ignored["outline without area"] += 1
        elif not polygon.intersects(whole):
            ignored["outside the slide"] += 1
        else:
            annotations.append(Annotation(name, polygon))
    if ignored["outside the slide"] and not annotations:
        raise HistotileError(
            path,
            f"all its outlines lie outside the slide ({size[0]} x {size[1]} px)",
            "check that the annotation belongs to this slide and counts level-0 px",
        )
    annotations.ignored = dict(ignored)
    return annotations


def read_layers(paths: Sequence[Path], bounds: Bounds, size: tuple[int, int]) -> Annotations:
    """The annotations in several files of a slide, one layer per file; see `read_annotations`.

    Args:
        paths: The files, corrections after what they correct.
        bounds: The slide's bounds.
        size: (width, height) of the slide, level-0 px.
    """
    layers = [read_annotations(path, bounds, size) for path in paths]
    ignored: Counter[str] = Counter()
    for layer in layers:
        ignored.update(layer.ignored)
    numbered = (replace(a, layer=n) for n, layer in enumerate(layers) for a in layer)
    return Annotations(numbered, ignored)


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
                a.name,
                colours.get(a.name, GREY),
                key=f"{number} {a.name} {a.polygon.wkt}",
            )
            for number, a in enumerate(annotations)
        ),
    )


_Decoder = Callable[[Path, Bounds, tuple[int, int]], tuple[Shapes, Counter[str]]]


def _decoder(path: Path) -> _Decoder:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = next((s for s in reversed(suffixes) if s != ".gz"), "")
    if suffix in {".geojson", ".json"}:
        return _from_geojson
    if suffix == ".xml":
        return lambda path, bounds, size: annotation_xml.decode(path)
    if suffix in {".png", ".tif", ".tiff", ".bmp"}:
        return lambda path, bounds, size: (annotation_mask.decode(path, size), Counter())
    raise HistotileError(
        path,
        f"annotations in {suffix or 'a file without suffix'} are not taken",
        "give QuPath GeoJSON, ASAP XML, Aperio ImageScope XML or a label mask image",
    )


def _from_geojson(path: Path, bounds: Bounds, size: tuple[int, int]) -> tuple[Shapes, Counter[str]]:
    shapes, ignored = annotation_geojson.decode(path)
    return [(name, affinity.translate(g, bounds.x, bounds.y)) for name, g in shapes], ignored


def _mended(geometry: BaseGeometry) -> Polygon | MultiPolygon | None:
    """The areas of a geometry, valid; None without any."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    areas = [
        shapely.make_valid(part, method="structure", keep_collapsed=False)
        for part in parts
        if isinstance(part, Polygon)
    ]
    merged = shapely.union_all(areas) if areas else None
    if merged is None or merged.is_empty or not isinstance(merged, Polygon | MultiPolygon):
        return None
    return merged
