"""What a tile costs in training, in forward passes as `embed` counts them.

Writes benchmarks/training_cost.csv: processor seconds of a tile that passes forward through each
engine, and of one that is learnt from (forward, backward, step), on one thread. The factors in
histotile/strategy/cost.py come from here.
"""

import csv
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from histotile.backbones.build import build_network
from histotile.config import Backbone
from histotile.config.yaml_file import read_config
from histotile.inference.embed import load_embedder, torch_embedder
from histotile.stages import backbone as stage
from histotile.training.optimizer import make_optimizer

OUT = Path(__file__).with_suffix(".csv")
SETTINGS = Path(__file__).parents[1] / "config" / "config.yaml"
NETWORKS = ("resnet18", "mobilenetv2_100", "mobilenetv3_large_100", "vit_tiny_patch16_224")
PX, BATCH, ROUNDS = 224, 16, 3


def cost(work: Callable[[], object]) -> float:
    """Processor seconds of a tile; the fastest of some rounds, after one to warm up."""
    work()
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        found.append((time.process_time() - start) / BATCH)
    return min(found)


def measure(name: str, folder: Path) -> dict[str, object]:
    """Of one network with random weights, which cost what learnt ones do."""
    config = read_config(SETTINGS)
    backbone = config.backbone.model_copy(update={"name": name, "weights": "none"})
    tiles = np.random.default_rng(0).integers(0, 255, (BATCH, PX, PX, 3), dtype=np.uint8)
    row: dict[str, object] = {"network": name, "tile_px": PX}
    torch_engine = torch_embedder(backbone, PX, 1).engine
    row["torch"] = cost(lambda: torch_engine(tiles))
    file = folder / f"{name}.onnx"
    stage.run(stage.Outputs(file), backbone, PX)
    for engine in ("onnxruntime", "openvino"):
        settings = config.engine.model_copy(update={"name": engine, "precision": "float32"})
        made = load_embedder(backbone, PX, settings, file, 1).engine
        row[engine] = cost(partial(made, tiles))
    row["training"] = cost(learner(backbone, tiles))
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}


def learner(backbone: Backbone, tiles: np.ndarray) -> Callable[[], object]:
    """A step of fine-tuning on a batch."""
    config = read_config(SETTINGS)
    network, _ = build_network(backbone, 2, PX)
    network = network.train().to(memory_format=torch.channels_last)
    optimizer = make_optimizer(network, config.train.finetune)
    pixels = torch.from_numpy(tiles).permute(0, 3, 1, 2).float().div(255)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(len(tiles)) % 2

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(network(pixels), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def main() -> None:
    """One row per network."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(name, Path(folder)) for name in NETWORKS]
    with OUT.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    print(OUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
