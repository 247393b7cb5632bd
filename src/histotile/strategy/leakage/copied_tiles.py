"""All tiles of a cohort, and the pairs among them that are copies of one place."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from histotile.data.perceptual_hash import SIDE, Pictures, dhash, turn, turned_hashes
from histotile.strategy.leakage.lookalikes import (
    REACHED,
    ZOOMED,
    Floats,
    Lookalikes,
    equalise,
    textured,
)
from histotile.strategy.leakage.near_hashes import Hashes, Pair, Rows, near_pairs, telling_hashes
from histotile.strategy.leakage.registration import correlate, likeness, register, turned_map

ROUNDS = 3  # of looking for more copies
HOPELESS = 0.3  # likeness on the same grid below which registering is no use

Links = Iterator[tuple[int, int]]


@dataclass(frozen=True)
class PicturedSlide:
    """The tiles of a slide as duplicates are sought.

    Args:
        slide_id: Its name.
        patient_id: Whose it is.
        tiles: How many there are.
        thumbnails: Reads them, (N, 32, 32).
    """

    slide_id: str
    patient_id: str
    tiles: int
    thumbnails: Callable[[], Pictures]


@dataclass(frozen=True)
class SlidePair:
    """Two slides of different patients that share tiles; `share` is that of the smaller slide."""

    first: str
    second: str
    patients: tuple[str, str]
    tiles: int
    share: float

    @property
    def whole(self) -> bool:
        """Whether they are one slide under two names."""
        return self.share > 0.5


class CohortTiles:
    """All tiles of a cohort in one row."""

    def __init__(self, slides: Sequence[PicturedSlide]) -> None:
        self.slides = slides
        sizes = [slide.tiles for slide in slides]
        self.begins = np.cumsum([0, *sizes])
        self.owner: Rows = np.repeat(np.arange(len(slides)), sizes)
        numbers = np.unique([slide.patient_id for slide in slides], return_inverse=True)[1]
        self.patients: Rows = numbers[self.owner] if len(slides) else self.owner
        self.telling = np.zeros(len(self.owner), np.bool_)
        self.thumbnails = lru_cache(maxsize=8)(lambda slide: slides[slide].thumbnails())

    def __getitem__(self, rows: Rows) -> Floats:
        """(R, 32, 32) these tiles, equalised; rows sorted."""
        parts = [np.zeros((0, SIDE, SIDE), np.uint8)]
        for slide in np.unique(self.owner[rows]).tolist():
            own = rows[self.owner[rows] == slide] - self.begins[slide]
            parts.append(self.thumbnails(slide)[own])
        return equalise(np.concatenate(parts))

    def on_one_grid(self, least: float) -> Links:
        """Pairs of tiles that are alike in one of eight orientations."""
        parts = [np.zeros((2, 0), np.uint64)]
        for slide in self.slides:
            small = slide.thumbnails()
            parts.append(np.stack([dhash(small), dhash(turn(small, 4))]))
        hashes, transposed = np.concatenate(parts, axis=1)
        self.telling = telling_hashes(hashes)
        rows = np.flatnonzero(self.telling)
        if not len(rows):
            return
        turned = turned_hashes(hashes[rows], transposed[rows])
        keys = _keys(self._alike(hashes, rows, turned), turned.shape[0] * len(hashes))
        first, rest = np.divmod(np.unique(keys), turned.shape[0] * len(hashes))
        orientation, second = np.divmod(rest, len(hashes))
        for _, _, which in _by_slides(self.owner[first], self.owner[second]):
            for k in which.tolist():
                if self._same(int(first[k]), int(second[k]), int(orientation[k]), least):
                    yield int(first[k]), int(second[k])

    def _alike(self, hashes: Hashes, telling: Rows, turned: Hashes) -> Iterator[Pair]:
        """Rows of tiles of two patients, the first before the second, whose hashes are near.

        The second row is that of the tile plus its orientation times the number of tiles.
        """
        for i, k in near_pairs(hashes[telling], turned.ravel()):
            orientation, j = np.divmod(k, len(telling))
            a, b = telling[i], telling[j]
            kept = (a < b) & (self.patients[a] != self.patients[b])
            yield a[kept], (orientation * len(hashes) + b)[kept]

    def _same(self, first: int, second: int, orientation: int, least: float) -> bool:
        """Whether two tiles are copies, the second one turned this way."""
        a, b = self[np.array([first])][0], self[np.array([second])][0]
        found = correlate(a, turn(b[None], orientation)[0])
        if HOPELESS < found < least:
            found = register(b, a, turned_map(orientation))
        return found >= least

    def unlike(self, links: Sequence[tuple[int, int]]) -> Rows:
        """The tiles but those of slides that are wholly copies of another on the same grid."""
        copies = {pair.second for pair in self.slide_pairs(list_pairs(links)) if pair.whole}
        kept = np.array([slide.slide_id not in copies for slide in self.slides], np.bool_)
        return np.flatnonzero(kept[self.owner])

    def in_any_pose(self, rows: Rows, least: float, seed: int) -> Links:
        """Pairs among these tiles that show one place, however they are turned or cropped.

        A tile may have more copies than nearest neighbours: those of tiles with copies are sought
        again beyond the copies known, and at more places of a tile.
        """
        equal = self[rows]
        kept = np.flatnonzero(textured(equal))
        rows, equal = rows[kept], equal[kept]
        if len(rows) < 2:
            return
        every = Lookalikes(equal, seed)
        same: dict[tuple[int, int], bool] = {}
        asked, sources = np.arange(len(rows)), np.arange(len(rows))
        for round_ in range(ROUNDS):
            known = sum(same.values())
            for found in every.of(asked, np.stack([self.patients[rows], sources], axis=1)):
                a, b = found.first, found.second
                ways = [((found.zoomed,), (found.shifted,)), (ZOOMED, REACHED)][: round_ + 1]
                if not same.get((min(a, b), max(a, b))):  # from the other side it may be in reach
                    same[min(a, b), max(a, b)] = any(
                        likeness(equal[a], equal[b], *way) >= least for way in ways
                    )
            links = list_pairs([pair for pair, is_copy in same.items() if is_copy])
            if len(links) == known:
                break
            asked, sources = np.unique(links), _components(links, len(rows))
        yield from zip(*rows[links].T.tolist(), strict=True)

    def slide_pairs(self, links: NDArray[np.int64]) -> tuple[SlidePair, ...]:
        """Which slides share tiles, by pairs of tiles (L, 2)."""
        first, second = links.T
        telling = self.telling.copy()
        telling[links.ravel()] = True
        sizes = np.bincount(self.owner[telling], minlength=len(self.slides))
        shared = []
        for a, b, rows in _by_slides(self.owner[first], self.owner[second]):
            tiles = min(len(np.unique(first[rows])), len(np.unique(second[rows])))
            one, other = self.slides[a], self.slides[b]
            names = (one.patient_id, other.patient_id)
            share = tiles / int(min(sizes[a], sizes[b]))
            shared.append(SlidePair(one.slide_id, other.slide_id, names, tiles, share))
        return tuple(sorted(shared, key=lambda p: (-p.share, -p.tiles, p.first, p.second)))

    def sources(self, links: NDArray[np.int64]) -> dict[str, Rows]:
        """The sources of the tiles of each slide: connected components of pairs of tiles (L, 2)."""
        count = len(self.owner)
        number = _components(links, count)
        lone = np.ones(count, np.bool_)
        lone[links.ravel()] = False
        own = np.where(lone, -1, number)
        begins = self.begins.tolist()
        return {s.slide_id: own[begins[k] : begins[k + 1]] for k, s in enumerate(self.slides)}


def _components(links: NDArray[np.int64], count: int) -> Rows:
    """(count,) number of the connected component of each row."""
    graph = coo_array((np.ones(len(links)), tuple(links.T)), shape=(count, count))
    found: Rows = connected_components(graph, directed=False)[1] if count else np.arange(0)
    return found


def list_pairs(links: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """(L, 2) pairs of rows, each once."""
    return np.unique(np.array(links, np.int64).reshape(-1, 2), axis=0)


def _keys(pairs: Iterator[Pair], base: int) -> Rows:
    """Each pair of rows once, as one number."""
    return np.concatenate([np.zeros(0, np.int64), *(np.unique(a * base + b) for a, b in pairs)])


def _by_slides(first: Rows, second: Rows) -> Iterator[tuple[int, int, Rows]]:
    """Two slides and the rows that pair them, for every two slides that are paired."""
    if len(first):
        order = np.lexsort((second, first))
        change = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
        for rows in np.split(order, np.flatnonzero(change) + 1):
            yield int(first[rows[0]]), int(second[rows[0]]), rows
