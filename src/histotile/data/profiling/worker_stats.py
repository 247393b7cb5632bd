"""Seconds that readers of tiles have worked, added up over processes."""

from __future__ import annotations

import mmap

import numpy as np
from torch.utils.data import get_worker_info

_PROCESSES = 256
COUNTED = ("busy_s", "reading_s", "decoding_s", "augmenting_s")


class WorkerStats:
    """What the readers of one dataset have spent their time on, worker processes included.

    The memory is shared with processes started by fork; each writes to a place of its own. What
    processes started otherwise add stays with them.

    Attributes:
        busy_s: Seconds at work.
        reading_s: Of these, waiting for files.
        decoding_s: Of these, decoding.
        augmenting_s: Of these, changing tiles at random.
    """

    busy_s: float
    reading_s: float
    decoding_s: float
    augmenting_s: float

    def __init__(self) -> None:
        memory = mmap.mmap(-1, 8 * _PROCESSES * len(COUNTED))
        self._seconds = np.frombuffer(memory, np.float64).reshape(_PROCESSES, len(COUNTED))

    def add(self, **seconds: float) -> None:
        """Count seconds, by the names of the attributes."""
        worker = get_worker_info()
        row = self._seconds[0 if worker is None else 1 + worker.id % (_PROCESSES - 1)]
        for name, value in seconds.items():
            row[COUNTED.index(name)] += value

    def __getattr__(self, name: str) -> float:
        if name not in COUNTED:
            raise AttributeError(name)
        return float(self._seconds[:, COUNTED.index(name)].sum())

    def __reduce__(self) -> tuple[type[WorkerStats], tuple[()]]:
        """Nothing counted where it arrives."""
        return type(self), ()
