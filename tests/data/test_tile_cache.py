"""The cache of decoded tiles: bounded, exact, shared by forked workers."""

import os
import pickle

import numpy as np

from histotile.data.tile_cache import TileCache


def tile(value: int) -> np.ndarray:
    return np.full((16, 16, 3), value, np.uint8)


def test_keeps_what_fits_and_no_more() -> None:
    cache = TileCache(10, 16, 3 * 16 * 16 * 3 + 10)
    assert cache.capacity == 3
    for n in range(10):
        cache.put(n, tile(n))
    assert [n for n in range(10) if cache.get(n) is not None] == [0, 1, 2]
    np.testing.assert_array_equal(cache.get(2), tile(2))


def test_nothing_is_kept_without_memory() -> None:
    cache = TileCache(10, 16, 0)
    cache.put(0, tile(1))
    assert cache.get(0) is None


def test_a_tile_taken_out_may_be_changed() -> None:
    cache = TileCache(1, 16, 1 << 20)
    cache.put(0, tile(7))
    taken = cache.get(0)
    assert taken is not None
    taken[:] = 0
    np.testing.assert_array_equal(cache.get(0), tile(7))


def test_forked_processes_fill_it_together_and_pickles_begin_empty() -> None:
    cache = TileCache(2, 16, 1 << 20)
    child = os.fork()
    if child == 0:
        cache.put(1, tile(9))
        os._exit(0)
    os.waitpid(child, 0)
    np.testing.assert_array_equal(cache.get(1), tile(9))
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.capacity == 2
    assert copy.get(1) is None
