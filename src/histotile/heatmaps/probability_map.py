"""The map of a slide's probabilities: as data, not as a picture."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histotile.errors import HistotileError
from histotile.io.tile_spec import TileSpec
from histotile.tasks.registry import AUTO, make_task, options_of, task_of
from histotile.tasks.task import Layer, Task, read_values

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

_ROUNDING = 1e-6  # of a cell: a centre that close to a tile's edge lies on it
_RIM = 1e-3  # of a tile: there the window ends, above 0, so that a lone tile fills its cells


@dataclass(frozen=True)
class Layout:
    """Where the tiles of a slide lie, all in level-0 px.

    Tiles need not lie on the grid that begins at (x0, y0): see `probability_map`.

    Args:
        x0: Left edge of the grid, i.e. of the scanned area.
        y0: Top edge.
        width: Extent of the scanned area.
        height: Extent of the scanned area.
        tile: Side of a tile, exact (seldom whole).
        stride: Distance of neighbouring tiles, exact; off the grid, within one outline.
    """

    x0: float
    y0: float
    width: float
    height: float
    tile: float
    stride: float

    @classmethod
    def of(cls, spec: TileSpec) -> "Layout | None":
        """The layout of a tile table; None where no slide was tiled."""
        if spec.verdict != "ok" or spec.size_level0_px is None or spec.stride_level0_px is None:
            return None
        return cls(*spec.bounds, spec.size_level0_px, spec.stride_level0_px)


@dataclass(frozen=True)
class ProbabilityMap:
    """Probabilities on cells of one stride.

    Args:
        values: (C, H, W) float32; NaN where no tile was predicted.
        classes: Names of the C layers.
        x0: Left edge of the map, level-0 px.
        y0: Top edge, level-0 px.
        step: Side of a cell, level-0 px: the stride of the tiles, or a quarter of it where they
            lie on no grid.
        covered: Side of the part of a cell, from its top left, that tiles cover, level-0 px; less
            than `step` only where tiles lie apart.
        kind: Of the task that `classes` are the names of.
        options: What that task needs beside.
    """

    values: NDArray[np.float32]
    classes: tuple[str, ...]
    x0: float
    y0: float
    step: float
    covered: float
    kind: str = AUTO
    options: Mapping[str, Any] = field(default_factory=dict)

    def meaning(self, name: str | None) -> Layer:
        """What that layer shows; None: the last."""
        task = make_task(self.classes, self.kind, self.options)
        return task.layer(self.classes[-1] if name is None else name)

    def layer(self, name: str | None) -> NDArray[np.float32]:
        """(H, W) of that class; of the last one for None.

        Raises:
            HistotileError: There is no such class.
        """
        chosen = self.classes[-1] if name is None else name
        if chosen not in self.classes:
            fact = f"{chosen!r} is not among the classes {', '.join(self.classes)}"
            raise HistotileError("heatmap.class_name", fact, "name one of these")
        layer: NDArray[np.float32] = self.values[self.classes.index(chosen)]
        return layer


def probability_map(
    x: Ints, y: Ints, probabilities: Floats, task: Task, layout: Layout
) -> ProbabilityMap:
    """The probabilities of tiles laid out on the slide.

    One cell per stride where tiles lie on the grid that `layout` tells: each edge within 1 px of
    it, predicted or not. Tiles that lie otherwise (tables from other programs, whose outlines each
    have an offset of their own) get cells of a quarter of the stride; so nothing is shown further
    from its place than an eighth of a stride.

    A tile covers the cells whose centres lie in it, but one at least; parts outside the scanned
    area are left out. Where tiles overlap, a cell is sum(w p) / sum(w) over the tiles that cover
    it, with the separable Hann window w = sin^2(pi u) sin^2(pi v), where (u, v) is the place of
    the cell's centre within the tile, 0 to 1: a tile counts most where it sees all around. A cell
    that one tile covers has the tile's values unchanged. Rows that hold a NaN (no prediction)
    leave their cells alone.

    Args:
        x: (N,) left edges of the tiles, level-0 px.
        y: (N,) top edges, level-0 px.
        probabilities: (N, C).
        task: What was learnt.
        layout: Grid the tiles were cut on, or whose stride they follow.
    """
    columns = (x.astype(np.float64) - layout.x0) / layout.stride
    rows = (y.astype(np.float64) - layout.y0) / layout.stride
    step = layout.stride
    if _on_grid(columns, layout.stride) and _on_grid(rows, layout.stride):
        columns, rows = np.rint(columns), np.rint(rows)
    else:
        columns, rows, step = 4 * columns, 4 * rows, layout.stride / 4
    known = ~np.isnan(probabilities).any(axis=1)
    shape = tuple(max(1, int(np.ceil(side / step))) for side in (layout.height, layout.width))
    values = _blended(columns[known], rows[known], probabilities[known], layout.tile / step, shape)
    covered = min(layout.tile, step)
    return ProbabilityMap(
        values, task.names, layout.x0, layout.y0, step, covered, task.kind, options_of(task)
    )


def _on_grid(place: NDArray[np.float64], stride: float) -> bool:
    """Whether all places, in strides, are whole to within 1 px."""
    return bool((np.abs(place - np.rint(place)) <= 1 / stride + _ROUNDING).all())


def _blended(
    columns: NDArray[np.float64],
    rows: NDArray[np.float64],
    probabilities: Floats,
    side: float,
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """(C, H, W): the mean of tiles under their windows; places and side in cells, shape (H, W)."""
    height, width = shape
    total = np.zeros((probabilities.shape[1], height * width))
    weights = np.zeros(height * width)
    across, down = list(_spans(columns, side, width)), list(_spans(rows, side, height))
    for (row, vertical), (column, horizontal) in itertools.product(down, across):
        weight = vertical * horizontal
        inside = weight > 0
        cells = (row * width + column)[inside]
        weights += np.bincount(cells, weights=weight[inside], minlength=len(weights))
        for layer, p in zip(total, probabilities[inside].T, strict=True):
            layer += np.bincount(cells, weights=p * weight[inside], minlength=len(weights))
    mean = np.full(total.shape, np.nan, dtype=np.float32)
    np.divide(total, weights, out=mean, where=weights > 0, casting="unsafe")
    return mean.reshape(-1, height, width)


def _spans(
    start: NDArray[np.float64], side: float, n_cells: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Along one axis, the first, second, ... cell of every tile, and the window's weight there.

    The weight is 0 where a tile has no such cell.
    """
    first = np.ceil(start - 0.5 - _ROUNDING).astype(np.int64)
    count = np.ceil(start + side - 0.5 - _ROUNDING).astype(np.int64) - first
    for k in range(max(1, count.max(initial=1))):
        cell = first + k
        within = np.clip((cell + 0.5 - start) / side, _RIM, 1 - _RIM)
        is_covered = (k < np.maximum(count, 1)) & (cell >= 0) & (cell < n_cells)
        yield cell, np.where(is_covered, np.sin(np.pi * within) ** 2, 0.0)


def slide_map(predictions: "pa.Table", spec: TileSpec) -> ProbabilityMap:
    """The map of a slide from its predictions."""
    task, layout = task_of(spec), Layout.of(spec)
    if layout is None:
        layer = np.full((len(task.names), 1, 1), np.nan, np.float32)
        return ProbabilityMap(layer, task.names, 0.0, 0.0, 1.0, 1.0, task.kind, options_of(task))
    x, y = predictions["x"].to_numpy(), predictions["y"].to_numpy()
    return probability_map(x, y, read_values(task, predictions), task, layout)
