"""Whether two runs on the same cohort gave the same results, file by file.

Tile tables, folds and triage must be equal; features and probabilities may differ by 1e-4, metrics
by 1e-6. Files and columns are matched across the names of before and after version 0.2. Prints one
line per kind of file, with the largest difference found, and exits with 1 where any is too large.

    python benchmarks/same_results.py OLD_RESULTS NEW_RESULTS
"""

import csv
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq

RENAMED = {
    "rehearse": "compare",
    "control": "baseline",
    "early_fixed": "early_probe",
    "fixed": "linear_probe",
    "init": "retrain",
}
PATTERNS = {  # files of a results folder -> largest difference of their numbers
    "triage/slides.csv": 0.0,
    "tile/*.parquet": 0.0,
    "split/folds.csv": 0.0,
    "embed/*.h5": 1e-4,
    "control/*.h5": 1e-4,
    "decide/decision.json": 1e-4,
    "rehearse/*/*.parquet": 1e-4,
    "verify/verification.json": 1e-4,
    "predict/*.parquet": 1e-4,
    "aggregate/*.csv": 1e-4,
    "evaluate/metrics.csv": 1e-4,
    "evaluate/confusion.csv": 0.0,
    "heatmap/*.csv": 1e-4,
}
TIMES = {"seconds", "created", "version", "code", "path", "table", "baseline_s"}  # of each run


def renamed(word: str) -> str:
    """A name of today for a name of before."""
    return RENAMED.get(word, word)


def counterpart(file: Path, old: Path, new: Path) -> Path:
    """The file in the new folder that stands for a file of the old one."""
    parts = file.relative_to(old).parts
    stem, dot, suffix = parts[-1].partition(".")
    return new.joinpath(*map(renamed, parts[:-1]), renamed(stem) + dot + suffix)


def values(file: Path) -> dict[str, Any]:
    """Name -> column, field or array of a file."""
    if file.suffix == ".parquet":
        return {n: c.to_pylist() for n, c in zip(*_columns(file), strict=True)}
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}
    if file.suffix == ".json":
        return dict(_leaves(json.loads(file.read_text(encoding="utf-8")), ""))
    found: dict[str, Any] = {}
    with h5py.File(file) as handle:
        handle.visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None
        )
    return found


def _columns(file: Path) -> tuple[list[str], list[Any]]:
    table = pq.read_table(file)
    return table.column_names, table.columns


def _leaves(item: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(item, dict):
        for key, value in item.items():
            yield from _leaves(value, f"{name}.{renamed(key)}")
    elif isinstance(item, list):
        for number, value in enumerate(item):
            yield from _leaves(value, f"{name}.{number}")
    else:
        yield name, item


def difference(one: Any, other: Any) -> float:
    """The largest difference of numbers; infinite where words or shapes differ."""
    if isinstance(one, str) or one is None or isinstance(one, bool):
        return _of_words(one, other)
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return math.inf
        return max((difference(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape:
        return math.inf
    if a.dtype.kind not in "fiu":
        return 0.0 if np.array_equal(a, b) else math.inf
    gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return float(np.nanmax(gap, initial=0.0)) if np.isfinite(gap).any() else 0.0


def _of_words(one: Any, other: Any) -> float:
    if one == other or renamed(str(one)) == str(other):
        return 0.0
    try:
        return abs(float(one) - float(other))
    except (TypeError, ValueError):
        return math.inf


def compare(file: Path, other: Path) -> tuple[float, set[str], set[str]]:
    """The largest difference of two files, the fields that hold it, and fields of one alone."""
    a, b = values(file), values(other)
    shared = [n for n in a if n in b and not TIMES & set(n.split("."))]
    found = {name: difference(a[name], b[name]) for name in shared}
    worst = max(found.values(), default=0.0)
    return worst, {n for n, gap in found.items() if gap == worst and gap}, set(a) ^ set(b)


def main(old: Path, new: Path) -> bool:
    """Whether all kinds of files agree; what differs is printed."""
    fine = True
    for pattern, bound in PATTERNS.items():
        files = sorted(old.glob(pattern))
        worst, where, alone, missing = 0.0, set[str](), set[str](), 0
        for file in files:
            other = counterpart(file, old, new)
            if not other.is_file():
                missing += 1
                continue
            gap, names, only = compare(file, other)
            alone |= only
            if gap > worst:
                worst, where = gap, names
        fine &= worst <= bound and not missing and bool(files)
        fields = ", ".join(sorted(where)[:6])
        print(
            f"{pattern}: {len(files)} files, {missing} missing, largest difference {worst:.2g}"
            f" (bound {bound:g}) {fields}; fields of one side: {sorted(alone)[:8]}"
        )
    return fine


if __name__ == "__main__":
    sys.exit(not main(Path(sys.argv[1]), Path(sys.argv[2])))
