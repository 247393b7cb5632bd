"""What it costs to look out for foreign slides while predicting.

Writes benchmarks/familiarity_cost.csv: processor seconds per 1,000 tiles of 224 px, one thread, by
the same network in an ONNX file, with logits alone, and with features and distances too; by turns.

    python benchmarks/familiarity_cost.py [--rounds N]
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.backbones.build import build_network
from histotile.backbones.stages import WithFeatures
from histotile.config import Backbone
from histotile.inference.engines.judgement import judge
from histotile.inference.engines.onnxruntime import OnnxRuntimeEngine
from histotile.inference.engines.openvino import OpenVinoEngine
from histotile.inference.onnx_export import Graph, write_onnx
from histotile.tasks.binary import Binary
from histotile.trust.fitting import Sample, fit_taught
from histotile.trust.judging import Watch

PX, TILES, BATCH = 224, 64, 16
TASK = Binary(("healthy", "tumour"))
NETWORKS = ("resnet18", "mobilenetv3_large_100")
ENGINES = {"openvino": OpenVinoEngine, "onnxruntime": OnnxRuntimeEngine}


def programs(
    folder: Path, name: str, engine: str, tiles: NDArray[np.uint8]
) -> dict[str, Callable[[], object]]:
    """Without and with: each goes through all tiles."""
    network, made = build_network(
        Backbone(name=name, weights="none", domain="auto", options={}), 2, PX
    )
    network.eval()
    write_onnx(folder / "plain.onnx", Graph(network, made, PX), {})
    outputs = ("logits", "features")
    write_onnx(folder / "both.onnx", Graph(WithFeatures(network), made, PX, outputs), {})
    plain, both = (ENGINES[engine](folder / f"{kind}.onnx", 1) for kind in ("plain", "both"))
    batches = [tiles[k : k + BATCH] for k in range(0, TILES, BATCH)]
    width = both.outputs(batches[0])[1].shape[1]
    rng = np.random.default_rng(0)
    slides = np.repeat(np.arange(12), 30)
    looks = rng.standard_normal((360, 7))
    learnt = np.zeros(360, bool)
    sample = Sample(rng.standard_normal((360, width)), looks, slides, slides, learnt)
    taught = fit_taught(sample, [0.5])
    ids = np.arange(TILES, dtype=np.int32)

    def watched() -> None:
        watch = Watch([taught], ids, looks[:TILES])
        found = [
            watch.see(ids[k : k + BATCH], judge([both], tiles[k : k + BATCH], TASK).features)
            for k in range(0, TILES, BATCH)
        ]
        watch.slide(0.5, watch.flags(np.concatenate(found)))

    return {
        "without": lambda: [judge([plain], batch, TASK) for batch in batches],
        "with": watched,
    }


def spent(programs: dict[str, Callable[[], object]], rounds: int) -> dict[str, str]:
    """Median processor seconds per 1,000 tiles, and the median of the rounds' ratios."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds + 1):
        for name, run in programs.items():
            start = time.process_time()
            run()
            seconds[name].append((time.process_time() - start) * 1000 / TILES)
    kept = {name: found[1:] for name, found in seconds.items()}  # the first round warms up
    ratios = [b / a for a, b in zip(kept["without"], kept["with"], strict=True)]
    medians = {name: f"{statistics.median(found):.2f}" for name, found in kept.items()}
    ends = {"least": f"{min(ratios):.3f}", "most": f"{max(ratios):.3f}"}
    return medians | {"ratio": f"{statistics.median(ratios):.3f}"} | ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    tiles = np.random.default_rng(0).integers(0, 256, (TILES, PX, PX, 3), np.uint8)
    rows = []
    for name in NETWORKS:
        for engine in ENGINES:
            with tempfile.TemporaryDirectory() as folder:
                both = programs(Path(folder), name, engine, tiles)
                rows.append({"network": name, "engine": engine} | spent(both, rounds))
    for row in rows:
        print(row)
    with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
