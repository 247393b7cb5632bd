"""The map of a slide's probabilities: as data, not as a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.errors import HistotileError
from histotile.tables import replacing

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Layout:
    """Where the tiles of a slide lie, all in level-0 px.

    Args:
        x0: Left edge of the grid, i.e. of the scanned area.
        y0: Top edge.
        width: Extent of the scanned area.
        height: Extent of the scanned area.
        tile: Side of a tile, exact (seldom whole).
        stride: Distance of neighbouring tiles, exact.
    """

    x0: float
    y0: float
    width: float
    height: float
    tile: float
    stride: float

    @classmethod
    def from_footer(cls, footer: Mapping[str, Any]) -> "Layout":
        """The layout that the footer of a tile table tells."""
        size, stride = footer["size_level0_px"], footer["stride_level0_px"]
        x, y, width, height = footer["bounds"]
        return cls(x, y, width, height, size, stride)


@dataclass(frozen=True)
class ProbabilityMap:
    """Probabilities on cells of one stride.

    Args:
        values: (C, H, W) float32; NaN where no tile was predicted.
        classes: Names of the C layers.
        x0: Left edge of the map, level-0 px.
        y0: Top edge, level-0 px.
        step: Side of a cell, level-0 px: the stride of the tiles.
        covered: Side of the part of a cell, from its top left, that tiles cover, level-0 px; less
            than `step` only where tiles lie apart.
    """

    values: NDArray[np.float32]
    classes: tuple[str, ...]
    x0: float
    y0: float
    step: float
    covered: float

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
    x: Ints, y: Ints, probabilities: Floats, classes: Sequence[str], layout: Layout
) -> ProbabilityMap:
    """The probabilities of tiles laid out on the slide, one cell per stride.

    Where tiles overlap, a cell is the mean of the tiles that cover its centre. Rows that hold a
    NaN (no prediction) leave their cells alone.

    Args:
        x: (N,) left edges of the tiles, level-0 px.
        y: (N,) top edges, level-0 px.
        probabilities: (N, C).
        classes: Names of the C columns.
        layout: Grid the tiles were cut on.
    """
    known = ~np.isnan(probabilities).any(axis=1)
    column = np.rint((x[known] - layout.x0) / layout.stride).astype(np.int64)
    row = np.rint((y[known] - layout.y0) / layout.stride).astype(np.int64)
    width = max(1, int(np.ceil(layout.width / layout.stride)))
    height = max(1, int(np.ceil(layout.height / layout.stride)))
    total = np.zeros((len(classes), height * width))
    tiles = np.zeros(height * width)
    reach = max(1, int(np.floor(layout.tile / layout.stride + 0.5)))
    for down, right in np.ndindex(reach, reach):
        inside = (row + down < height) & (column + right < width)
        cells = ((row + down) * width + column + right)[inside]
        tiles += np.bincount(cells, minlength=len(tiles))
        for layer, p in zip(total, probabilities[known].T, strict=True):
            layer += np.bincount(cells, weights=p[inside], minlength=len(tiles))
    mean = np.full(total.shape, np.nan, dtype=np.float32)
    np.divide(total, tiles, out=mean, where=tiles > 0, casting="unsafe")
    values = mean.reshape(len(classes), height, width)
    covered = min(layout.tile, layout.stride)
    return ProbabilityMap(values, tuple(classes), layout.x0, layout.y0, layout.stride, covered)


def write_map(
    path: Path, found: ProbabilityMap, mpp: float | None, facts: Mapping[str, Any]
) -> None:
    """A TIFF of 32-bit floats, one page per class, that says where on the slide it lies.

    Its ImageDescription is JSON: classes, x0, y0, step and covered (level-0 px), mpp (um per
    level-0 px) and `facts`. Cell (row i, column j) covers x0 + j * step and y0 + i * step onwards;
    NaN: no tile.

    Args:
        path: Where; whole or not at all.
        found: The map.
        mpp: Micrometres per level-0 px; None (or 0) if unknown: the TIFF then has no resolution.
        facts: More to tell, e.g. slide_id and model_id; JSON.
    """
    import tifffile

    place = {"x0": found.x0, "y0": found.y0, "step": found.step, "covered": found.covered}
    note = {"classes": list(found.classes), **place, "mpp": mpp, **facts}
    per_cm = 1e4 / (found.step * mpp) if mpp else None
    with replacing(path) as temporary:
        tifffile.imwrite(
            temporary,
            found.values,
            photometric="minisblack",
            compression="zlib",
            description=json.dumps(note),
            metadata=None,
            resolution=(per_cm, per_cm) if per_cm else None,
            resolutionunit="CENTIMETER" if per_cm else None,
        )


def read_map(path: Path) -> tuple[ProbabilityMap, dict[str, Any]]:
    """The map that `write_map` wrote, and what its description says.

    Raises:
        HistotileError: The file is missing or no such map.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            note = json.loads(tiff.pages.first.description)
            values = np.stack([page.asarray() for page in tiff.pages])
        place = [float(note[name]) for name in ("x0", "y0", "step", "covered")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HistotileError(path, f"not a readable map ({error})", "make it again") from error
    return ProbabilityMap(values, tuple(note["classes"]), *place), note
