"""Whether `histotile check` forecasts what a run takes: on the demo, and on real slides.

Runs the check, then the whole workflow with a `histotile` in front of the real one that notes
processor time and peak memory of each job; disk is counted per folder of results. Writes
benchmarks/forecast.csv: forecast, truth and their ratio, by stage and in all. Real slides lie in
../shared (HISTOTILE_SHARED); without them the demo alone is measured.

    python benchmarks/forecast.py
"""

import csv
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import tifffile
import yaml

from histotile.checks.forecast.cost import size_of
from histotile.slides.slide import Slide

REPOSITORY = Path(__file__).parents[1]
FOLDERS = {"report-slide": "report/slides"}  # verbs whose folder has another name
SHIM = """#!{python}
import json, os, sys, resource, subprocess
code = subprocess.call([sys.executable, "-m", "histotile", *sys.argv[1:]])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
row = [sys.argv[1], used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6]
with open({log!r}, "a") as log:
    log.write(json.dumps(row) + "\\n")
sys.exit(code)
"""
REAL_SLIDES = ("CMU-1-Small-Region.svs", "TCGA-CR-7395-01A-01-TS1.svs")
REAL = """cohort: slides.csv
results: results
classes: [healthy, tumour]
backbone: {name: auto, weights: 'shipped:histology'}
tile: {mpp: 0.5, tile_px: 128, stride_px: 128, labels: {source: slide, names: {}, outside: null}}
inspect: {unknown_mpp: quarantine}
split: {folds: 2}
decide: {alarms: {stop: false}}
"""


def real_cohort(folder: Path) -> Path | None:
    """Two real slides and six parts of them, as eight patients; the overlay of settings."""
    shared = Path(os.environ.get("HISTOTILE_SHARED", REPOSITORY.parent / "shared"))
    slides = [shared / "data/slides" / name for name in REAL_SLIDES]
    if not all(slide.is_file() for slide in slides):
        return None
    files = list(slides)
    for number in range(6):
        files.append(folder / f"part{number}.tif")
        cut(slides[number % 2], number // 2, files[-1])
    rows = ["slide_id,patient_id,path,label"]
    for number, file in enumerate(files):
        label = ("healthy", "tumour")[number // 2 % 2]
        rows.append(f"s{number},p{number},{file},{label}")
    (folder / "slides.csv").write_text("\n".join(rows) + "\n")
    (folder / "overlay.yaml").write_text(REAL)
    return folder / "overlay.yaml"


def cut(slide: Path, part: int, out: Path) -> None:
    """The upper, middle or lower part of a slide as a tiled TIFF."""
    with Slide.open(slide) as opened:
        height = min(opened.height // 3, 1400)
        width = min(opened.width, 2200)
        pixels = opened.read(0, part * height, 0, width, height)
        mpp = opened.mpp or 0.5
    options: Any = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg"}
    scale: Any = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(out) as tiff:
        tiff.write(pixels, metadata=None, **options, **scale)
        tiff.write(pixels[::4, ::4], metadata=None, subfiletype=1, **options)


def demo_cohort(folder: Path) -> Path:
    """The demo, made in a folder; its overlay of settings."""
    settings = yaml.safe_load((REPOSITORY / "config/demo.yaml").read_text())
    settings |= {"cohort": "demo/slides.csv", "results": "results"}
    (folder / "overlay.yaml").write_text(yaml.safe_dump(settings))
    words = ("synthesize", "demo", "--processes", "2")
    subprocess.run([sys.executable, "-m", "histotile", *words], cwd=folder, check=True)
    return folder / "overlay.yaml"


def run(folder: Path, overlay: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    """The forecast, and (verb, processor time in s, peak in MB) of each job of the run."""
    shutil.copytree(REPOSITORY / "config", folder / "config", dirs_exist_ok=True)
    words = ("--config", str(overlay), "check", "--json")
    checked = subprocess.run(
        [sys.executable, "-m", "histotile", *words], cwd=folder, stdout=subprocess.PIPE, check=True
    )
    shims = folder / "shims"
    shims.mkdir()
    shim, log = shims / "histotile", folder / "jobs.jsonl"
    shim.write_text(SHIM.format(python=sys.executable, log=str(log)))
    shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    environment = os.environ | {"PATH": f"{shims}:{os.environ['PATH']}"}
    files = ("config/config.yaml", str(overlay))
    workflow = ("-s", str(REPOSITORY / "Snakefile"), "--cores", "all", "--quiet", "rules")
    command = ["snakemake", *workflow, "--configfile", *files]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return json.loads(checked.stdout)["forecast"], [
        json.loads(text) for text in log.read_text().splitlines()
    ]


def compare(
    name: str, forecast: dict[str, Any], jobs: list[list[Any]], results: Path
) -> list[list[Any]]:
    """Rows of cohort, stage, quantity, forecast, truth, ratio."""
    time, peak = defaultdict[str, float](float), defaultdict[str, float](float)
    for verb, cpu_s, memory_mb in jobs:
        time[verb] += cpu_s
        peak[verb] = max(peak[verb], memory_mb)
    rows: list[list[Any]] = []
    for stage in forecast["stages"]:
        verb = stage["name"]
        disk = size_of(results / FOLDERS.get(verb, verb))
        disk -= size_of(results / "report/slides") if verb == "report" else 0
        truths = {"cpu_s": time[verb], "memory_mb": peak[verb], "disk": disk}
        rows += [[name, verb, what, stage[what], truth] for what, truth in truths.items()]
    whole = {
        "cpu_s": sum(time.values()),
        "memory_mb": max(peak.values()),
        "disk": size_of(results) - size_of(results / "logs", results / "benchmarks"),
    }
    rows += [[name, "in all", what, forecast[what], truth] for what, truth in whole.items()]
    return rows


def main() -> None:
    """Measure, print and write the table."""
    rows = []
    with tempfile.TemporaryDirectory() as base:
        for name, make in (("demo", demo_cohort), ("real slides", real_cohort)):
            folder = Path(base) / name
            folder.mkdir()
            overlay = make(folder)
            if overlay is None:
                print("real slides are not here: set HISTOTILE_SHARED to their folder")
                continue
            found, jobs = run(folder, overlay)
            rows += compare(name, found, jobs, folder / "results")
    with (REPOSITORY / "benchmarks/forecast.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        head = ("cohort", "stage", "quantity", "forecast", "truth", "ratio", "date", "machine")
        writer.writerow(head)
        for *row, forecast, truth in rows:
            ratio = f"{forecast / truth:.2f}" if truth else ""
            print(*(f"{word:14}" for word in row), f"{forecast:14.1f} {truth:14.1f} {ratio:>6}")
            machine = f"{platform.machine()}, {os.cpu_count()} cores"
            found_row = [*row, f"{forecast:.1f}", f"{truth:.1f}", ratio, date.today(), machine]
            writer.writerow(found_row)


if __name__ == "__main__":
    main()
