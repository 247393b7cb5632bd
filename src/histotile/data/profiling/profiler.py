"""Where the time of a run over tiles went, in one line and as facts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

Doing = Literal["start", "waiting", "computing", "other"]
Bottleneck = Literal["start", "network", "other", "decoding", "disk", "resampling"]


class Profiler:
    """Seconds of one pass over tiles, by what they were spent on; a stop-watch for its consumer.

    The consumer is always doing one of four things, and `turn` says which from now on: "start"
    until the pass begins, "waiting" for pixels, "computing", or "other". `ReadAhead` has a
    `profiler` and turns it itself, so that a consumer only says when it computes:

        for tile_ids, pixels in reader:
            with reader.profiler.computing():
                features = engine(pixels)  # must be done when it returns: wait for a GPU
        print(reader.profiler.line())

    Without a `ReadAhead` (training), use `waiting()` around what fetches a batch, count `tiles`,
    and add what the readers say of themselves to `busy_s`, `reading_s` and `decoding_s`. Where a
    block does not fit (callbacks), call `turn`. Time after the last turn does not count.

    Attributes:
        tiles: Tiles handed to the consumer.
        readers: Threads or worker processes that read.
        busy_s: Seconds they were at work, together.
        reading_s: Of these, waiting for the disk (or network storage).
        decoding_s: Of these, decoding; with OpenSlide its whole call.
        reader: "direct" or "openslide"; "" where the tiles are files, and in training.
        reader_note: What OpenSlide reads, and why; "" if nothing.
        start_s: Seconds before the pass, from the making of this on. A verb, whose process does
            nothing else, adds `process_age_s()` right then.

    Args:
        readers: Threads or worker processes that read.
        clock: Seconds from anywhere, never backwards.
    """

    def __init__(self, readers: int = 1, clock: Callable[[], float] = time.perf_counter) -> None:
        self.tiles = 0
        self.readers = readers
        self.busy_s = self.reading_s = self.decoding_s = 0.0
        self.reader = self.reader_note = ""
        self._clock = clock
        self._spent: dict[Doing, float] = dict.fromkeys(get_args(Doing), 0.0)
        self._doing: Doing = "start"
        self._since = clock()

    def turn(self, to: Doing) -> None:
        """From now on the consumer is doing this."""
        now = self._clock()
        self._spent[self._doing] += now - self._since
        self._doing, self._since = to, now

    @contextmanager
    def computing(self) -> Iterator[None]:
        """A block in which the network computes."""
        self.turn("computing")
        try:
            yield
        finally:
            self.turn("other")

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A block that waits for pixels."""
        self.turn("waiting")
        try:
            yield
        finally:
            self.turn("other")

    @property
    def start_s(self) -> float:
        """Seconds before the pass."""
        return self._spent["start"]

    @start_s.setter
    def start_s(self, seconds: float) -> None:
        self._spent["start"] = seconds

    @property
    def waiting_s(self) -> float:
        """Seconds the consumer has waited for pixels."""
        return self._spent["waiting"]

    @property
    def computing_s(self) -> float:
        """Seconds the consumer has computed."""
        return self._spent["computing"]

    @property
    def seconds(self) -> float:
        """Seconds of the pass, from its first turn to its last; without the start."""
        return sum(self._spent.values()) - self.start_s

    @property
    def tiles_per_s(self) -> float:
        """Tiles per second of the pass; 0 if there were none."""
        return self.tiles / self.seconds if self.tiles and self.seconds > 0 else 0.0

    @property
    def bottleneck(self) -> Bottleneck:
        """What the run would be faster without.

        "start" where the start took longer than the pass, or there was no tile. Else what the
        consumer spent most time on: "network" (computing), "other", or waiting for pixels; then it
        is what the readers spent most time on: "decoding", "disk", or "resampling" (the rest of
        their work).
        """
        if not self.tiles or self.start_s > self.seconds:
            return "start"
        other = self._spent["other"]
        if self.waiting_s < max(self.computing_s, other):
            return "network" if self.computing_s >= other else "other"
        resampling = self.busy_s - self.reading_s - self.decoding_s
        if resampling > max(self.reading_s, self.decoding_s):
            return "resampling"
        return "disk" if self.reading_s > self.decoding_s else "decoding"

    def facts(self) -> dict[str, Any]:
        """All of it for JSON: counts, seconds, shares of 1.

        `computing_share`, `waiting_share` and `other_share` are of the pass and add up to 1;
        `reading_share` and `decoding_share` are of what the readers' time could have been, all of
        them together: what lacks to 1 is resampling and idleness.
        """
        all_readers = self.readers * self.seconds
        return {
            "tiles": self.tiles,
            "seconds": round(self.seconds, 3),
            "tiles_per_s": round(self.tiles_per_s, 1),
            "start_s": round(self.start_s, 3),
            **{
                f"{name}_share": share_of(self._spent[name], self.seconds)
                for name in ("computing", "waiting", "other")
            },
            "readers": self.readers,
            "reading_share": share_of(self.reading_s, all_readers),
            "decoding_share": share_of(self.decoding_s, all_readers),
            "reader": self.reader,
            "reader_note": self.reader_note,
            "peak_memory_mb": round(peak_memory_mb()),
            "bottleneck": self.bottleneck,
        }

    def line(self) -> str:
        """One line for people, without a full stop."""
        facts = self.facts()
        rest = [f"peak {facts['peak_memory_mb']:,} MB", f"bottleneck: {self.bottleneck}"]
        if self.reader:
            note = f" ({self.reader_note})" if self.reader_note else ""
            rest.insert(0, f"{self.reader} reader{note}")
        if not self.tiles:
            return "; ".join(["no tiles", *rest])
        percent = {name: f"{100 * v:.0f} %" for name, v in facts.items() if name.endswith("_share")}
        first = (
            f"{self.tiles:,} {'tile' if self.tiles == 1 else 'tiles'}, "
            f"{self.tiles_per_s:,.0f} tiles/s: computing {percent['computing_share']}, "
            f"waiting for pixels {percent['waiting_share']} "
            f"(readers: decoding {percent['decoding_share']}, disk {percent['reading_share']})"
        )
        return "; ".join([first, *rest])


def peak_memory_mb() -> float:
    """The most memory this process has held so far, MB (10^6 bytes), without its children."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held when it forked
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def process_age_s() -> float:
    """Seconds since this process began; off Linux its processor seconds, which come close."""
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return time.process_time()
    ticks = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    began = int(ticks) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)


def share_of(part: float, whole: float) -> float:
    """Rounded, at most 1; 0 of nothing."""
    return round(min(1.0, part / whole), 4) if whole > 0 else 0.0
