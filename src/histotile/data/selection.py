"""Which tiles of a cohort a network is trained on."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.identity import Identity
from histotile.io.tile_spec import TileSpec, read_spec
from histotile.tasks.registry import check_task
from histotile.tasks.task import UNKNOWN, Labels, Task, counts


class Part(NamedTuple):
    """Chosen tiles of one slide: tile_id, x and y (3, tiles), and their labels (tiles, ...)."""

    places: NDArray[np.int64]
    labels: Labels


@dataclass(frozen=True)
class Selection:
    """Labelled tiles of several slides, all of one mpp and size.

    Attributes:
        task: What is learnt of them.
        slide_ids: Slides; `slide` counts in them.
        paths: Their files.
        mpps: Their mpp at level 0.
        identities: By which it is noticed that a slide was replaced since; None if unknown.
        tile_mpp: mpp of the tiles.
        tile_px: Side of the tiles, px.
        slide: Slide of every tile, (tiles,).
        tile_id: Row in the slide's tile table.
        x: Left edge, level-0 px.
        y: Top edge, level-0 px.
        label: As the task numbers or measures it, (tiles, ...).
        files: Path of every tile's own image, (tiles,) text; None for tiles of slides.
        checksums: Of these files, likewise.
    """

    task: Task
    slide_ids: tuple[str, ...]
    paths: tuple[Path, ...]
    mpps: tuple[float, ...]
    identities: tuple[Identity | None, ...]
    tile_mpp: float
    tile_px: int
    slide: NDArray[np.int32]
    tile_id: NDArray[np.int32]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    label: Labels
    files: NDArray[np.object_] | None = None
    checksums: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.label)

    def take(self, rows: NDArray[np.int64]) -> Selection:
        """These of its tiles, in this order."""
        names = ("slide", "tile_id", "x", "y", "label", "files", "checksums")
        arrays = {name: getattr(self, name) for name in names}
        taken: dict[str, Any] = {k: None if a is None else a[rows] for k, a in arrays.items()}
        return replace(self, **taken)

    def count(self) -> dict[str, int]:
        """Number of tiles of each stratum, e.g. class."""
        return counts(self.task, self.label)


def select_tiles(
    tile_tables: Mapping[str, Path],
    slide_ids: Sequence[str],
    task: Task,
    max_tiles_per_slide: int,
    seed: int,
    slides: Mapping[str, Path] = MappingProxyType({}),
) -> Selection:
    """At most so many tiles of each slide and stratum, drawn at random; all if there are fewer.

    Tiles without label and excluded ones are left out. What is drawn from a slide depends on the
    seed and the slide alone, not on the other slides.

    Args:
        tile_tables: slide_id -> tile table.
        slide_ids: Slides to draw from, e.g. those of a role in a fold.
        task: Tiles whose label is none of its own are left out.
        max_tiles_per_slide: Most tiles per slide and stratum, e.g. class.
        seed: Of the draw.
        slides: slide_id -> where it is; of others: where it was when it was tiled.

    Raises:
        HistotileError: A slide without tile table, tables of different mpp or tile_px, or none.
    """
    missing = [s for s in slide_ids if s not in tile_tables]
    if missing or not slide_ids:
        fact = f"no tile table for slides: {', '.join(missing)}" if missing else "no slide is named"
        raise HistotileError("tiles", fact, "run `histotile tile` on the slides of the fold table")
    parts = [
        _draw(tile_tables[slide_id], slide_id, task, max_tiles_per_slide, seed)
        for slide_id in slide_ids
    ]
    return make_selection(tile_tables, slide_ids, task, parts, slides)


def make_selection(
    tile_tables: Mapping[str, Path],
    slide_ids: Sequence[str],
    task: Task,
    parts: Sequence[Part],
    slides: Mapping[str, Path] = MappingProxyType({}),
) -> Selection:
    """These tiles, with what their tables' footers say of them.

    Args:
        tile_tables: slide_id -> tile table.
        slide_ids: The slides.
        task: What is learnt of them.
        parts: Per slide, its tiles.
        slides: As for `select_tiles`.

    Raises:
        HistotileError: Tables of different mpp or tile_px, or made for another task.
    """
    specs = [read_spec(tile_tables[s]) for s in slide_ids]
    for name, spec in zip(slide_ids, specs, strict=True):
        check_task(tile_tables[name], spec, task)
    tile_mpp, tile_px = common_scale(specs)
    slide = np.repeat(np.arange(len(parts), dtype=np.int32), [len(p.labels) for p in parts])
    tile_id, x, y = np.concatenate([part.places for part in parts], axis=1)
    return Selection(
        task=task,
        slide_ids=tuple(slide_ids),
        paths=tuple(
            slides.get(s) or spec.path or Path() for s, spec in zip(slide_ids, specs, strict=True)
        ),
        mpps=tuple(s.mpp or np.nan for s in specs),
        identities=tuple(s.identity for s in specs),
        tile_mpp=tile_mpp,
        tile_px=tile_px,
        slide=slide,
        tile_id=tile_id.astype(np.int32),
        x=x.astype(np.int32),
        y=y.astype(np.int32),
        label=np.concatenate([part.labels for part in parts]),
        **_files([tile_tables[s] for s in slide_ids], specs, parts),
    )


def _files(
    paths: Sequence[Path],
    specs: Sequence[TileSpec],
    parts: Sequence[Part],
) -> dict[str, NDArray[np.object_]]:
    """The fields `files` and `checksums`; nothing for tiles of slides."""
    if not any(spec.is_of_images for spec in specs):
        return {}
    columns = ["file", "checksum"]
    chosen = [
        tables.read_table(path, columns).take(part.places[0])
        for path, part in zip(paths, parts, strict=True)
    ]
    return {
        f"{name}s": np.array([v for rows in chosen for v in rows[name].to_pylist()], object)
        for name in columns
    }


def read_labels(table: pa.Table, task: Task) -> tuple[Labels, list[NDArray[np.int64]]]:
    """The label of each tile of a tile table, and the rows of each stratum that are in use."""
    labels = task.labels(table["label"].to_pylist())
    used = pc.is_null(table["excluded"]).to_numpy()
    strata = np.where(used, task.stratum(labels), UNKNOWN)
    return labels, [np.flatnonzero(strata == number) for number in range(len(task.strata))]


def take_part(table: pa.Table, labels: Labels, chosen: Sequence[NDArray[np.int64]]) -> Part:
    """These rows of a tile table, stratum by stratum."""
    rows = np.concatenate(chosen)
    columns = [table[name].to_numpy()[rows] for name in ("tile_id", "x", "y")]
    return Part(np.stack(columns).astype(np.int64), labels[rows])


def _draw(path: Path, slide_id: str, task: Task, most: int, seed: int) -> Part:
    table = tables.read_table(path)
    labels, strata = read_labels(table, task)
    for number, rows in enumerate(strata):
        if len(rows) > most:
            rng = np.random.default_rng([seed, zlib.crc32(slide_id.encode()), number])
            strata[number] = np.sort(rng.choice(rows, most, replace=False))
    return take_part(table, labels, strata)


def common_scale(specs: Sequence[TileSpec]) -> tuple[float, int]:
    """The mpp and tile_px of these tile tables; raises HistotileError unless all share them."""
    scales = {(s.tile_mpp, s.tile_px): s.slide_id for s in specs}
    if len(scales) > 1:
        found = "; ".join(f"{px} px at {mpp:g} um/px ({s})" for (mpp, px), s in scales.items())
        raise HistotileError(
            "tiles", f"tile tables of different scales: {found}", "tile all slides again alike"
        )
    return next(iter(scales))
