"""A few real tiles of a cohort, spread evenly, for comparing models on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from histotile.data.selection import Part, Selection, make_selection, read_labels, take_part
from histotile.data.source import Tables, open_source
from histotile.errors import HistotileError
from histotile.io.arrow import known
from histotile.io.tables import read_table
from histotile.io.tile_spec import read_spec
from histotile.slides.slide import UnreadableTile
from histotile.tasks.task import Task

Cell = tuple[str, str, str]  # patient_id, stratum, slide_id


def sample_tiles(tables: Tables, count: int) -> NDArray[np.uint8]:
    """Up to `count` tiles spread evenly over slides and over each slide, (N, px, px, 3) RGB.

    Excluded tiles are left out; the choice is the same each time.

    Args:
        tables: Tile tables, or each with the place of its slide.
        count: Number of tiles wanted.
    """
    with_tiles = [table for table in tables if len(used_rows(table))]
    if not with_tiles:
        return np.zeros((0, 1, 1, 3), np.uint8)
    shares = [len(part) for part in np.array_split(np.arange(count), len(with_tiles))]
    slides = tables if isinstance(tables, Mapping) else {}
    parts = zip(with_tiles, shares, strict=True)
    found = [_sample(table, n, slides.get(table)) for table, n in parts]
    return np.stack([tile for some in found for tile in some])


def _sample(tiles: Path, count: int, slide: Path | None) -> list[NDArray[np.uint8]]:
    used = used_rows(tiles)
    chosen = np.linspace(0, len(used) - 1, min(count, len(used))).round().astype(int)
    return read_rows(tiles, used[chosen], slide)[1]


def read_rows(
    tiles: Path, rows: NDArray[np.int64], slide: Path | None = None
) -> tuple[list[int], list[NDArray[np.uint8]]]:
    """These rows of a tile table, less those that are damaged since it was made; their pixels."""
    names = ["x", "y", "file", "checksum"]
    table = read_table(tiles, names)
    places = [table[name].to_pylist() for name in names]
    readable, found = [], []
    with open_source(read_spec(tiles), slide) as source:
        for row in rows.tolist():
            with suppress(UnreadableTile):
                found.append(source.read(*(values[row] for values in places)))
                readable.append(row)
    return readable, found


def used_rows(tiles: Path) -> NDArray[np.int64]:
    """The rows of a tile table that are not excluded."""
    return np.flatnonzero(~known(read_table(tiles, ["excluded"])["excluded"]))


def sample_labelled(
    tile_tables: Mapping[str, Path],
    patients: Mapping[str, str],
    task: Task,
    max_tiles: int,
    seed: int,
    slides: Mapping[str, Path] = MappingProxyType({}),
) -> Selection:
    """At most `max_tiles` labelled tiles, spread over patients, their strata, and their slides.

    Patients give the same number each; who has fewer gives all, and the others share the rest. So
    it goes on within a patient over strata (e.g. classes), and within a stratum over slides; from
    a slide tiles are drawn at random. The draw depends on the seed, not on the order of the slides.
    Tiles come sorted by slide_id, then tile_id; slides without any are left out.

    Args:
        tile_tables: slide_id -> tile table.
        patients: slide_id -> patient_id.
        task: Excluded tiles, and those whose label is none of its own, are left out.
        max_tiles: Most tiles in all.
        seed: Of the draw.
        slides: slide_id -> where it is; of others: where it was when it was tiled.

    Raises:
        HistotileError: No tile has a label, or tables of different mpp or tile_px.
    """
    counts = {
        (patients[slide_id], task.strata[number], slide_id): len(rows)
        for slide_id in sorted(tile_tables)
        for number, rows in enumerate(_labelled(tile_tables[slide_id], task))
        if len(rows)
    }
    if not counts:
        fact = f"no tile has a label that is one of {', '.join(task.strata)}"
        raise HistotileError("baseline", fact, "annotate slides, or mend tile.labels and classes")
    rng = np.random.default_rng(seed % 2**32)
    shares = share_evenly(counts, max_tiles, rng)
    wanted: dict[str, dict[str, int]] = defaultdict(dict)
    for (_, label, slide_id), share in shares.items():
        wanted[slide_id][label] = share
    chosen = {s: wanted[s] for s in sorted(wanted) if any(wanted[s].values())}
    parts = [_drawn(tile_tables[s], task, share, rng) for s, share in chosen.items()]
    return make_selection(tile_tables, list(chosen), task, parts, slides)


def spread(selection: Selection, patients: Mapping[str, str], count: int, seed: int) -> Selection:
    """At most `count` tiles of a selection, in its order, spread as by `sample_labelled`."""
    cells: dict[Cell, list[int]] = defaultdict(list)
    task, strata = selection.task, selection.task.stratum(selection.label)
    for tile, (slide, stratum) in enumerate(zip(selection.slide, strata, strict=True)):
        slide_id = selection.slide_ids[slide]
        cells[patients[slide_id], task.strata[stratum], slide_id].append(tile)
    rng = np.random.default_rng(seed % 2**32)
    shares = share_evenly({cell: len(tiles) for cell, tiles in cells.items()}, count, rng)
    drawn = [rng.choice(cells[cell], share, replace=False) for cell, share in shares.items()]
    return selection.take(np.sort(np.concatenate(drawn)).astype(np.int64))


def share_evenly(
    counts: Mapping[Cell, int], total: int, rng: np.random.Generator
) -> dict[Cell, int]:
    """How many of the tiles there are in each cell to take: `total`, or all if there are fewer.

    Cells are filled like vessels with water, first those of patients, then within each patient
    those of strata, then those of slides. What cannot be divided falls to some at random.
    """
    return dict(_share(sorted(counts), dict(counts), 0, total, rng))


def fill(capacity: NDArray[np.int64], total: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Even shares of `total` that exceed no capacity, the rest of one each falling at random."""
    shares = np.zeros_like(capacity)
    left = min(total, int(capacity.sum()))
    while left:
        free = np.flatnonzero(shares < capacity)
        if left < len(free):
            shares[rng.choice(free, left, replace=False)] += 1
            break
        added = np.minimum(left // len(free), capacity[free] - shares[free])
        shares[free] += added
        left -= int(added.sum())
    return shares


def _share(
    cells: Sequence[Cell],
    counts: Mapping[Cell, int],
    depth: int,
    total: int,
    rng: np.random.Generator,
) -> list[tuple[Cell, int]]:
    if depth == len(cells[0]):
        return [(cells[0], total)]
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell[depth]].append(cell)
    capacity = np.array([sum(counts[c] for c in group) for group in groups.values()], np.int64)
    shares = fill(capacity, total, rng)
    found = []
    for group, share in zip(groups.values(), shares.tolist(), strict=True):
        found += _share(group, counts, depth + 1, share, rng)
    return found


def _labelled(tiles: Path, task: Task) -> list[NDArray[np.int64]]:
    """Per stratum the rows of a tile table that are used and labelled so."""
    return read_labels(read_table(tiles, ["label", "excluded"]), task)[1]


def _drawn(tiles: Path, task: Task, wanted: Mapping[str, int], rng: np.random.Generator) -> Part:
    """Tiles drawn from one slide, sorted by tile_id."""
    table = read_table(tiles, ["tile_id", "x", "y", "label", "excluded"])
    labels, strata = read_labels(table, task)
    pairs = zip(task.strata, strata, strict=True)
    chosen = [rng.choice(rows, wanted.get(name, 0), replace=False) for name, rows in pairs]
    return take_part(table, labels, [np.sort(np.concatenate(chosen))])
