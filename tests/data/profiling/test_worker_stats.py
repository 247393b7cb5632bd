"""Counting over processes."""

import os
import pickle

import pytest

from histotile.data.profiling.worker_stats import WorkerStats


def test_counts_of_forked_processes_come_back() -> None:
    stats = WorkerStats()
    stats.add(busy_s=1.0, reading_s=0.25)
    child = os.fork()
    if child == 0:
        stats.add(busy_s=2.0)
        os._exit(0)
    os.waitpid(child, 0)
    assert (stats.busy_s, stats.reading_s, stats.augmenting_s) == (3.0, 0.25, 0.0)


def test_begins_anew_where_it_arrives() -> None:
    stats = WorkerStats()
    stats.add(decoding_s=1.0)
    assert pickle.loads(pickle.dumps(stats)).decoding_s == 0
    with pytest.raises(AttributeError):
        _ = stats.seconds
