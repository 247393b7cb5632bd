"""Where verbs are tried: a folder, and what each of them took in it."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from histotile.checks.forecast.cost import Cost, measure, size_of
from histotile.checks.forecast.running import Running
from histotile.config import Config

_THREADS = {"baseline": 2, "train": 2}  # of rules that have more than one
Points = dict[str, list[tuple[float, Cost]]]


class Cores:
    """Jobs side by side have no more threads than there are cores, as Snakemake keeps it.

    Threads that share a core wait for each other, which takes processor time.
    """

    def __init__(self, number: int) -> None:
        self._free, self._change = number, threading.Condition()

    @contextmanager
    def taken(self, threads: int) -> Iterator[None]:
        """Waits until so many are free, and has them meanwhile."""
        with self._change:
            self._change.wait_for(lambda: self._free >= threads)
            self._free -= threads
        try:
            yield
        finally:
            with self._change:
                self._free += threads
                self._change.notify_all()


class Bench:
    """Runs verbs as the rules would, and notes their cost.

    Args:
        folder: An empty folder; results are laid out in it as the workflow lays them out.
        config: The settings.
        cores: Jobs run side by side, as in the workflow.
    """

    def __init__(self, folder: Path, config: Config, cores: int) -> None:
        self.folder, self.config, self.cores = folder, config, cores
        self.points: Points = defaultdict(list)
        self.running, self._free = Running(), Cores(cores)

    def measured(self, verb: str, *words: object) -> Cost:
        """Runs a verb with the threads of its rule."""
        threads = self.threads(verb)
        with self._free.taken(threads):
            return measure(verb, *words, folder=self.folder, running=self.running, threads=threads)

    def do(
        self,
        verb: str,
        number: float,
        *words: object,
        wrote: Sequence[str] = (),
        stage: str | None = None,
    ) -> None:
        """Runs a verb and notes its cost at this number; `wrote` are its files or folders."""
        before = size_of(*(self.folder / name for name in wrote))
        cost = self.measured(verb, *words)
        after = size_of(*(self.folder / name for name in wrote))
        self.points[stage or verb].append((number, replace(cost, disk=after - before)))

    def sized(self, verb: str, folder: str) -> tuple[float, Cost]:
        """What a verb took last, with all that lies in its folder."""
        number, cost = self.points[verb][-1]
        return number, replace(cost, disk=size_of(self.folder / folder))

    def threads(self, verb: str) -> int:
        """Threads of a verb's rule."""
        return min(_THREADS.get(verb, 1), self.cores)

    def settings(self, section: str, **changes: object) -> tuple[str, str]:
        """A section as `--settings`, with some of it changed."""
        found = getattr(self.config, section).model_copy(update=changes)
        return "--settings", found.model_dump_json()
