"""What `histotile find-lr` costs as a user runs it, and what its suggestion is worth.

Writes benchmarks/find_lr.csv. A synthetic cohort of 12 patients is tiled by the workflow; then the
verb tests the rates of fold0 on two threads, and `histotile train` takes two passes at the rate it
suggests, at its second opinion and at the one in force. Where it suggests none there is nothing to
train. The machine was shared: processor seconds stand beside those of the clock. Rows that are
there are not measured again.

    python benchmarks/find_lr.py FOLDER
"""

import csv
import datetime
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
OUT = Path(__file__).with_suffix(".csv")
COHORT = ("slides=12", "patients=12", "side_px=2048")
CONFIG = """
cohort: cohort/slides.csv
classes: [healthy, tumour]
backbone: {name: auto, weights: "shipped:histology"}
tile: {mpp: 0.5, tile_px: 128, stride_px: 128, labels: {source: annotation}}
split: {folds: 3}
"""
CASES = (  # tumours of the cohort, network, weights, strategy
    ("iso_colour", "auto", "shipped:histology", "finetune"),
    ("iso_colour", "auto", "shipped:natural", "retrain"),
    ("easy", "lenet5", "none", "retrain"),
)
Case = tuple[str, str, str, str]
KEYS = ("mode", "network", "weights", "strategy")
FEW = ("epochs=2", "min_steps=0", "max_tiles_per_slide=60")
RATES = ("suggestion", "second_opinion", "in_force")


def prepare(folder: Path, mode: str) -> None:
    """Slides, tile tables and folds, unless they are there."""
    if (folder / "results/split/folds.csv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    call(folder, "histotile", "synthesize", "cohort", *settings((*COHORT, f"mode={mode}")))
    names = [p.stem for p in sorted((folder / "cohort/slides").iterdir())]
    whole = ("--configfile", REPOSITORY / "config/config.yaml", folder / "config.yaml")
    given = ("--snakefile", REPOSITORY / "Snakefile", *whole, "--cores", "2", "--quiet", "all")
    tables = [f"results/tile/{name}.parquet" for name in names]
    call(folder, "snakemake", *given, "--", "results/split/folds.csv", *tables)


def settings(changes: tuple[str, ...]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def call(folder: Path, *words: object) -> tuple[float, float]:
    """Seconds of the clock and of processors that a command takes."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([str(word) for word in words], cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, spent


def verb(folder: Path, name: str, case: Case, out: str, *changes: str) -> tuple[float, float]:
    backbone = {"name": case[1], "weights": case[2], "domain": "auto", "options": {}}
    given = ("--folds", "results/split/folds.csv", "--tiles", "results/tile", "--threads", "2")
    what = ("--classes", "healthy,tumour", "--backbone", json.dumps(backbone), "-o", out)
    return call(
        folder,
        "histotile",
        name,
        "fold0",
        *given,
        *what,
        *settings((f"strategy={case[3]}", *changes)),
    )


def measure(folder: Path, case: Case) -> dict[str, Any]:
    """A row: the cost of the test, what it says, and losses on val after two passes."""
    out = "found_" + "_".join(case[1:]).replace(":", "_")
    wall, spent = verb(folder, "find-lr", case, out)
    found = json.loads((folder / out / "find_lr.json").read_text(encoding="utf-8"))
    row = dict(zip(KEYS, case, strict=True)) | {"steps": len(found["lr"])}
    row |= {"batch_size": found["batch_size"], "seconds": round(wall), "cpu_s": round(spent)}
    row |= {name: found[name] and f"{found[name]:.2g}" for name in RATES} | {
        "reason": found["reason"]
    }
    for name in RATES if found["suggestion"] else ():
        rate = f"{found['setting'].removeprefix('train.')}={found[name]}"
        verb(folder, "train", case, f"{out}_{name}", rate, *FEW)
        summary = json.loads((folder / f"{out}_{name}/summary.json").read_text(encoding="utf-8"))
        with (folder / f"{out}_{name}/curves.csv").open(encoding="utf-8") as handle:
            first, *_, last = csv.DictReader(handle)
        row["val_loss_start"] = f"{float(first['val_loss']):.3f}"
        row[f"val_loss_{name}"] = f"{float(last['val_loss']):.3f}"
        row["trained_weights"] = summary["trained_weights"]
        row["tiles"] = sum(summary["sizes"]["train"]["tiles"].values())
    return row | {"date": datetime.datetime.now(datetime.UTC).date().isoformat()}


COLUMNS = [
    *KEYS,
    *("trained_weights", "tiles", "batch_size", "steps", "seconds", "cpu_s"),
    *RATES,
    *("val_loss_start", *(f"val_loss_{name}" for name in RATES), "reason", "load", "date"),
]


def main() -> None:
    rows: list[dict[str, Any]] = []
    if OUT.exists():
        with OUT.open(encoding="utf-8") as handle:
            rows += csv.DictReader(handle)
    known = {tuple(row[key] for key in KEYS) for row in rows}
    for case in CASES:
        if case in known:
            continue
        folder = Path(sys.argv[1]).resolve() / case[0]
        prepare(folder, case[0])
        rows.append(measure(folder, case) | {"load": f"{os.getloadavg()[1]:.1f}"})
        print(rows[-1], flush=True)
        with OUT.open("w", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
