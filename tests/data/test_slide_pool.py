"""The pool of open slides: bounded, and never shared by processes."""

import os
import pickle
from typing import Any

import numpy as np

from histotile.data.slide_pool import SlidePool


def test_never_more_open_than_the_limit(make_slide: Any) -> None:
    paths = [make_slide(f"s{n}", 64, 64) for n in range(5)]
    pool = SlidePool(3)
    for path in paths * 2:
        assert pool.get(path, 0.5).path == path
        assert len(pool) <= 3


def test_the_least_recently_used_is_closed(make_slide: Any) -> None:
    paths = [make_slide(f"s{n}", 64, 64) for n in range(3)]
    pool = SlidePool(2)
    first = pool.get(paths[0], 0.5)
    pool.get(paths[1], 0.5)
    assert pool.get(paths[0], 0.5) is first
    second = pool.get(paths[1], 0.5)
    pool.get(paths[2], 0.5)
    assert pool.get(paths[1], 0.5) is second
    assert pool.get(paths[0], 0.5) is not first


def test_a_forked_process_opens_its_own(make_slide: Any) -> None:
    path = make_slide("s", 64, 64)
    pool = SlidePool(2)
    parents = pool.get(path, 0.5)
    child = os.fork()
    if child == 0:
        os._exit(0 if len(pool) == 1 and pool.get(path, 0.5) is not parents else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert pool.get(path, 0.5) is parents


def test_pickles_empty(make_slide: Any) -> None:
    pool = SlidePool(2)
    before = np.asarray(pool.get(make_slide("s", 64, 64), 0.5).read(0, 0, 0, 8, 8))
    copy = pickle.loads(pickle.dumps(pool))
    assert len(copy) == 0
    assert before.shape == (8, 8, 3)
