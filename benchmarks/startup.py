"""How long things take to start: `--help`, the light verbs, and a dry run of 1,000 slides.

A cohort starts thousands of jobs, so what a job costs before it works is multiplied by thousands.
Of `predict` and `embed`, whole jobs on the few tiles of a small slide, by OpenVINO and by PyTorch,
with a small network: nearly all of it is their start. Writes benchmarks/startup.csv: seconds
(median of five; of whole jobs and of the dry run, three) and the ratio to an empty Python.

    python benchmarks/startup.py
"""

import csv
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from peers import mosaic, networks

REPOSITORY = Path(__file__).parents[1]
LIGHT_VERBS = ("inspect", "mask", "tile", "split", "aggregate")
SMALL, NETWORK, ENGINES = (2_048, 1_536), "mobilenetv3_small_100", ("openvino", "torch")


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


def small_jobs(folder: Path) -> list[tuple[str, float]]:
    """What `predict` and `embed` take on a small slide, by each engine (s)."""
    model = networks.model_folder(NETWORK)
    backbone = json.dumps({"name": NETWORK, "weights": "none", "domain": "auto", "options": {}})
    weights = ("--backbone", backbone, "--tile-px", str(networks.TILE_PX), "-o", "network.onnx")
    slide = str(mosaic.mosaic(SMALL, seed=1))
    for command in (("tile", slide, "-o", "tiles.parquet"), ("backbone", *weights)):
        subprocess.run(("histotile", *command), cwd=folder, check=True, capture_output=True)
    embed = ("tiles.parquet", "--backbone", backbone, "--network", "network.onnx", "-o", "out.h5")
    predict = (str(model), "tiles.parquet", "-o", "out.parquet")
    verbs = {"predict": predict, "embed": embed}
    found = []
    for verb, words in verbs.items():
        for name in ENGINES:
            engine = {"name": name, "precision": "float32", "max_difference": 0.01}
            settings = json.dumps({**engine, "compile": False})
            spent = seconds("histotile", verb, *words, "--engine", settings, cwd=folder, runs=3)
            found.append((f"histotile {verb}, small slide, {name}", spent))
    return found


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
        rows += small_jobs(Path(name))
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
            print(f"{what:40} {value:6.2f} s   {value / empty:6.1f} x empty Python")
            machine = f"{platform.machine()}, Python {platform.python_version()}"
            writer.writerow((what, f"{value:.3f}", f"{value / empty:.1f}", date.today(), machine))


def _imports_of(verb: str) -> str:
    modules = {
        "inspect": "histotile.slides.inspection",
        "mask": "histotile.slides.tissue.tissue, histotile.slides.overview, PIL.Image",
        "tile": "histotile.tiling.tile_table, histotile.slides.annotations.read, "
        "histotile.io.tables",
        "split": "histotile.splitting.splits",
        "aggregate": "histotile.aggregation.aggregate, histotile.io.tables",
    }
    return f"import histotile.cli, {modules[verb]}"


if __name__ == "__main__":
    main()
