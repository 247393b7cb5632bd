"""Decoded tiles: kept until their last use, within limits, decoded by one thread only."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.slides.readers.tiff.codecs import UndecodableTile
from histotile.slides.readers.tiff.decoded_tile_cache import DecodedTiles, Key

Rgb = NDArray[np.uint8]
TILE_BYTES = 4 * 4 * 3


class Source:
    """Tiles that tell their number, and how often each was decoded."""

    def __init__(self) -> None:
        self.decoded: Counter[Key] = Counter()

    def load(self, key: Key) -> Rgb:
        self.decoded[key] += 1
        return np.full((4, 4, 3), key[1], np.uint8)


@given(order=st.lists(st.integers(0, 9), max_size=60))
def test_announced_tiles_are_decoded_once_and_kept_no_longer_than_needed(order: list[int]) -> None:
    tiles, source = DecodedTiles(), Source()
    left = Counter(order)
    tiles.expect(0, np.bincount(order, minlength=10).astype(np.int32))
    begun: set[int] = set()
    for number in order:
        tile, _ = tiles.use((0, number), source.load)
        assert (tile == number).all()
        left[number] -= 1
        begun.add(number)
        assert tiles.kept_bytes == TILE_BYTES * sum(left[other] > 0 for other in begun)
    assert all(count == 1 for count in source.decoded.values())


@given(order=st.lists(st.integers(0, 9), max_size=60), room=st.integers(1, 5))
def test_beyond_the_limit_the_least_recently_used_go(order: list[int], room: int) -> None:
    tiles, source = DecodedTiles(recent_bytes=room * TILE_BYTES), Source()
    expected: list[int] = []
    times = 0
    for number in order:
        times += number not in expected
        tiles.use((3, number), source.load)
        expected = ([n for n in expected if n != number] + [number])[-room:]
        assert tiles.kept_bytes == TILE_BYTES * len(expected)
    assert source.decoded.total() == times


def test_announced_tiles_have_a_limit_too_and_still_read() -> None:
    tiles, source = DecodedTiles(pass_bytes=2 * TILE_BYTES), Source()
    tiles.expect(0, np.full(5, 2, np.int32))
    for number in [0, 1, 2, 3, 4] * 2:
        assert (tiles.use((0, number), source.load)[0] == number).all()
        assert tiles.kept_bytes <= 2 * TILE_BYTES
    assert tiles.kept_bytes == 0
    assert source.decoded.total() == 8  # the last two stayed


def test_two_passes_over_a_level_add_up_and_skipped_uses_free_their_tile() -> None:
    tiles, source = DecodedTiles(), Source()
    tiles.expect(0, np.array([1, 0], np.int32))
    tiles.expect(0, np.array([2, 0], np.int32))
    for _ in range(2):
        tiles.use((0, 0), source.load)
    assert tiles.kept_bytes == TILE_BYTES
    tiles.skip((0, 0))
    assert tiles.kept_bytes == 0
    assert source.decoded[0, 0] == 1


def test_it_says_who_else_may_have_a_tile() -> None:
    tiles, source = DecodedTiles(), Source()
    tiles.expect(0, np.array([1, 2], np.int32))
    assert [tiles.use((0, n), source.load)[1] for n in (0, 1, 1)] == [False, True, True]
    assert [tiles.use((1, 0), source.load, keep)[1] for keep in (False, True, False)] == [
        False,
        True,
        True,
    ]
    assert source.decoded[1, 0] == 2


@pytest.mark.parametrize("announced", [False, True])
def test_threads_that_need_a_tile_at_once_decode_it_once(announced: bool) -> None:
    tiles, source, start = DecodedTiles(), Source(), threading.Barrier(8)

    def slow(key: Key) -> Rgb:
        time.sleep(0.05)
        return source.load(key)

    def use(_: int) -> tuple[Rgb, bool]:
        start.wait()
        return tiles.use((0, 7), slow, keep=False)

    if announced:
        tiles.expect(0, np.full(9, 8, np.int32))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(use, range(8)))
    assert source.decoded == {(0, 7): 1}
    assert all((tile == 7).all() for tile, _ in found)
    assert all(shared for _, shared in found)
    assert tiles.kept_bytes == 0


def test_a_damaged_tile_fails_for_all_who_wait_and_is_tried_again() -> None:
    tiles, source, start = DecodedTiles(), Source(), threading.Barrier(4)

    def fail(key: Key) -> Rgb:
        time.sleep(0.05)
        raise UndecodableTile("damaged")

    def use(_: int) -> str:
        start.wait()
        with pytest.raises(UndecodableTile) as caught:
            tiles.use((0, 1), fail)
        return str(caught.value)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(4))) == ["damaged"] * 4
    assert (tiles.use((0, 1), source.load)[0] == 1).all()
