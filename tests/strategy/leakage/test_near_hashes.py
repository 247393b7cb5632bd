"""Hashes that differ in a few bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.strategy.leakage.near_hashes import MOST_BITS, near_pairs, telling_hashes


def random_hashes(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    return rng.integers(0, 2**64, count, dtype=np.uint64)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 63), min_size=0, max_size=8))
def test_every_pair_within_reach_is_found_and_no_other(seed: int, flips: list[int]) -> None:
    rng = np.random.default_rng(seed)
    asked, known = random_hashes(rng, 30), random_hashes(rng, 20)
    changed = asked[7]
    for bit in flips:
        changed ^= np.uint64(1 << bit)
    known = np.append(known, changed)
    found = {pair for a, b in near_pairs(asked, known) for pair in zip(a, b, strict=True)}
    distance = np.bitwise_count(asked[:, None] ^ known)
    assert found == {(int(i), int(j)) for i, j in np.argwhere(distance <= MOST_BITS)}
    assert not list(near_pairs(asked, known[:0])) and not list(near_pairs(known[:0], asked))


def test_portions_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    few = rng.integers(0, 2, (200, 64)).astype(np.uint8)
    few[:, 8:] = few[0, 8:]  # crowded buckets
    hashes = np.packbits(few, axis=1).view(">u8")[:, 0].astype(np.uint64)

    def pairs() -> set[tuple[int, int]]:
        return {pair for a, b in near_pairs(hashes, hashes) for pair in zip(a, b, strict=True)}

    whole = pairs()
    monkeypatch.setattr("histotile.strategy.leakage.near_hashes.CHUNK", 7)
    assert pairs() == whole and len(whole) > 1000


def test_empty_and_smooth_tiles_tell_nothing_and_common_ones_neither() -> None:
    blank = np.array([0, 2**64 - 1, 0x0101010101010101, 0b111], np.uint64).repeat(15)
    assert not telling_hashes(blank).any()
    common = np.full(100, 0x0F0F0F0F0F0F0F0F, np.uint64)
    assert not telling_hashes(common).any() and telling_hashes(common[:10]).all()
