"""Tiles that stand, nearly the same, under two patients: the leak that no split can see.

Two tiles are near duplicates if their difference hashes differ in at most `MOST_BITS` of 64 bits
and their features point the same way. The hash does the finding; the features guard against
chance. Raw features of any two tiles point the same way (cosine 0.99), so they are centred and
whitened first: on the cohort's leading principal components, each brought to unit variance, tiles
of different places score below 0.7 (99.99 %), and copies saved again as JPEG mostly above.

Found are copies on the same grid: the same scan under two names, also when saved anew in another
format or quality, slightly restained, or cut out of a slide at its own place. Not found are copies
shifted by a good part of a tile, mirrored or scaled: their hashes have nothing in common.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from histotile.io.features import Half

MOST_BITS = 5  # copies at JPEG quality 60 to 85 differ by 0-4 bits, others by 10 and more
BANDS = ((0, 22), (22, 43), (43, 64))  # 5 bits in 3 bands: some band differs by one at most
LEAST_BITS = 12  # set, and unset: a smooth or empty tile has fewer and resembles many
MOST_COPIES = 64  # a hash that occurs more often is background
SAMPLE = 4000  # tiles from which the whitening is learnt
COMPONENTS = 64
CHUNK = 1 << 21  # candidate pairs looked at together

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
Pair = tuple[Rows, Rows]
Whitening = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class HashedSlide:
    """The tiles of a slide as duplicates are sought: hashes at hand, features when needed.

    Args:
        slide_id: Its name.
        patient_id: Whose it is.
        dhash: (N,) 64-bit difference hashes.
        features: Reads the (N, D) features of the last stage.
    """

    slide_id: str
    patient_id: str
    dhash: Hashes
    features: Callable[[], Half]


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


@dataclass(frozen=True)
class Duplicates:
    """How many tiles of a cohort have a near duplicate under another patient, and where.

    Args:
        tiles: All tiles that were compared.
        duplicated: Those with a near duplicate.
        pairs: Slides that share tiles, most first.
    """

    tiles: int
    duplicated: int
    pairs: tuple[SlidePair, ...]

    @property
    def share(self) -> float:
        """Share of tiles with a near duplicate, 0-1."""
        return self.duplicated / max(1, self.tiles)


def find_duplicates(slides: Sequence[HashedSlide], cosine: float, seed: int) -> Duplicates:
    """The near duplicates between patients; exact, in seconds for a million tiles.

    Memory holds the hashes of all tiles and the features of a few slides.

    Args:
        slides: The cohort.
        cosine: Least cosine of the whitened features.
        seed: Of the sample of tiles from which the whitening is learnt.
    """
    hashes = np.concatenate([np.zeros(0, np.uint64), *(s.dhash for s in slides)])
    owner = np.repeat(np.arange(len(slides)), [len(s.dhash) for s in slides])
    patients = np.unique([s.patient_id for s in slides], return_inverse=True)[1]
    telling = telling_hashes(hashes)
    first, second = _alike(hashes, telling, patients[owner])
    if len(first):
        kept = _verify(slides, owner, (first, second), cosine, seed)
        first, second = first[kept], second[kept]
    pairs = _slide_pairs(slides, owner, telling, (first, second))
    return Duplicates(len(hashes), len(np.unique([first, second])), pairs)


def telling_hashes(hashes: Hashes) -> NDArray[np.bool_]:
    """(N,) whether a hash says enough about its tile to recognise it by."""
    ones = np.bitwise_count(hashes)
    _, number, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    found: NDArray[np.bool_] = (
        (ones >= LEAST_BITS) & (ones <= 64 - LEAST_BITS) & (counts[number] <= MOST_COPIES)
    )
    return found


def near_pairs(hashes: Hashes) -> Iterator[Pair]:
    """Rows of all pairs of hashes that differ in at most `MOST_BITS` bits, some more than once.

    Every such pair agrees, but for at most one bit, in one of three bands (Manku, Jain and Das
    Sarma 2007; Norouzi, Punjani and Fleet 2012): only tiles that share a band are compared.
    """
    for low, high in BANDS:
        keys = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(keys, kind="stable")
        values, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
        buckets = np.arange(len(values))
        for left, right in _buckets(values, buckets, high - low):
            for a, b in _members(starts, counts, left, right):
                i, j = order[a], order[b]
                near = np.bitwise_count(hashes[i] ^ hashes[j]) <= MOST_BITS
                yield i[near], j[near]


def _buckets(values: Hashes, buckets: Rows, bits: int) -> Iterator[Pair]:
    """Pairs of buckets whose keys (sorted) are equal or differ in one bit."""
    yield buckets, buckets
    for bit in range(bits):
        one = np.uint64(1 << bit)
        unset = buckets[(values & one) == 0]
        wanted = values[unset] | one
        place = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
        found = values[place] == wanted
        yield unset[found], place[found]


def _members(starts: Rows, counts: Rows, left: Rows, right: Rows) -> Iterator[Pair]:
    """All pairs of members of paired buckets, in portions; within one bucket each pair once."""
    products = counts[left] * counts[right]
    if len(left) and left[0] == right[0]:  # the same buckets: a lone member has no partner
        left, right, products = (v[products > 1] for v in (left, right, products))
    ends = np.cumsum(products)
    begin = 0
    while begin < len(left):
        done = ends[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, done + CHUNK, side="right")))
        part = slice(begin, stop)
        sizes = products[part]
        number = np.repeat(np.arange(begin, stop), sizes)
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        a = starts[left[number]] + within // counts[right[number]]
        b = starts[right[number]] + within % counts[right[number]]
        once = (left[number] != right[number]) | (a < b)
        yield a[once], b[once]
        begin = stop


def _alike(hashes: Hashes, telling: NDArray[np.bool_], patients: NDArray[np.int64]) -> Pair:
    """Rows of pairs of tiles of two patients with like hashes, each pair once, first < second."""
    rows = np.flatnonzero(telling)
    found = [np.zeros(0, np.int64)]
    for i, j in near_pairs(hashes[rows]):
        other = patients[rows[i]] != patients[rows[j]]
        a, b = rows[i[other]], rows[j[other]]
        found.append(np.minimum(a, b) * len(hashes) + np.maximum(a, b))
    keys = np.unique(np.concatenate(found))
    return keys // max(1, len(hashes)), keys % max(1, len(hashes))


def _verify(
    slides: Sequence[HashedSlide], owner: Rows, alike: Pair, cosine: float, seed: int
) -> NDArray[np.bool_]:
    """Which pairs also have like features."""
    first, second = alike
    centre, turn = _whitening(slides, seed)
    begins = np.searchsorted(owner, np.arange(len(slides)))

    @lru_cache(maxsize=8)
    def whitened(slide: int) -> NDArray[np.float64]:
        points = (slides[slide].features().astype(np.float64) - centre) @ turn
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        unit: NDArray[np.float64] = points / np.maximum(lengths, 1e-12)
        return unit

    kept = np.zeros(len(first), np.bool_)
    for one, other, rows in _by_slides(owner[first], owner[second]):
        a = whitened(one)[first[rows] - begins[one]]
        b = whitened(other)[second[rows] - begins[other]]
        kept[rows] = np.einsum("nd,nd->n", a, b) >= cosine
    return kept


def _by_slides(first: Rows, second: Rows) -> Iterator[tuple[int, int, Rows]]:
    """Two slides and the rows that pair them, for every two slides that are paired."""
    if len(first):
        order = np.lexsort((second, first))
        change = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
        for rows in np.split(order, np.flatnonzero(change) + 1):
            yield int(first[rows[0]]), int(second[rows[0]]), rows


def _whitening(slides: Sequence[HashedSlide], seed: int) -> Whitening:
    """Centre (D,) and turn (D, k) that bring features to unit variance on leading components."""
    rng = np.random.default_rng(seed)
    each = -(-SAMPLE // len(slides))
    sample = np.concatenate(
        [
            slide.features()[np.sort(rng.permutation(len(slide.dhash))[:each])]
            for slide in slides
            if len(slide.dhash)
        ]
    ).astype(np.float64)
    centre, scale = sample.mean(axis=0), sample.std(axis=0)
    scale = np.where(scale > 1e-6, scale, np.inf)
    _, lengths, axes = np.linalg.svd((sample - centre) / scale, full_matrices=False)
    most = min(COMPONENTS, max(2, len(sample) // 10))  # few tiles cannot tell many directions
    kept = min(most, int((lengths > 1e-6 * lengths[0]).sum()))
    turn = (axes[:kept] / lengths[:kept, None]).T / scale[:, None]
    return centre, turn


def _slide_pairs(
    slides: Sequence[HashedSlide], owner: Rows, telling: NDArray[np.bool_], alike: Pair
) -> tuple[SlidePair, ...]:
    sizes = np.bincount(owner[telling], minlength=len(slides))
    first, second = alike
    pairs = []
    for a, b, rows in _by_slides(owner[first], owner[second]):
        tiles = min(len(np.unique(first[rows])), len(np.unique(second[rows])))
        names = (slides[a].patient_id, slides[b].patient_id)
        share = tiles / int(min(sizes[a], sizes[b]))
        pairs.append(SlidePair(slides[a].slide_id, slides[b].slide_id, names, tiles, share))
    return tuple(sorted(pairs, key=lambda p: (-p.share, -p.tiles, p.first, p.second)))
