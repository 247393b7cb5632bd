"""Which label a tile takes: from the outlines of an annotation, or from its slide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from histotile.config import Labels
from histotile.errors import HistotileError

if TYPE_CHECKING:
    from histotile.slides.annotations import Annotation

# Where cutting an outline further stops paying: this few tiles, or this short an outline.
_FEW_TILES = 8
_FEW_VERTICES = 200


@dataclass(frozen=True)
class SlideTruth:
    """What is known of a slide before any model has seen it.

    Attributes:
        slide_id: Named in errors.
        classes: All classes, in the order of the config.
        label: Label of the slide, None if unknown.
        annotations: Its outlines in level-0 px; None if it has no annotation file.
    """

    slide_id: str
    classes: tuple[str, ...]
    label: str | None = None
    annotations: Sequence[Annotation] | None = None


def label_tiles(
    x: NDArray[np.int32], y: NDArray[np.int32], size: float, truth: SlideTruth, settings: Labels
) -> tuple[list[str | None], NDArray[np.float32]]:
    """The label of every tile (None: not to be trained on), and its overlap with outlines.

    The overlap is the largest share of the tile's area inside the union of outlines of one class;
    NaN where no outlines were used. Source `slide`: every tile takes the slide's label. Source
    `annotation`: a tile takes the class of its largest overlap if that reaches positive_overlap,
    and `outside` if no overlap exceeds negative_overlap. Outlines named as `outside` itself add
    nothing to that, so that a region drawn around everything cannot hide a lesion drawn in it.
    Outlines of a later layer win over those of earlier ones, whatever their classes.
    Without an annotation file, tiles take `outside` if the slide does, else no label.

    Args:
        x: Left edges, level-0 px.
        y: Top edges, level-0 px.
        size: Exact side of a tile, level-0 px.
        truth: Label and outlines of the slide.
        settings: Source, names and overlap limits.

    Raises:
        HistotileError: The slide's label is no class, or contradicts its outlines.
    """
    _check_label(truth)
    unknown = np.full(len(x), np.nan, np.float32)
    if settings.source == "slide":
        return [truth.label] * len(x), unknown
    if truth.annotations is None:
        known = settings.outside is not None and truth.label == settings.outside
        return [settings.outside if known else None] * len(x), unknown
    outlines = _outlines_of_classes(truth, settings)
    _check_conflict(truth, settings, set(outlines))
    counted = [name for name in outlines if name != settings.outside]
    shares = np.zeros((max(1, len(counted)), len(x)), np.float32)
    for row, name in enumerate(counted):
        shares[row] = overlap_shares(outlines[name], x, y, size)
    largest = shares.max(axis=0)
    names = np.array([*counted, settings.outside, None], object)
    choice = np.full(len(x), len(names) - 1)
    choice[largest <= settings.negative_overlap] = len(names) - 2
    inside = largest >= settings.positive_overlap
    choice[inside] = shares.argmax(axis=0)[inside]
    return names[choice].tolist(), largest


def ignored_names(truth: SlideTruth, settings: Labels) -> dict[str, int]:
    """Names of outlines that stand for no class, and how many outlines bear each."""
    known = _known_names(truth.classes, settings)
    names = (a.name for a in truth.annotations or ())
    return dict(sorted(Counter(n for n in names if _key(n) not in known).items()))


def overlap_shares(
    outline: Any, x: NDArray[np.int32], y: NDArray[np.int32], size: float
) -> NDArray[np.float32]:
    """Share of every tile's area inside a polygon (level-0 px), exact.

    A long outline is cut in halves together with the tiles until the pieces are short: then only
    tiles on the outline cost an intersection, and that with a short piece.
    """
    shares = np.zeros(len(x), np.float32)
    todo = [(_polygons_only(outline), np.arange(len(x)))]
    while todo:
        piece, tiles = todo.pop()
        if not len(tiles):
            continue
        left, top = x[tiles], y[tiles]
        if len(tiles) <= _FEW_TILES or shapely.get_num_coordinates(piece) <= _FEW_VERTICES:
            shares[tiles] = _shares_of_piece(piece, left, top, size)
            continue
        edges = left if np.ptp(left) >= np.ptp(top) else top
        for half in np.array_split(np.argsort(edges, kind="stable"), 2):
            xs, ys = left[half], top[half]
            box = shapely.box(xs.min(), ys.min(), xs.max() + size, ys.max() + size)
            todo.append((_polygons_only(shapely.intersection(piece, box)), tiles[half]))
    return np.clip(shares, 0, 1, out=shares)


def _shares_of_piece(
    piece: Any, left: NDArray[np.int32], top: NDArray[np.int32], size: float
) -> NDArray[np.float64]:
    squares = shapely.box(left, top, left + size, top + size)
    shapely.prepare(piece)
    shares = np.asarray(shapely.contains_properly(piece, squares), np.float64)
    partly = np.flatnonzero((shares == 0) & shapely.intersects(piece, squares))
    shares[partly] = shapely.area(shapely.intersection(piece, squares[partly])) / size**2
    return shares


def _outlines_of_classes(truth: SlideTruth, settings: Labels) -> dict[str, Any]:
    """The area of every class that has some, in the order of the classes.

    Within a layer, outlines of one class unite; what a later layer gives to any class is taken from
    the outlines of earlier ones. Names that stand for no class take nothing.
    """
    known = _known_names(truth.classes, settings)
    layers: dict[int, dict[str, list[Any]]] = {}
    for annotation in truth.annotations or ():
        if (name := known.get(_key(annotation.name))) is not None:
            parts = layers.setdefault(annotation.layer, {}).setdefault(name, [])
            parts.append(shapely.make_valid(annotation.polygon))
    areas: dict[str, Any] = {}
    for _, drawn in sorted(layers.items()):
        taken = shapely.union_all([polygon for polygons in drawn.values() for polygon in polygons])
        areas = {name: shapely.difference(area, taken) for name, area in areas.items()}
        for name, polygons in drawn.items():
            left = [areas[name]] if name in areas else []
            areas[name] = shapely.union_all([*left, *polygons])
    return {n: areas[n] for n in truth.classes if n in areas and not areas[n].is_empty}


def _known_names(classes: Sequence[str], settings: Labels) -> dict[str, str]:
    return {
        **{_key(name): name for name in classes},
        **{_key(name): class_name for name, class_name in settings.names.items()},
    }


def _key(name: str) -> str:
    return name.strip().casefold()


def _polygons_only(geometry: Any) -> Any:
    """The areas of a geometry, without the points and lines where it only touched."""
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.union_all([p for p in parts if p.geom_type == "Polygon"])


def _check_label(truth: SlideTruth) -> None:
    if truth.label is not None and truth.label not in truth.classes:
        raise HistotileError(
            f"slide {truth.slide_id}",
            f"its label {truth.label!r} is not among classes {list(truth.classes)}",
            "mend the label in the cohort file, or add it to classes",
        )


def _check_conflict(truth: SlideTruth, settings: Labels, outlined: set[str]) -> None:
    if truth.label is None or settings.outside is None:
        return
    others = sorted(outlined - {settings.outside})
    if truth.label == settings.outside and others:
        raise HistotileError(
            f"slide {truth.slide_id}",
            f"it is labelled {truth.label!r} but has outlines of {', '.join(map(repr, others))}",
            "mend its label in the cohort file, or its annotation",
        )
    if truth.label != settings.outside and truth.label not in outlined:
        names = sorted({a.name for a in truth.annotations or ()})
        raise HistotileError(
            f"slide {truth.slide_id}",
            f"it is labelled {truth.label!r} but no outline has that class, so all its tissue "
            f"would count as {settings.outside!r}; names in its annotation: {names or 'none'}",
            "name the outlines in tile.labels.names, or set tile.labels.outside to null",
        )
