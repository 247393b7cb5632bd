"""How fast each engine runs a network on tiles in memory, without slides.

Batches of 32 tiles of real H&E, 224 px, random weights that tell tiles apart (see
`peers/networks.py`); one thread by seconds of the processor, two on the clock; engines take turns.
Writes benchmarks/inference.csv (tiles per second, the ratio to PyTorch alone, and the largest
difference of probabilities from it) and inference.svg.

    python benchmarks/inference.py [--quick]
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from peers import mosaic, networks, rounds, tables  # type: ignore[import-not-found]

WORKER = Path(__file__).parent / "peers" / "run_engine.py"
NETWORKS = ("resnet18", "resnet50", "mobilenetv3_large_100")
PLAIN, ENGINES = "plain", ("torch", "onnxruntime", "openvino")
SIXTEEN = ("torch bfloat16", "openvino bfloat16")
MEASURES = {"1": ("one thread", "processor"), "2": ("two threads", "clock")}


def measure(network: str, count: int, seconds: float) -> tuple[dict[str, Any], dict[str, str]]:
    """Per engine what its worker found in each round; and why engines did not run."""
    folder = networks.model_folder(network)
    tiles = mosaic.BENCH / "tiles.npy"
    np.save(tiles, networks.tissue_tiles(64))
    engines = [PLAIN, *ENGINES, *(() if " no bf16" in tables.machine() else SIXTEEN)]
    found, failed = defaultdict(list), {}
    for k in range(count):
        for engine in engines:
            command = [sys.executable, WORKER, engine, folder, tiles, str(seconds)]
            try:
                spent = rounds.run(command, mosaic.ROOT, {"OMP_NUM_THREADS": "2"}, sampled=False)
            except rounds.Failed as error:
                failed[engine] = str(error)
                continue
            found[engine].append(json.loads(spent.output.splitlines()[-1]))
            print(f"round {k + 1}: {network}, {engine}: {spent.wall_s:.0f} s", flush=True)
    return found, failed


def table(network: str, found: dict[str, Any], failed: dict[str, str]) -> list[Any]:
    """Rows of one network."""
    rows = []
    for threads, (words, clock) in MEASURES.items():
        unit = "tiles/s" if clock == "clock" else "tiles per CPU s"
        case = f"{network}, {words}"
        plain = np.median([entry[threads][clock] for entry in found[PLAIN]])
        reference = np.array(found[PLAIN][-1]["probabilities"])
        for engine, entries in found.items():
            values = [entry[threads][clock] for entry in entries]
            most = np.abs(np.array(entries[-1]["probabilities"]) - reference).max()
            what = "PyTorch alone" if engine == PLAIN else f"histotile, {engine}"
            note = f"probabilities differ by at most {most:.1e}"
            ratio = float(np.median(values) / plain)
            rows.append(
                tables.Row(case, what, values, unit, ratio, "times PyTorch alone", "", note)
            )
    rows += [tables.Row(network, engine, [], "", note=why) for engine, why in failed.items()]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of ResNet-18")
    quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    rows = []
    for network in NETWORKS[:1] if quick else NETWORKS:
        rows += table(network, *measure(network, 1 if quick else 3, 1.0 if quick else 1.5))
    tables.write(tables.place("inference.csv", quick), rows, load)
    title = f"Engines on tiles of 224 px in memory; {tables.machine()}"
    tables.draw(tables.place("inference.svg", quick), title, rows)


if __name__ == "__main__":
    main()
