"""What a job costs, and how that grows with what it is given."""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histotile.checks.forecast.running import Running
from histotile.errors import HistotileError

_LIBRARIES = (  # what Snakemake sets to the threads of a rule
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class Cost:
    """What one job took: processor and wall time (s), peak memory (MB), disk (bytes)."""

    cpu_s: float
    wall_s: float
    memory_mb: float
    disk: float = 0.0


def measure(*words: object, folder: Path, running: Running, threads: int = 1) -> Cost:
    """Runs a verb of histotile as a job does, and measures it.

    Args:
        words: The verb and its arguments.
        folder: Where it runs, and has its temporary files.
        running: Runs it.
        threads: Of numerical libraries: as many as Snakemake gives the rule.

    Raises:
        HistotileError: It fails; what it said comes along.
        Ended: `running` was ended.
    """
    command = [sys.executable, "-S", "-c", _WATCH, sys.executable, *map(str, words)]
    begun = time.monotonic()
    given = os.environ | {name: str(threads) for name in _LIBRARIES} | {"TMPDIR": str(folder)}
    said, beside = running.run(command, folder, given)
    *told, last = said.strip().splitlines()
    status, cpu_s, memory_kb = json.loads(last)
    if status:
        fact = " ".join([*told, *beside.strip().splitlines()][-3:]) or f"status {status}"
        raise HistotileError(f"trial of `{words[0]}`", fact, "the stage itself would fail likewise")
    return Cost(cpu_s, time.monotonic() - begun, memory_kb * 1024 / 1e6)


# A small process between, whose children alone count: a peak begins with that of the parent.
_WATCH = """
import json, resource, subprocess, sys
status = subprocess.call([sys.argv[1], "-m", "histotile", *sys.argv[2:]])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print()
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


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
