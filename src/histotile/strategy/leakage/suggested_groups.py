"""Groups that keep copies together: what the pattern of near duplicates calls for."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from histotile.strategy.leakage.copied_tiles import SlidePair
from histotile.strategy.leakage.near_duplicates import Duplicates

MANY = 3  # patients that share tiles, none of them the other's slide under a second name
LEAST_SOURCES = 3
FEW = 5  # tiles that a pair shares: fewer may be all of two small groups by chance


@dataclass(frozen=True)
class TileRow:
    """An image of a cohort of ready-made tiles; `slide_id` is its group, `row` its feature row."""

    slide_id: str
    row: int | None
    path: str
    label: str | None
    site: str | None
    split: str | None


def are_scattered(duplicates: Duplicates) -> bool:
    """Whether they look like augmented copies: many groups share tiles, or hold several of one.

    One person under two names, or a slide entered twice, gives few pairs, and one copy each.
    """
    partly = _joined([pair for pair in duplicates.pairs if not (pair.whole and pair.tiles >= FEW)])
    if max(Counter(partly.values()).values(), default=0) >= MANY:
        return True
    several = set[int]()
    for numbers in duplicates.sources.values():
        found, counts = np.unique(numbers[numbers >= 0], return_counts=True)
        several.update(found[counts > 1].tolist())
    return duplicates.origins >= LEAST_SOURCES and 2 * len(several) >= duplicates.origins


def suggest_groups(
    duplicates: Duplicates, patients: Mapping[str, str], tiles: Sequence[TileRow]
) -> dict[str, Sequence[str | None]]:
    """Columns of groups that share no tiles, as far as was found; no rows if none are shared.

    Scattered copies are grouped by their source; else patients that share tiles become one. Site
    and side of the test set are kept where all tiles of a group agree; else the site is unknown,
    and the group is for training.

    Args:
        duplicates: What was found.
        patients: Slide -> patient.
        tiles: All images of a cohort of ready-made tiles; of a cohort of slides none: then the
            columns are slides and patients.
    """
    joined = _joined(duplicates.pairs)
    names = {slide: joined.get(patient, patient) for slide, patient in patients.items()}
    found: dict[str, Sequence[str | None]]
    if not tiles:
        found = {"slide_id": [*names], "patient_id": [*names.values()]}
    else:
        groups = [names[tile.slide_id] for tile in tiles]
        if are_scattered(duplicates):
            groups = _by_source(duplicates, names.values(), tiles)
        found = {
            "path": [tile.path for tile in tiles],
            "label": [tile.label for tile in tiles],
            "group": groups,
        }
        for name in ("site", "split"):
            own = [getattr(tile, name) for tile in tiles]
            if any(own):
                found[name] = _agreed(groups, own)
    return found if duplicates.pairs else {name: [] for name in found}


def _by_source(
    duplicates: Duplicates, taken: Collection[str], tiles: Sequence[TileRow]
) -> list[str]:
    """A name for each source of copies; tiles without copies keep that of their group."""
    prefix = "source"
    while any(name.startswith(f"{prefix}_") for name in taken):
        prefix += "_"
    numbered: dict[int, int] = {}
    groups = []
    for tile in tiles:
        source = -1 if tile.row is None else int(duplicates.sources[tile.slide_id][tile.row])
        number = numbered.setdefault(source, len(numbered) + 1) if source >= 0 else None
        groups.append(f"{prefix}_{number}" if number else tile.slide_id)
    return groups


def _agreed(groups: Sequence[str], values: Sequence[str | None]) -> list[str | None]:
    seen: dict[str, set[str | None]] = {}
    for group, value in zip(groups, values, strict=True):
        seen.setdefault(group, set()).add(value)
    return [
        value if len(seen[group]) == 1 else None
        for group, value in zip(groups, values, strict=True)
    ]


def _joined(pairs: Sequence[SlidePair]) -> dict[str, str]:
    """Patient -> the first name among those that pairs connect."""
    names = sorted({name for pair in pairs for name in pair.patients})
    if not names:
        return {}
    number = {name: k for k, name in enumerate(names)}
    ends = np.array([[number[name] for name in pair.patients] for pair in pairs]).T
    graph = coo_array((np.ones(len(pairs)), tuple(ends)), shape=(len(names), len(names)))
    found = connected_components(graph, directed=False)[1]
    first: dict[int, str] = {}
    return {name: first.setdefault(int(k), name) for name, k in zip(names, found, strict=True)}
