"""What a job costs, and how that grows with what it is given."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histotile.errors import HistotileError


@dataclass(frozen=True)
class Cost:
    """What one job took: processor and wall time (s), peak memory (MB), disk (bytes)."""

    cpu_s: float
    wall_s: float
    memory_mb: float
    disk: float = 0.0


def measure(*words: object, folder: Path) -> Cost:
    """Runs a verb of histotile as a job does, and measures it.

    Args:
        words: The verb and its arguments.
        folder: Where it runs.

    Raises:
        HistotileError: It fails; what it said comes along.
    """
    command = [sys.executable, "-m", "histotile", *map(str, words)]
    begun = time.monotonic()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        told = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = " ".join(told.strip().splitlines()[-3:]) or f"exit status {process.returncode}"
        raise HistotileError(f"trial of `{words[0]}`", last, "the stage itself would fail likewise")
    peak_mb = used.ru_maxrss * 1024 / 1e6
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - begun, peak_mb)


@dataclass(frozen=True)
class Line:
    """A cost that grows evenly with a number: of tiles, of slides."""

    start: Cost
    slope: Cost

    def at(self, number: float) -> Cost:
        """The cost at a number."""
        pairs = zip(vars(self.start).values(), vars(self.slope).values(), strict=True)
        return Cost(*(a + b * number for a, b in pairs))


def line(points: Sequence[tuple[float, Cost]]) -> Line:
    """The line through two measured points; nothing grows less than not at all.

    Args:
        points: (number, cost), of which the first and the last count. One is a constant.
    """
    (low, small), (high, large) = points[0], points[-1]
    if high <= low:
        return Line(small, Cost(0.0, 0.0, 0.0))
    pairs = list(zip(vars(small).values(), vars(large).values(), strict=True))
    slopes = [max(0.0, (b - a) / (high - low)) for a, b in pairs]
    starts = [b - s * high for (_, b), s in zip(pairs, slopes, strict=True)]
    return Line(Cost(*(max(0.0, s) for s in starts)), Cost(*slopes))


def size_of(*paths: Path) -> float:
    """Bytes of files, and of all files in folders; none where there is nothing."""
    files = [f for path in paths for f in ([path] if path.is_file() else path.rglob("*"))]
    return float(sum(file.stat().st_size for file in files if file.is_file()))
