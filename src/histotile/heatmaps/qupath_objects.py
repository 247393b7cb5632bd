"""Tiles and regions of a slide as objects of QuPath."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from histotile.config.task import NONE_OF_THEM
from histotile.heatmaps.regions import Region
from histotile.io.palette import class_colours
from histotile.io.text.qupath import Feature, feature, square, write_features
from histotile.tasks.task import Task

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


class Squares(NamedTuple):
    """Where N tiles lie: left and top edges (no place twice) and their side.

    In level-0 px as OpenSlide counts them.
    """

    x: Ints
    y: Ints
    side: float


def write_tile_objects(
    path: Path,
    slide_id: str,
    tiles: Squares,
    values: Floats,
    task: Task,
    bounds: tuple[int, int, int, int],
) -> None:
    """A GeoJSON file of tile objects: a square each, as its most probable class.

    Of several labels that is the most probable one from 0.5, else `none`.

    Its measurements are the columns of the task (6 decimals); its id follows from slide and
    place, so that the same tile has the same id in every run. Tiles whose row holds a NaN (no
    prediction) are left out. Coordinates count from the corner of the bounds, as QuPath's do.

    Args:
        path: Where; gzipped if it ends in .gz.
        slide_id: Part of the ids.
        tiles: Where they lie.
        values: (N, C).
        task: What was learnt; the order of its names gives them their colours.
        bounds: x, y, width, height of the scanned area, level-0 px.
    """
    classes = task.names
    if task.kind == "multilabel":  # none stands first, as the background does
        classes = (NONE_OF_THEM, *classes)
    known = ~np.isnan(values).any(axis=1)
    places = zip(tiles.x[known].tolist(), tiles.y[known].tolist(), strict=True)
    rows = np.round(values[known].astype(np.float64), 6).tolist()
    judged = values[known]
    if task.kind == "multilabel":
        judged = np.column_stack([np.full(len(judged), 0.5), judged])
    best = judged.argmax(axis=1).tolist()
    colours = class_colours(classes)
    write_features(
        path,
        (
            square(
                "tile",
                (left - bounds[0], top - bounds[1]),
                tiles.side,
                (classes[chosen], colours[classes[chosen]]),
                key=repr(("tile", slide_id, left, top)),
                measurements=dict(zip(task.columns, row, strict=True)),
            )
            for (left, top), row, chosen in zip(places, rows, best, strict=True)
        ),
    )


def write_region_objects(
    path: Path,
    slide_id: str,
    regions: Sequence[Region],
    classes: Sequence[str],
    bounds: tuple[int, int, int, int],
) -> None:
    """A GeoJSON file of annotations, one per region, named e.g. "tumour 1" in the order given.

    Measurements: area_mm2 (only where the mpp is known), max_probability, mean_probability and
    cells (of the map; as many tiles, unless these overlap or lie off the grid). Its id follows from
    slide, class and the region's most probable place. Coordinates count from the corner of the
    bounds, as QuPath's do.

    Args:
        path: Where; gzipped if it ends in .gz.
        slide_id: Part of the ids.
        regions: Of one class or of several.
        classes: All classes, in the order that gives them their colours.
        bounds: x, y, width, height of the scanned area, level-0 px.
    """
    write_features(path, _region_features(slide_id, regions, classes, bounds))


def _region_features(
    slide_id: str,
    regions: Sequence[Region],
    classes: Sequence[str],
    bounds: tuple[int, int, int, int],
) -> Iterator[Feature | None]:
    colours, seen = class_colours(classes), dict.fromkeys(classes, 0)
    corner = np.array(bounds[:2])
    outlines = shapely.transform([r.polygon for r in regions], lambda places: places - corner)
    for region, outline in zip(regions, outlines, strict=True):
        seen[region.class_name] += 1
        yield feature(
            "annotation",
            outline,
            (region.class_name, colours[region.class_name]),
            key=repr(("region", slide_id, region.class_name, region.peak)),
            measurements=_measurements(region),
            name=f"{region.class_name} {seen[region.class_name]}",
        )


def _measurements(region: Region) -> dict[str, float]:
    area = {} if region.area_mm2 is None else {"area_mm2": round(region.area_mm2, 6)}
    return area | {
        f"max_{region.measure}": round(region.max_probability, 6),
        f"mean_{region.measure}": round(region.mean_probability, 6),
        "cells": region.cells,
    }
