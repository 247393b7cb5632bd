"""How long things take to start: `--help`, the light verbs, and a dry run of 1,000 slides.

A cohort starts thousands of jobs, so what a job costs before it works is multiplied by thousands.
Writes benchmarks/startup.csv: seconds (median of five) and the ratio to an empty Python.

    python benchmarks/startup.py
"""

import csv
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
LIGHT_VERBS = ("inspect", "mask", "tile", "split", "aggregate")


def seconds(*command: str, cwd: Path = REPOSITORY, runs: int = 5) -> float:
    """Median wall time of a command (s); it must succeed."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def many_slides(folder: Path, count: int) -> Path:
    """A cohort file of empty slide files: a dry run opens none of them."""
    lines = ["slide_id,patient_id,path,label"]
    for k in range(count):
        slide = folder / f"slide{k:04}.svs"
        slide.touch()
        lines.append(f"slide{k:04},patient{k // 2:04},{slide},{('healthy', 'tumour')[k // 2 % 2]}")
    cohort = folder / "slides.csv"
    cohort.write_text("\n".join(lines) + "\n")
    return cohort


def main() -> None:
    """Measure, print and write the table."""
    empty = seconds(sys.executable, "-c", "pass")
    rows = [("python -c pass", empty)]
    rows.append(("histotile --help", seconds("histotile", "--help")))
    # Loading what a verb works with, without a slide to work on.
    rows += [
        (f"histotile {verb} (start)", seconds(sys.executable, "-c", _imports_of(verb)))
        for verb in LIGHT_VERBS
    ]
    with tempfile.TemporaryDirectory() as name:
        cohort = many_slides(Path(name), 1000)
        dry_run = (
            *("snakemake", "--dry-run", "--quiet", "--cores", "1"),
            *("--config", f"cohort={cohort}", f"results={name}/results"),
        )
        rows.append(("snakemake -n, 1,000 slides", seconds(*dry_run, runs=3)))
    with (REPOSITORY / "benchmarks/startup.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("what", "seconds", "times_empty_python", "date", "machine"))
        for what, value in rows:
            print(f"{what:32} {value:6.2f} s   {value / empty:6.1f} x empty Python")
            machine = f"{platform.machine()}, Python {platform.python_version()}"
            writer.writerow((what, f"{value:.3f}", f"{value / empty:.1f}", date.today(), machine))


def _imports_of(verb: str) -> str:
    modules = {
        "inspect": "histotile.slides.inspection",
        "mask": "histotile.slides.tissue, histotile.slides.overview, PIL.Image",
        "tile": "histotile.tiles.tabulate, histotile.slides.annotations, histotile.tables",
        "split": "histotile.tiles.splits",
        "aggregate": "histotile.results.aggregation, histotile.tables",
    }
    return f"import histotile.cli, {modules[verb]}"


if __name__ == "__main__":
    main()
