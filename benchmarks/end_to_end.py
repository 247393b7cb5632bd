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
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from peers import environments, mosaic, networks, ours, rounds, tables, wsinfer

NETWORK, WSINFER = "resnet18", "wsinfer run"
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


def theirs(slide: Path, python: Path, model: Path, found: dict[str, Places]) -> rounds.Spent:
    """`wsinfer run`."""
    with tempfile.TemporaryDirectory() as name:
        results, weights = Path(name) / "results", model / "torchscript_model.pt"
        words = ("-c", model / "config.json", "-n", "2", "-p", weights)
        spent = wsinfer.run(python, slide, results, "run", *words)
        table = pd.read_csv(next(results.glob("model-outputs-csv/*.csv")))
    places = table[["minx", "miny", f"prob_{networks.CLASSES[1]}"]]
    found[WSINFER] = places.set_axis(["x", "y", "p"], axis=1)
    return spent


def steps(slide: Path, model: Path, engine: str) -> ours.Steps:
    """Command lines from a slide to its predictions."""
    settings = {"max_difference": 0.01, "compile": False, **ENGINES[engine]}
    threads = ("--threads", "2")
    predict = [ours.PROGRAM, "predict", str(model), "tiles.parquet", "-o", "predictions.parquet"]
    predict += ["--engine", json.dumps(settings), *threads]
    return {**ours.steps(slide, *threads), "predict": predict}


def histotile(slide: Path, model: Path, engine: str, found: dict[str, Places]) -> rounds.Spent:
    """All our steps; the output is what `predict` says of itself and the seconds of each step."""
    with tempfile.TemporaryDirectory() as name:
        spent, by_step = ours.run(steps(slide, model, engine), Path(name))
        table = pd.read_parquet(Path(name) / "predictions.parquet")
    places = table[["x", "y", f"prob_{networks.CLASSES[1]}"]]
    found[f"histotile, {engine}"] = places.set_axis(["x", "y", "p"], axis=1)
    seconds = {step: f"{s.wall_s:.1f} (CPU {s.cpu_s:.1f})" for step, s in by_step.items()}
    said = " ".join(spent.output.strip().splitlines()[-1:])
    return replace(spent, output=f"seconds: {seconds}; {said}")


def largest_difference(ours: Places, theirs: Places) -> tuple[float, int]:
    """Of the probabilities of tiles at the same places, and how many those are."""
    both = ours.merge(theirs, on=["x", "y"], suffixes=("", "_theirs"))
    if both.empty:
        return float("nan"), 0
    return float(np.abs(both["p"] - both["p_theirs"]).max()), len(both)


def table(spent: dict[str, list[rounds.Spent]], found: dict[str, Places]) -> list[tables.Row]:
    """Rows: tiles per second on the clock, tiles per CPU second, peak memory."""
    rows = []
    measures: dict[str, Callable[[str, rounds.Spent], float]] = {
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
                    note += f", {common} common: probabilities differ by at most {most:.1e}"
                    note += f"; {spent[what][-1].output}"
            goal = GOAL if "clock" in unit and "histotile" in what else ""
            rows.append(tables.Row(unit, what, some, unit, ratio, "times wsinfer's", goal, note))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--profile", action="store_true", help="only say where our time goes")
    quick = parser.parse_args().quick
    slide = mosaic.mosaic(mosaic.MIDDLE)
    found: dict[str, Places] = {}
    model = networks.model_folder(NETWORK)
    if parser.parse_args().profile:
        ours.profile(steps(slide, model, engines()[0]))
        return
    programs = {f"histotile, {e}": partial(histotile, slide, model, e, found) for e in engines()}
    missing = {}
    try:
        python = environments.python_of("wsinfer")
        exported = networks.wsinfer_folder(NETWORK)
        programs[WSINFER] = partial(theirs, slide, python, exported, found)
    except environments.NotMade as error:
        missing[WSINFER] = str(error)
    turns = rounds.Rounds(1 if quick else 3)
    spent, failed = rounds.in_turns(programs, turns)
    rows = table(spent, found)
    for what, why in {**missing, **failed}.items():
        rows.append(tables.Row("not run", what, [], "", note=why))
    title = f"Slide to probabilities, ResNet-18, 224 px; mosaic of {mosaic.made_of()}"
    picture = tables.Picture("end_to_end", "tiles/s on the clock", title)
    tables.finish("end_to_end", rows, turns.loads, quick, picture)


if __name__ == "__main__":
    main()
