"""Peak memory of tile and predict on slides of growing size, up to 100,000 x 100,000 px.

Sparse synthetic slides with the same area of tissue, so that only the slide grows. Writes
benchmarks/memory.csv: peak resident memory (MB of 10^6 bytes, one process) and its ratio to the
smallest slide.

    python benchmarks/memory.py
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SIDES_PX = (12_500, 25_000, 50_000, 100_000)
TISSUE_PX = 2_000 * 2_000  # on every slide
BACKBONE = {"name": "auto", "weights": "shipped:histology", "options": {}, "domain": "auto"}
PYTORCH = {"name": "torch", "precision": "float32", "max_difference": 0.01, "compile": False}


def peak_mb(*command: str, cwd: Path) -> float:
    """Peak resident memory of a command (MB); it must succeed."""
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_maxrss * 1024 / 1e6


def measure(folder: Path, side_px: int) -> dict[str, float]:
    """Peak memory by verb on one slide of this side; the model is an untrained head."""
    share = TISSUE_PX / side_px**2
    settings = (f"side_px={side_px}", f"tissue_fraction={share}", "slides=1", "patients=1")
    changes = [word for setting in settings for word in ("--set", setting)]
    subprocess.run(["histotile", "synthesize", ".", *changes], cwd=folder, check=True)
    (slide,) = (folder / "slides").iterdir()
    model = folder / "model.ckpt"
    subprocess.run([sys.executable, "-c", UNTRAINED, str(model), json.dumps(BACKBONE)], check=True)
    known = ("--inspection", "inspect.json", "--mask", "mask.png")
    tiles = (*known, "--set", "tile_px=128", "--set", "stride_px=128", "-o", "tiles.parquet")
    predict = ("histotile", "predict", str(model), "tiles.parquet", "-o", "out.parquet")
    return {
        "inspect": peak_mb("histotile", "inspect", str(slide), "-o", "inspect.json", cwd=folder),
        "mask": peak_mb("histotile", "mask", str(slide), "-o", "mask.png", cwd=folder),
        "tile": peak_mb("histotile", "tile", str(slide), *tiles, cwd=folder),
        "predict": peak_mb(*predict, cwd=folder),
        "predict by PyTorch": peak_mb(*predict, "--engine", json.dumps(PYTORCH), cwd=folder),
        "heatmap": peak_mb(
            *("histotile", "heatmap", "tiles.parquet", "out.parquet", "-o", "map.png"), cwd=folder
        ),
    }


UNTRAINED = """
import json, sys
from pathlib import Path
from histotile.config import Backbone
from histotile.exports.onnx import write
from histotile.backbones.build import build_network
from histotile.inference.checkpoint import TrainedModel
backbone = Backbone(**json.loads(sys.argv[2]))
network, architecture = build_network(backbone, 2, 128)
model = TrainedModel(network, architecture, ("healthy", "tumour"), 0.5, 128, "linear_probe",
                     backbone.model_dump(), {})
model.save(Path(sys.argv[1]))
write(model, Path(sys.argv[1]).parent)
"""


def main() -> None:
    """Measure, print and write the table."""
    first: dict[str, float] = {}
    with (REPOSITORY / "benchmarks/memory.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("side_px", "verb", "peak_mb", "times_smallest_slide", "date"))
        for side_px in SIDES_PX:
            with tempfile.TemporaryDirectory() as name:
                for verb, peak in measure(Path(name), side_px).items():
                    ratio = peak / first.setdefault(verb, peak)
                    print(f"{side_px:7} px  {verb:18} {peak:6.0f} MB  {ratio:.2f} x smallest")
                    writer.writerow((side_px, verb, f"{peak:.0f}", f"{ratio:.3f}", date.today()))
            handle.flush()


if __name__ == "__main__":
    main()
