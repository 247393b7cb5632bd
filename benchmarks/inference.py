"""How fast each engine runs a network on tiles in memory, without slides.

Batches of 32 tiles of real H&E, 224 px, random weights that tell tiles apart (see
`peers/networks.py`); one thread by seconds of the processor, two on the clock; engines take turns.
Writes benchmarks/inference.csv (tiles per second, the ratio to PyTorch alone, and the largest
difference of probabilities from it) and inference.svg (one thread).

    python benchmarks/inference.py [--quick]
"""

import argparse
import json
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peers import mosaic, networks, rounds, tables

WORKER = Path(__file__).parent / "peers" / "run_engine.py"
NETWORKS = ("resnet18", "resnet50", "mobilenetv3_large_100")
PLAIN, ENGINES = "plain", ("torch", "onnxruntime", "openvino")
SIXTEEN = ("torch bfloat16", "openvino bfloat16")
MEASURES = {"1": ("one thread", "processor"), "2": ("two threads", "clock")}


def measure(
    network: str, turns: rounds.Rounds, seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """Per engine what its worker found in each round; and why engines did not run."""
    folder = networks.model_folder(network)
    tiles = mosaic.BENCH / "tiles.npy"
    np.save(tiles, networks.tissue_tiles(64))
    engines = [PLAIN, *ENGINES, *(() if " no bf16" in tables.machine() else SIXTEEN)]
    programs = {e: partial(worker, e, folder, tiles, seconds) for e in engines}
    spent, failed = rounds.in_turns(programs, turns)
    found = {e: [json.loads(s.output.splitlines()[-1]) for s in runs] for e, runs in spent.items()}
    return found, failed


def worker(engine: str, folder: Path, tiles: Path, seconds: float) -> rounds.Spent:
    """One engine, in a process of its own."""
    command = [sys.executable, str(WORKER), engine, str(folder), str(tiles), str(seconds)]
    return rounds.run(command, mosaic.ROOT, {"OMP_NUM_THREADS": "2"}, sampled=False)


def table(network: str, found: dict[str, Any], failed: dict[str, str]) -> list[tables.Row]:
    """Rows of one network; without PyTorch alone, nothing is compared."""
    rows = []
    for threads, (words, clock) in MEASURES.items():
        unit = "tiles/s" if clock == "clock" else "tiles per CPU s"
        case = f"{network}, {words}"
        for engine, entries in found.items():
            values = [entry[threads][clock] for entry in entries]
            what = "PyTorch alone" if engine == PLAIN else f"histotile, {engine}"
            ratio, against, note = None, "", ""
            if PLAIN in found:
                plain = found[PLAIN]
                gaps = np.subtract(entries[-1]["probabilities"], plain[-1]["probabilities"])
                note = f"probabilities differ by at most {np.abs(gaps).max():.1e}"
                base = statistics.median(entry[threads][clock] for entry in plain)
                ratio, against = statistics.median(values) / base, "times PyTorch alone"
            rows.append(tables.Row(case, what, values, unit, ratio, against, "", note))
    rows += [tables.Row(network, engine, [], "", note=why) for engine, why in failed.items()]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of ResNet-18")
    quick = parser.parse_args().quick
    turns = rounds.Rounds(1 if quick else 3)
    rows = []
    for network in NETWORKS[:1] if quick else NETWORKS:
        rows += table(network, *measure(network, turns, 1.0 if quick else 1.5))
    title = f"Engines on tiles of 224 px in memory; {tables.machine()}"
    picture = tables.Picture("inference", "tiles per CPU s", title)
    tables.finish("inference", rows, turns.loads, quick, picture)


if __name__ == "__main__":
    main()
