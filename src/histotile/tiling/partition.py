"""Which meaning each place of a slide has, where outlines lie in, over and beside each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from histotile.slides.annotations.shapes import areas_only, lies_in
from histotile.tiling.outline_names import Meaning, NoLabel

if TYPE_CHECKING:
    from histotile.slides.annotations.read import Annotation

Areas = dict[Meaning, Any]


def divide(outlines: Iterable[tuple[Annotation, Meaning]]) -> Areas:
    """The area of every meaning that has some; no place has two.

    Within a layer (a file), the outline that lies in another decides there: a lesion in an outline
    of all tissue is a lesion, necrosis in a lesion is necrosis, and a lesion in that necrosis is
    one again. Where outlines overlap and neither lies in the other, what is left out stays out, a
    name that is no class gives no label, and a place of two classes belongs to neither. What a
    later layer draws, of whatever meaning, is taken from earlier layers.

    Args:
        outlines: Outlines with valid or crossing rims, and what they mean.
    """
    layers: dict[int, list[tuple[Any, Meaning]]] = defaultdict(list)
    for annotation, meant in outlines:
        polygon = annotation.polygon
        valid = polygon if polygon.is_valid else areas_only(shapely.make_valid(polygon))
        layers[annotation.layer].append((valid, meant))
    areas: Areas = {}
    for _, drawn in sorted(layers.items()):
        own = _divide_layer(*zip(*drawn, strict=True))
        taken = shapely.union_all(list(own.values()))
        areas = {meant: shapely.difference(area, taken) for meant, area in areas.items()}
        for meant, area in own.items():
            areas[meant] = shapely.union(areas[meant], area) if meant in areas else area
    kept = {meant: areas_only(area) for meant, area in areas.items()}
    return {meant: area for meant, area in kept.items() if not area.is_empty}


def _divide_layer(polygons: Sequence[Any], meanings: Sequence[Meaning]) -> Areas:
    parts: dict[Meaning, list[Any]] = defaultdict(list)
    for polygon, meant in zip(_without_nested(polygons, meanings), meanings, strict=True):
        parts[meant].append(polygon)
    areas: Areas = {meant: shapely.union_all(own) for meant, own in parts.items()}
    ignored = areas.get(NoLabel.IGNORED)
    if ignored is not None and NoLabel.UNLISTED in areas:
        areas[NoLabel.UNLISTED] = shapely.difference(areas[NoLabel.UNLISTED], ignored)
    blanks = [area for meant, area in areas.items() if isinstance(meant, NoLabel)]
    classes = [meant for meant in areas if not isinstance(meant, NoLabel)]
    if blanks:
        blank = shapely.union_all(blanks)
        areas |= {name: shapely.difference(areas[name], blank) for name in classes}
    twice = [shapely.intersection(areas[a], areas[b]) for a, b in combinations(classes, 2)]
    contested = areas_only(shapely.union_all(twice))
    if not contested.is_empty:
        areas |= {name: shapely.difference(areas[name], contested) for name in classes}
        areas[NoLabel.CONTESTED] = contested
    return areas


def _without_nested(polygons: Sequence[Any], meanings: Sequence[Meaning]) -> list[Any]:
    """Each polygon without those of other meanings that lie in it."""
    found = np.asarray(polygons, object)
    number = {meant: n for n, meant in enumerate(dict.fromkeys(meanings))}
    numbers = np.asarray([number[meant] for meant in meanings])
    inner, outer = shapely.STRtree(found).query(found, predicate="intersects")
    other = numbers[inner] != numbers[outer]
    inner, outer = inner[other], outer[other]
    within = lies_in(found[inner], found[outer])
    inner, outer = inner[within], outer[within]
    left = found.copy()
    for place in np.unique(outer).tolist():
        left[place] = shapely.difference(
            found[place], shapely.union_all(found[inner[outer == place]])
        )
    return list(left)
