"""Pairs of 64-bit hashes that differ in a few bits, found among millions."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MOST_BITS = 5  # copies at JPEG quality 60 to 85 differ by 0-4 bits, others by 10 and more
BANDS = ((0, 22), (22, 43), (43, 64))  # 5 bits in 3 bands: some band differs by one at most
LEAST_BITS = 12  # set, and unset: a smooth or empty tile has fewer and resembles many
MOST_COPIES = 64  # a hash that occurs more often is background
CHUNK = 1 << 21  # candidate pairs looked at together

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
Pair = tuple[Rows, Rows]


def telling_hashes(hashes: Hashes) -> NDArray[np.bool_]:
    """(N,) whether a hash says enough about its tile to recognise it by."""
    ones = np.bitwise_count(hashes)
    _, number, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    found: NDArray[np.bool_] = (
        (ones >= LEAST_BITS) & (ones <= 64 - LEAST_BITS) & (counts[number] <= MOST_COPIES)
    )
    return found


def near_pairs(asked: Hashes, known: Hashes) -> Iterator[Pair]:
    """Rows of all pairs that differ in at most `MOST_BITS` bits, some more than once.

    Every such pair agrees, but for at most one bit, in one of three bands (Manku, Jain and Das
    Sarma 2007; Norouzi, Punjani and Fleet 2012): only hashes that share a band are compared.
    """
    if not len(asked) or not len(known):
        return
    for low, high in BANDS:
        (own, from_), (other, to) = (_buckets(hashes, low, high) for hashes in (asked, known))
        for bit in range(-1, high - low):
            wanted = own ^ np.uint64(1 << bit) if bit >= 0 else own
            place = np.minimum(np.searchsorted(other, wanted), len(other) - 1)
            met = np.flatnonzero(other[place] == wanted)
            for i, j in _members(from_, to, met, place[met]):
                near = np.bitwise_count(asked[i] ^ known[j]) <= MOST_BITS
                yield i[near], j[near]


def _buckets(hashes: Hashes, low: int, high: int) -> tuple[Hashes, tuple[Rows, Rows, Rows]]:
    """The keys of a band, sorted, and of each: rows in their order, where they start, how many."""
    keys = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.argsort(keys, kind="stable")
    values, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
    return values, (order, starts, counts)


def _members(
    from_: tuple[Rows, Rows, Rows], to: tuple[Rows, Rows, Rows], left: Rows, right: Rows
) -> Iterator[Pair]:
    """All pairs of members of paired buckets, in portions."""
    sizes = from_[2][left] * to[2][right]
    ends = np.cumsum(sizes)
    begin = 0
    while begin < len(left):
        done = ends[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, done + CHUNK, side="right")))
        each = sizes[begin:stop]
        number = np.repeat(np.arange(begin, stop), each)
        within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        across = to[2][right[number]]
        yield (
            from_[0][from_[1][left[number]] + within // across],
            to[0][to[1][right[number]] + within % across],
        )
        begin = stop
