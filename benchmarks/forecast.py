"""Whether `histotile check` forecasts what a run takes: on the demo, and on real slides.

Runs the check, then the whole workflow with a `histotile` in front of the real one that notes
processor time and peak memory of each job; disk is counted per folder of results. Writes
benchmarks/forecast.csv: forecast, truth and their ratio, by stage and in all. Real slides lie in
../shared (HISTOTILE_SHARED); without them the demo alone is measured. In a folder that is given,
runs stay: a second time only the check is repeated, and compared with them.

    python benchmarks/forecast.py [folder]
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
MPP = 0.5  # of the second one, whose file does not say
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
        if not files[-1].is_file():
            cut(slides[number % 2], number // 2, files[-1])
    rows = ["slide_id,patient_id,path,label,mpp"]
    for number, file in enumerate(files):
        label = ("healthy", "tumour")[number // 2 % 2]
        rows.append(f"s{number},p{number},{file},{label},{MPP if number == 1 else ''}")
    (folder / "slides.csv").write_text("\n".join(rows) + "\n")
    (folder / "overlay.yaml").write_text(REAL)
    return folder / "overlay.yaml"


def cut(slide: Path, part: int, out: Path) -> None:
    """The upper, middle or lower part of a slide as a tiled TIFF."""
    with Slide.open(slide) as opened:
        height = min(opened.height // 3, 1400)
        width = min(opened.width, 2200)
        pixels = opened.read(0, part * height, 0, width, height)
        mpp = opened.mpp or MPP
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
    if (folder / "demo").is_dir():
        return folder / "overlay.yaml"
    words = ("synthesize", "demo", "--processes", "2")
    subprocess.run([sys.executable, "-m", "histotile", *words], cwd=folder, check=True)
    return folder / "overlay.yaml"


def check(folder: Path, overlay: Path) -> dict[str, Any]:
    """The forecast."""
    shutil.copytree(REPOSITORY / "config", folder / "config", dirs_exist_ok=True)
    words = ("--config", str(overlay), "check", "--json")
    command = [sys.executable, "-m", "histotile", *words]
    checked = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False)
    found: dict[str, Any] = json.loads(checked.stdout)
    if not found["forecast"]:
        raise SystemExit(f"no forecast: {found}")
    forecast: dict[str, Any] = found["forecast"]
    return forecast | {"load": f"{os.getloadavg()[2]:.1f}"}


def run(folder: Path, overlay: Path) -> list[list[Any]]:
    """(Verb, processor time in s, peak in MB) of each job of the whole workflow."""
    shims, done = folder / "shims", folder / "done"
    shim, log = shims / "histotile", folder / "jobs.jsonl"
    if not done.is_file():
        shims.mkdir()
        shim.write_text(SHIM.format(python=sys.executable, log=str(log)))
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
        environment = os.environ | {"PATH": f"{shims}:{os.environ['PATH']}"}
        files = ("config/config.yaml", str(overlay))
        workflow = ("-s", str(REPOSITORY / "Snakefile"), "--cores", "all", "--quiet", "rules")
        command = ["snakemake", *workflow, "--configfile", *files]
        subprocess.run(command, cwd=folder, env=environment, check=True)
        done.touch()
    return [json.loads(text) for text in log.read_text().splitlines()]


def compare(
    name: str, forecast: dict[str, Any], jobs: list[list[Any]], results: Path
) -> list[list[Any]]:
    """Rows of cohort, stage, quantity, load, forecast, truth."""
    time, peak = defaultdict[str, float](float), defaultdict[str, float](float)
    for verb, cpu_s, memory_mb in jobs:
        time[verb] += cpu_s
        peak[verb] = max(peak[verb], memory_mb)
    load = forecast["load"]
    rows: list[list[Any]] = []
    for stage in forecast["stages"]:
        verb = stage["name"]
        disk = size_of(results / FOLDERS.get(verb, verb))
        disk -= size_of(results / "report/slides") if verb == "report" else 0
        truths = {"cpu_s": time[verb], "memory_mb": peak[verb], "disk": disk}
        rows += [[name, verb, what, load, stage[what], truth] for what, truth in truths.items()]
    whole = {
        "cpu_s": sum(time.values()),
        "memory_mb": max(peak.values()),
        "disk": size_of(results) - size_of(results / "logs", results / "benchmarks"),
    }
    rows += [[name, "in all", what, load, forecast[what], truth] for what, truth in whole.items()]
    return rows


def write(rows: list[list[Any]]) -> None:
    """Prints the table and writes it, with the load of the machine after the check."""
    with (REPOSITORY / "benchmarks/forecast.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        head = ("cohort", "stage", "quantity", "load", "forecast", "truth", "ratio")
        writer.writerow((*head, "date", "machine"))
        for *row, forecast, truth in rows:
            ratio = f"{forecast / truth:.2f}" if truth else ""
            print(*(f"{word:14}" for word in row), f"{forecast:14.1f} {truth:14.1f} {ratio:>6}")
            machine = f"{platform.machine()}, {os.cpu_count()} cores"
            found_row = [*row, f"{forecast:.1f}", f"{truth:.1f}", ratio, date.today(), machine]
            writer.writerow(found_row)


def main() -> None:
    """Measure, print and write the table."""
    rows = []
    with tempfile.TemporaryDirectory() as passing:
        base = Path(sys.argv[1] if len(sys.argv) > 1 else passing).absolute()
        for name, make in (("demo", demo_cohort), ("real slides", real_cohort)):
            folder = base / name.split()[0]
            folder.mkdir(parents=True, exist_ok=True)
            overlay = make(folder)
            if overlay is None:
                print("real slides are not here: set HISTOTILE_SHARED to their folder")
                continue
            found, jobs = check(folder, overlay), run(folder, overlay)
            rows += compare(name, found, jobs, folder / "results")
    write(rows)


if __name__ == "__main__":
    main()
