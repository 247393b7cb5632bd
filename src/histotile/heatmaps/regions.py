"""Connected areas of a slide whose probability reaches a threshold."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from histotile.heatmaps.probability_map import ProbabilityMap

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_TOP, _RIGHT, _BOTTOM, _LEFT = range(4)  # sides of a cell, clockwise as seen on the slide


@dataclass(frozen=True)
class Region:
    """One connected area in which the probability of a class reaches the threshold.

    Attributes:
        class_name: The class.
        polygon: Its outline with its holes, level-0 px as OpenSlide counts them; valid.
        area_mm2: Area of its cells in mm2; None where the slide's mpp is unknown.
        cells: How many cells of the map it has.
        max_probability: The largest of its cells.
        mean_probability: The mean of its cells.
        peak: x, y of the centre of its most probable cell, level-0 px; of the first in reading
            order where several are.
        measure: What they are of, `value` where the task measures a number.
    """

    class_name: str
    polygon: Polygon
    area_mm2: float | None
    cells: int
    max_probability: float
    mean_probability: float
    peak: tuple[float, float]
    measure: str = "probability"


def find_regions(
    found: ProbabilityMap, class_name: str | None, threshold: float, mpp: float | None
) -> list[Region]:
    """The regions of one class: cells with p >= threshold, joined along their sides.

    Of a number, the threshold lies that far from low to high on its scale.

    Probability and threshold are compared as 32-bit floats. Where tiles lie apart, nothing joins
    them, and each is a region of its own. The area is cells * covered^2 * mpp^2 * 1e-6 mm2.

    Args:
        found: Map of the slide.
        class_name: One of its classes; None: the last.
        threshold: Least probability.
        mpp: Micrometres per level-0 px; None (or 0) if unknown.

    Returns:
        The largest first; of equal ones, the one whose first cell comes first in reading order.

    Raises:
        HistotileError: There is no such class.
    """
    layer = found.layer(class_name)
    labels = _labelled(layer >= np.float32(found.meaning(class_name).at(threshold)), found)
    rows, columns = np.nonzero(labels)
    if len(rows) == 0:
        return []
    label, p = labels[rows, columns] - 1, layer[rows, columns].astype(np.float64)
    cells = np.bincount(label)
    mean = np.bincount(label, weights=p) / cells
    by_peak = np.lexsort((-p, label))  # stable: of equals the first in reading order leads
    peaks = by_peak[np.searchsorted(label[by_peak], np.arange(len(cells)))]
    x = found.x0 + columns[peaks] * found.step + found.covered / 2
    y = found.y0 + rows[peaks] * found.step + found.covered / 2
    polygons = _outlines(labels, found)
    return [
        Region(
            class_name=class_name or found.classes[-1],
            polygon=polygons[k],
            area_mm2=int(cells[k]) * found.covered**2 * mpp**2 * 1e-6 if mpp else None,
            cells=int(cells[k]),
            max_probability=float(p[peaks[k]]),
            mean_probability=float(mean[k]),
            peak=(float(x[k]), float(y[k])),
            measure="value" if found.kind == "regression" else "probability",
        )
        for k in np.argsort(-cells, kind="stable").tolist()
    ]


def _labelled(high: NDArray[np.bool_], found: ProbabilityMap) -> Ints:
    """(H, W): 1, 2, ... by region in reading order of their first cells; 0 below the threshold."""
    from scipy import ndimage

    if found.covered < found.step:
        return np.where(high, np.cumsum(high).reshape(high.shape), 0)
    labels: Ints = ndimage.label(high, output=np.int64)[0]
    return labels


def _outlines(labels: Ints, found: ProbabilityMap) -> list[Polygon]:
    """The area of each label, level-0 px."""
    if found.covered < found.step:
        rows, columns = np.nonzero(labels)
        left, top = found.x0 + columns * found.step, found.y0 + rows * found.step
        return list(shapely.box(left, top, left + found.covered, top + found.covered))
    label, ring, corners = _rings(labels)
    places = np.array([found.x0, found.y0]) + corners * found.step
    order = np.lexsort((_is_hole(ring, corners), label[_starts(ring)]))
    rings = shapely.linearrings(places, indices=ring)[order]
    return list(shapely.polygons(rings, indices=label[_starts(ring)][order]))


def _rings(labels: Ints) -> tuple[Ints, Ints, Ints]:
    """The rings around all areas, corner by corner.

    Returns:
        Of each corner, ring by ring in order: label - 1 of its area; the ring's number, from 0;
        (n, 2) column and row of the corner. Outer rings run clockwise as seen on the slide,
        holes the other way.
    """
    padded = np.pad(labels, 1)
    cells, sides = _edges(padded)
    number = np.full((padded.size, 4), -1, dtype=np.int64)
    number[cells, sides] = np.arange(len(cells))
    following = number[_next_edge(padded, cells, sides)]
    walk, ring = _cycles(following)
    turns = sides[walk] != sides[following[walk]]
    walk, ring = walk[turns], ring[turns]
    row, column = np.divmod(cells[walk], padded.shape[1])
    side = sides[walk]  # a corner is where its edge ends
    corners = np.stack(
        [column - 1 + (side < _BOTTOM), row - 1 + ((side == _RIGHT) | (side == _BOTTOM))], axis=1
    )
    return padded.ravel()[cells[walk]] - 1, ring, corners


def _edges(padded: Ints) -> tuple[Ints, Ints]:
    """Cell (flat) and side of every edge between an area and what is not of it; by cell."""
    flat, width = padded.ravel(), padded.shape[1]
    inside = np.flatnonzero(flat)
    beyond = inside[:, None] + np.array([-width, 1, width, -1])
    cell, side = np.nonzero(flat[beyond] != flat[inside, None])
    return inside[cell], side


def _next_edge(padded: Ints, cells: Ints, sides: Ints) -> tuple[Ints, Ints]:
    """The edge that follows each edge, clockwise around its area.

    Where two cells of one area meet at a corner only, the walk crosses over to the other cell. So
    no ring passes a corner twice: such a corner is where a hole touches the outline or another
    hole, as valid polygons demand.
    """
    flat, width = padded.ravel(), padded.shape[1]
    ahead = np.array([1, width, -1, -width])[sides]
    diagonal = ahead + np.array([-width, 1, width, -1])[sides]
    own = flat[cells]
    bends_left = flat[cells + diagonal] == own
    goes_on = ~bends_left & (flat[cells + ahead] == own)
    turn = np.where(bends_left, 3, np.where(goes_on, 0, 1))
    step = np.where(bends_left, diagonal, np.where(goes_on, ahead, 0))
    return cells + step, (sides + turn) % 4


def _cycles(following: Ints) -> tuple[Ints, Ints]:
    """The edges cycle by cycle, each in its order, and the number of the cycle, from 0."""
    ahead: list[int | None] = following.tolist()
    walk, ring, count = [], [], 0
    for start in range(len(ahead)):
        edge, after = start, ahead[start]
        while after is not None:
            walk.append(edge)
            ring.append(count)
            ahead[edge] = None
            edge, after = after, ahead[after]
        count += ring[-1] == count
    return np.array(walk), np.array(ring)


def _starts(ring: Ints) -> Ints:
    """Where each ring begins among its corners."""
    return np.flatnonzero(np.diff(ring, prepend=-1))


def _is_hole(ring: Ints, corners: Ints) -> NDArray[np.bool_]:
    """Of each ring, whether it runs around a hole: its signed area tells."""
    x, y = corners.T
    starts = _starts(ring)
    after = np.arange(1, len(ring) + 1)
    after[np.append(starts[1:], len(ring)) - 1] = starts
    return np.add.reduceat(x * y[after] - x[after] * y, starts) < 0
