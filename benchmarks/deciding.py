"""What deciding costs, and what the cache of features saves.

Writes benchmarks/deciding.csv:

- `decide` on 5,000 cached tiles of 6 stages (16 to 1,280 features), with 5 folds and baselines, as
  a process of its own, imports included: seconds, to be held against 60;
- `linear_probe` from cached features against the same head trained through the frozen backbone
  for 30 epochs, tiles already decoded in memory: the ratio, to be held against 50. Both in this
  run.

Run it alone on a quiet machine: `python benchmarks/deciding.py`.
"""

import csv
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TILES, PATIENTS, WIDTHS = 5000, 50, (16, 48, 64, 128, 224, 1280)
EPOCHS, TRAINED, TILE_PX = 30, 1500, 128


def make_evidence() -> Any:
    """Six stages of noise with a little of the label in it, patients alike."""
    from histotile.io.features import Stage
    from histotile.strategy.evidence import Evidence

    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(PATIENTS), TILES // PATIENTS)
    labels = rng.integers(0, 2, TILES)

    def stage(width: int, signal: float) -> Any:
        own = rng.standard_normal((PATIENTS, width))[patients]
        values = rng.standard_normal((TILES, width)) + 0.5 * own
        values[:, : max(2, width // 16)] += signal * (2 * labels[:, None] - 1)
        return values.astype(np.float16)

    counts = np.zeros((PATIENTS, 2), np.int64)
    np.add.at(counts, (patients, labels), 1)
    return Evidence(
        classes=("healthy", "tumour"),
        stages=tuple(Stage(k, f"stage{k}", w, 1000 * 4**k) for k, w in enumerate(WIDTHS, 1)),
        features=tuple(stage(w, 0.2) for w in WIDTHS),
        random=tuple(stage(w, 0.1) for w in WIDTHS),
        labels=labels,
        patients=patients,
        sites=patients % 3,
        slides=patients,
        colour=rng.standard_normal((TILES, 6)).astype(np.float32),
        domain="natural",
        counts=counts,
        facts={
            "backbone": "synthetic",
            "backbone_id": "0",
            "has_patients": True,
            "patient_ids": [str(p) for p in range(PATIENTS)],
            "slide_ids": [str(p) for p in range(PATIENTS)],
            "site_names": ["a", "b", "c"],
        },
    )


def decide_once() -> None:
    """One whole decision; run as a process of its own."""
    from threadpoolctl import threadpool_limits

    from histotile.config.yaml_file import read_config
    from histotile.strategy.decide import decide
    from histotile.strategy.leakage.checks import AlarmFiles

    config = read_config(Path(__file__).parents[1] / "config" / "config.yaml")
    folds = {f"fold{k}": {p for p in range(PATIENTS) if p % 5 != k} for k in range(5)}
    with threadpool_limits(1):
        found = decide(make_evidence(), config.decide, config.train, folds, AlarmFiles())
    print(found.strategy)


def seconds_to_decide() -> float:
    """Wall time of a decision, imports included."""
    start = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--decide"], check=True)
    return time.perf_counter() - start


def prepare(folder: Path) -> Any:
    """A fold of tile images with cached features, and its settings."""
    import cv2

    from histotile.config import Backbone
    from histotile.config.yaml_file import read_config
    from histotile.inference.embed import embed_slide
    from histotile.io import tables
    from histotile.synthetic.slides.sampler import TileSampler
    from histotile.tasks.registry import config_task, make_task
    from histotile.tiling.image_cohort.listing import list_images
    from histotile.tiling.image_cohort.tile_table import tabulate_images
    from histotile.tiling.measures import Readers
    from histotile.training.job import FoldSlide, Job, Machine, gather_tiles

    config = read_config(Path(__file__).parents[1] / "config" / "config.yaml")
    sampler = TileSampler(TILE_PX, 0, ("breast",))
    for number in range(TRAINED):
        rgb, label, _ = sampler.tile(number)
        path = folder / config.classes[label] / f"p{number % 30:02d}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rgb[..., ::-1])
    found = list_images(folder, config_task(config))
    tile = config.tile.model_copy(update={"tile_px": TILE_PX, "stride_px": TILE_PX})
    backbone = Backbone(name="auto", weights="shipped:natural", domain="auto", options={})
    slides = []
    for k, slide in enumerate(found.cohort.slides):
        name = slide.slide_id
        images = [image for image in found.images if image.group == name]
        columns, footer = tabulate_images(images, name, config_task(config), tile, Readers(1))
        table, features = folder / f"{name}.parquet", folder / f"{name}.h5"
        tables.write_table(table, columns, tables.TILES, footer)
        augment = config.train.augment
        embed_slide(table, backbone, config.embed, augment, 64, 1).write(features)
        slides.append(FoldSlide(name, name, "val" if k % 5 == 0 else "train", table, features))
    fold = gather_tiles(slides, make_task(config.classes), 1000, 0)
    return Job(folder, fold, backbone, config.train, Machine(threads=1), "linear_probe", ())


def train_through(job: Any) -> float:
    """Seconds of 30 epochs of the head through the frozen backbone; tiles are in memory."""
    import torch

    from histotile.backbones.build import build_network, head
    from histotile.data.augmentation.augmentation import unchanged
    from histotile.data.dataset import TileDataset

    network, architecture = build_network(job.backbone, job.task.outputs, TILE_PX)
    data = TileDataset(job.fold.train, unchanged)
    tiles = torch.stack([data[n][0] for n in range(len(data))])
    labels = torch.from_numpy(job.fold.train.label)
    shift, scale = (
        torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (architecture.mean, architecture.std)
    )
    network.eval()
    layer = head(network)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3)
    body: Any = network
    start = time.perf_counter()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(tiles)).split(64):  # type: ignore[no-untyped-call]
            with torch.no_grad():
                pixels = (tiles[rows].float() - shift) / scale
                maps = body.forward_features(pixels.contiguous(memory_format=torch.channels_last))
                features = body.forward_head(maps, pre_logits=True)
            loss = torch.nn.functional.cross_entropy(layer(features), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return time.perf_counter() - start


def compare_heads() -> tuple[float, float]:
    """Seconds of `linear_probe` from the cache (network built anew), and through the network."""
    import torch

    from histotile.training.strategies.linear_probe import train_fixed

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        job = prepare(Path(folder))
        train_fixed(job)  # imports
        cached = []
        for _ in range(3):
            start = time.perf_counter()
            train_fixed(job)
            cached.append(time.perf_counter() - start)
        return float(np.median(cached)), train_through(job)


def main() -> None:
    if "--decide" in sys.argv:
        decide_once()
        return
    deciding = seconds_to_decide()
    cached, through = compare_heads()
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, one thread"
    rows = [
        ("decide, 5,000 tiles, 6 stages, 5 folds", "s", deciding, "<= 60"),
        (f"linear_probe from cache, {TRAINED} tiles of {TILE_PX} px", "s", cached, ""),
        ("the same head through the backbone, 30 epochs", "s", through, ""),
        ("cached over uncached", "x", through / cached, ">= 50"),
    ]
    with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("what", "unit", "value", "goal", "date", "machine"))
        for what, unit, value, goal in rows:
            writer.writerow((what, unit, round(value, 2), goal, today, machine))
            print(what, unit, round(value, 2), goal, sep="\t")


if __name__ == "__main__":
    main()
