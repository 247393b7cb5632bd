"""Where another program cut its tiles: the files of CLAM, TRIDENT and WSInfer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.errors import HistotileError

CLAM, TRIDENT, WSINFER = "CLAM", "TRIDENT", "WSInfer"
_CORNERS, _SIDES = ("minx", "miny"), ("width", "height")
_FURTHEST = 2**31 - 1
_MOST_TILES = 10_000_000
_AGAIN = "give the coordinates file of CLAM, TRIDENT or WSInfer, as that program wrote it"


@dataclass(frozen=True)
class Coordinates:
    """The tiles of a slide as a file lists them.

    Attributes:
        x: (N,) left edges, level-0 px, in reading order: by y, then by x; no place twice.
        y: (N,) top edges, level-0 px.
        side: Of every tile, level-0 px.
        stride: Distance of neighbours, level-0 px: as the file tells, else as most often seen.
        program: What wrote the file.
        listed: Number of tiles in the file, places that stand in it twice included.
    """

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    side: float
    stride: float
    program: str
    listed: int


def read_coordinates(path: Path) -> Coordinates:
    """The tiles in a coordinates file.

    HDF5 (.h5, .hdf5) with a data set `coords` of (N, 2) top-left corners in level-0 px, and as its
    attributes either `patch_size_level0` (TRIDENT; the stride follows from `overlap`), or
    `patch_size` with `patch_spacing_um_px` (WSInfer; its `patch_size` counts level-0 px), or
    `patch_size` in px of `patch_level`, with that level's `downsample` (CLAM). CSV (.csv) with
    minx, miny, width and height in level-0 px (the model outputs of WSInfer). Positions are
    rounded to whole px.

    Raises:
        HistotileError: Another kind of file, unreadable, or without these; tiles that are not
            square or of several sizes; positions that are no numbers.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        corners, side, stride, program = _from_csv(path)
    elif suffix in {".h5", ".hdf5"}:
        corners, side, stride, program = _from_hdf5(path)
    else:
        raise HistotileError(
            path, f"coordinates in {suffix or 'such a file'} are not taken", _AGAIN
        )
    if not (np.isfinite(corners).all() and (np.abs(corners) < _FURTHEST).all()):
        raise HistotileError(path, "some of its positions are no level-0 px", _AGAIN)
    if not (np.isfinite(side) and side > 0):
        raise HistotileError(path, f"tiles of {side:g} level-0 px are none", _AGAIN)
    y, x = np.unique(np.rint(corners[:, ::-1]).astype(np.int32), axis=0).T
    return Coordinates(x, y, side, stride or _common_step(x, y, side), program, len(corners))


_Found = tuple[NDArray[np.float64], float, float | None, str]  # corners, side, stride, program


def _from_hdf5(path: Path) -> _Found:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get("coords"), h5py.Dataset):
                held = ", ".join(sorted(file)) or "nothing"
                fact = f"it holds no data set `coords` (but {held})"
                raise HistotileError(path, fact, _AGAIN)
            _check_count(path, file["coords"].size // 2)
            corners = np.asarray(file["coords"][()])
            facts = dict(file["coords"].attrs)
    except (OSError, RuntimeError, TypeError) as error:
        raise HistotileError(path, f"not a readable HDF5 file ({error})", _AGAIN) from error
    if corners.size == 0:
        corners = corners.reshape(0, 2)
    if corners.ndim != 2 or corners.shape[1] != 2 or corners.dtype.kind not in "iuf":
        fact = f"`coords` is {corners.dtype} {corners.shape}, not numbers of shape (tiles, 2)"
        raise HistotileError(path, fact, _AGAIN)
    return corners.astype(np.float64), *_cut(path, facts)


def _check_count(path: Path, tiles: int) -> None:
    if tiles > _MOST_TILES:  # a few kB of HDF5 may claim any number, and fill the memory
        fact = f"it lists {tiles} tiles; {_MOST_TILES} at most are taken of a slide"
        raise HistotileError(path, fact, _AGAIN)


def _cut(path: Path, facts: Mapping[str, Any]) -> tuple[float, float | None, str]:
    """Side (level-0 px), stride if told, and program, from the attributes of `coords`."""
    size = _number(path, facts, "patch_size")
    if "patch_size_level0" in facts:
        side = _number(path, facts, "patch_size_level0")
        overlap = _number(path, facts, "overlap") if "overlap" in facts else 0.0
        if not 0 <= overlap < size:
            fact = f"tiles of {size:g} px cannot overlap by {overlap:g} px"
            raise HistotileError(path, fact, _AGAIN)
        return side, side - round(overlap * side / size), TRIDENT  # it rounds the overlap
    if "patch_spacing_um_px" in facts:
        return size, None, WSINFER
    level = _number(path, facts, "patch_level")
    return size * (_number(path, facts, "downsample") if level else 1.0), None, CLAM


def _number(path: Path, facts: Mapping[str, Any], name: str) -> float:
    """A numeric attribute; the mean where there is one for each axis."""
    if name not in facts:
        told = ", ".join(sorted(facts)) or "none"
        fact = f"`coords` has no attribute `{name}`, so the tiles' size is unknown (it has: {told})"
        raise HistotileError(path, fact, _AGAIN)
    try:
        return float(np.mean(np.asarray(facts[name], np.float64)))
    except (TypeError, ValueError) as error:
        fact = f"the attribute `{name}` of `coords` is {facts[name]!r}, no number"
        raise HistotileError(path, fact, _AGAIN) from error


def _from_csv(path: Path) -> _Found:
    from histotile.io.text.csv_file import decimal, read_csv_file

    names = (*_CORNERS, *_SIDES)
    table = read_csv_file(path, {name: () for name in names})
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise HistotileError(path, f"it lacks the columns {', '.join(missing)}", _AGAIN)
    if not table.rows:
        raise HistotileError(path, "it lists no tile, so their size is unknown", _AGAIN)
    cells = [[decimal(row[name]) for name in names] for row in table.rows]
    wrong = [str(n) for n, row in zip(table.numbers, cells, strict=True) if None in row]
    if wrong:
        raise HistotileError(path, f"no number in row(s) {', '.join(wrong[:20])}", _AGAIN)
    x, y, width, height = np.array(cells, np.float64).T
    if not np.array_equal(width, height):
        row = int(np.flatnonzero(width != height)[0])
        fact = f"row {table.numbers[row]}: {width[row]:g} x {height[row]:g} px is not square"
        raise HistotileError(path, fact, "give square tiles")
    if np.ptp(width):
        fact = f"tiles of several sizes: {width.min():g} to {width.max():g} level-0 px"
        raise HistotileError(path, fact, "give one file per size of tile")
    return np.stack([x, y], axis=1), float(width[0]), None, WSINFER


def _common_step(x: NDArray[np.int32], y: NDArray[np.int32], side: float) -> float:
    """The step seen most often between neighbours of a row or column, the smallest of equals.

    Not the smallest step: contours of one slide may have grids of their own, shifted by some px.
    """
    steps = []
    for along, across in ((x, y), (y, x)):
        order = np.lexsort((along, across))
        gaps, jumps = np.diff(along[order]), np.diff(across[order])
        steps.append(gaps[jumps == 0])
    values, counts = np.unique(np.concatenate(steps), return_counts=True)
    return float(values[counts.argmax()]) if len(values) else side
