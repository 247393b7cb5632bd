"""From a slide to the probabilities of its tiles: histotile against WSInfer, with the same weights.

ResNet-18, tiles of 224 px at 0.5 um/px, on a mosaic of real H&E of 16,384 x 12,288 px (see
`peers/mosaic.py`), two cores, whole programs with what they load, in turns. `wsinfer run` has the
network as TorchScript, batches of 32, two workers; histotile runs `inspect`, `mask`, `tile` and
`predict`. Each lays its grid at the same places but has its own mask: probabilities are compared on
the tiles that both have. Writes benchmarks/end_to_end.csv and end_to_end.svg.

    python benchmarks/end_to_end.py [--quick | --profile]
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from peers import environments, mosaic, networks, rounds, tables  # type: ignore[import-not-found]

NETWORK, WSINFER = "resnet18", "wsinfer run"
OFFLINE = {"HF_HUB_OFFLINE": "1", "WSINFER_FORCE_CPU": "1", "OMP_NUM_THREADS": "2"}
ENGINES = {
    "openvino": {"name": "openvino", "precision": "auto"},
    "openvino, float32": {"name": "openvino", "precision": "float32"},
    "onnxruntime, float32": {"name": "onnxruntime", "precision": "float32"},
    "torch": {"name": "torch", "precision": "auto"},
    "torch, float32": {"name": "torch", "precision": "float32"},
}
GOAL = ">= 4 x with bf16, >= 1.5 x without; differences <= 0.01"
Places = pd.DataFrame  # x, y, p


def engines() -> list[str]:
    """Those that differ here: without bfloat16, all compute in 32 bit."""
    if " no bf16" in tables.machine():
        return [name for name, settings in ENGINES.items() if settings["precision"] == "float32"]
    return list(ENGINES)


def wsinfer(slide: Path, program: Path, model: Path, found: dict[str, Places]) -> Any:
    """`wsinfer run` on a folder with the slide alone."""
    with tempfile.TemporaryDirectory() as name:
        slides, results = Path(name) / "slides", Path(name) / "results"
        slides.mkdir()
        (slides / slide.name).symlink_to(slide)
        words = ["run", "-i", slides, "-o", results, "-c", model / "config.json", "-n", "2"]
        command = [program.parent / "wsinfer", *words, "-p", model / "torchscript_model.pt"]
        home = str(environments.home_of_wsinfer())
        spent = rounds.run(command, Path(name), {**OFFLINE, "HOME": home})
        table = pd.read_csv(next(results.glob("model-outputs-csv/*.csv")))
    places = table[["minx", "miny", f"prob_{networks.CLASSES[1]}"]]
    found[WSINFER] = places.set_axis(["x", "y", "p"], axis=1)
    return spent


def histotile_steps(slide: Path, model: Path, engine: str) -> dict[str, list[str]]:
    """Command lines from a slide to its predictions."""
    ours = str(Path(sys.executable).parent / "histotile")
    known = ("--inspection", "inspect.json", "--mask", "mask.png")
    settings = {"max_difference": 0.01, "compile": False, **ENGINES[engine]}
    threads = ("--threads", "2")
    predict = ("predict", str(model), "tiles.parquet", "-o", "predictions.parquet")
    return {
        "inspect": [ours, "inspect", str(slide), "-o", "inspect.json"],
        "mask": [ours, "mask", str(slide), *known[:2], "-o", "mask.png"],
        "tile": [ours, "tile", str(slide), *known, "-o", "tiles.parquet", *threads],
        "predict": [ours, *predict, "--engine", json.dumps(settings), *threads],
    }


def histotile(slide: Path, model: Path, engine: str, found: dict[str, Places]) -> Any:
    """All our steps; the output is what `predict` says of itself and the seconds of each step."""
    steps = histotile_steps(slide, model, engine)
    with tempfile.TemporaryDirectory() as name:
        spent = {step: rounds.run(words, Path(name)) for step, words in steps.items()}
        table = pd.read_parquet(Path(name) / "predictions.parquet")
    places = table[["x", "y", f"prob_{networks.CLASSES[1]}"]]
    found[f"histotile, {engine}"] = places.set_axis(["x", "y", "p"], axis=1)
    seconds = {step: f"{s.wall_s:.1f} (CPU {s.cpu_s:.1f})" for step, s in spent.items()}
    said = " ".join(spent["predict"].output.strip().splitlines()[-1:])
    return rounds.Spent(
        sum(s.wall_s for s in spent.values()),
        sum(s.cpu_s for s in spent.values()),
        max(s.peak_mb for s in spent.values()),
        f"seconds: {seconds}; {said}",
    )


def largest_difference(ours: Places, theirs: Places) -> tuple[float, int]:
    """Of the probabilities of tiles at the same places, and how many those are."""
    both = ours.merge(theirs, on=["x", "y"], suffixes=("", "_theirs"))
    if both.empty:
        return float("nan"), 0
    return float(np.abs(both["p"] - both["p_theirs"]).max()), len(both)


def table(spent: dict[str, list[Any]], found: dict[str, Places]) -> list[Any]:
    """Rows: tiles per second on the clock, tiles per CPU second, peak memory."""
    rows = []
    measures: dict[str, Callable[[str, Any], float]] = {
        "tiles/s on the clock": lambda what, s: len(found[what]) / s.wall_s,
        "tiles per CPU s": lambda what, s: len(found[what]) / s.cpu_s,
        "MB, all processes": lambda what, s: s.peak_mb,
    }
    for unit, measure in measures.items():
        values = {what: [measure(what, s) for s in runs] for what, runs in spent.items()}
        for what, some in values.items():
            ratio, note = None, ""
            if WSINFER in values:
                ratio = np.median(some) / np.median(values[WSINFER])
            if "clock" in unit:
                note = f"{len(found[what])} tiles"
                if WSINFER in values and what != WSINFER:
                    most, common = largest_difference(found[what], found[WSINFER])
                    note += f", {common} common: probabilities differ by at most {most:.4f}"
                    note += f"; {spent[what][-1].output}"
            goal = GOAL if "clock" in unit and "histotile" in what else ""
            rows.append(tables.Row(unit, what, some, unit, ratio, "times wsinfer's", goal, note))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--profile", action="store_true", help="only say where our time goes")
    quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    slide = mosaic.mosaic(mosaic.MIDDLE)
    found: dict[str, Places] = {}
    model = networks.model_folder(NETWORK)
    if parser.parse_args().profile:
        rounds.profile(histotile_steps(slide, model, engines()[0]))
        return
    programs = {f"histotile, {e}": partial(histotile, slide, model, e, found) for e in engines()}
    missing = {}
    try:
        python = environments.python_of("wsinfer")
        exported = networks.wsinfer_folder(NETWORK)
        programs[WSINFER] = partial(wsinfer, slide, python, exported, found)
    except environments.NotMade as error:
        missing[WSINFER] = str(error)
    spent, failed = rounds.in_turns(programs, 1 if quick else 3)
    rows = table(spent, found)
    for what, why in {**missing, **failed}.items():
        rows.append(tables.Row("not run", what, [], "", note=why))
    tables.write(tables.place("end_to_end.csv", quick), rows, load)
    title = f"Slide to probabilities, ResNet-18, 224 px; mosaic of {mosaic.made_of()}"
    clock = [row for row in rows if "clock" in row.case]
    tables.draw(tables.place("end_to_end.svg", quick), title, clock)


if __name__ == "__main__":
    main()
