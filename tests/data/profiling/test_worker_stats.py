"""Counting over processes."""

import os
import pickle

import pytest

from histotile.data.profiling.worker_stats import Tally


def test_counts_of_forked_processes_come_back() -> None:
    tally = Tally()
    tally.add(busy_s=1.0, reading_s=0.25)
    child = os.fork()
    if child == 0:
        tally.add(busy_s=2.0)
        os._exit(0)
    os.waitpid(child, 0)
    assert (tally.busy_s, tally.reading_s, tally.augmenting_s) == (3.0, 0.25, 0.0)


def test_begins_anew_where_it_arrives() -> None:
    tally = Tally()
    tally.add(decoding_s=1.0)
    assert pickle.loads(pickle.dumps(tally)).decoding_s == 0
    with pytest.raises(AttributeError):
        _ = tally.seconds
