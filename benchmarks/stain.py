"""Speed of the project's stain change against albumentations' HEStain, in one run.

Writes benchmarks/stain.csv: tiles per second of each, and the ratio. Run it alone on a quiet
machine: `python benchmarks/stain.py`.
"""

import csv
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import albumentations as A
import cv2
import numpy as np

from histotile.data.augmentation.stain import change_stain, stain_vectors
from histotile.data.augmentation.transforms import StainJitter

SIDE, ROUNDS = 256, 5
Rgb = np.ndarray


def pink_tile(seed: int) -> Rgb:
    """A tile of smooth haematoxylin and eosin fields, uint8 (SIDE, SIDE, 3)."""
    rng = np.random.default_rng(seed)
    amounts = cv2.resize(rng.random((32, 32, 3)).astype(np.float32), (SIDE, SIDE))
    density = (amounts * np.array([0.8, 0.6, 0.05])) @ stain_vectors()
    return np.asarray(255 * np.exp(-density)).astype(np.uint8)


def tiles_per_second(function: Callable[[Rgb], object], tiles: list[Rgb], calls: int) -> float:
    """Calls per second over `calls` tiles."""
    start = time.perf_counter()
    for i in range(calls):
        function(tiles[i % len(tiles)])
    return calls / (time.perf_counter() - start)


def augment(compose: A.Compose, tile: Rgb) -> object:
    """What albumentations makes of the tile."""
    return compose(image=tile)


def main() -> None:
    cv2.setNumThreads(1)
    tiles = [pink_tile(seed) for seed in range(16)]
    ours = A.Compose([StainJitter(0.05, 0.02)], seed=0)
    gain, shift = np.array([1.05, 0.95, 1.0]), np.array([0.01, -0.01, 0.0])
    contenders: dict[str, tuple[Callable[[Rgb], object], int]] = {
        "histotile change_stain": (lambda t: change_stain(t, gain, shift), 2000),
        "histotile StainJitter in Compose": (partial(augment, ours), 2000),
    }
    for method in ("random_preset", "macenko"):
        peer = A.Compose([A.HEStain(method=method, p=1.0)], seed=0)
        contenders[f"albumentations HEStain {method}"] = (partial(augment, peer), 60)
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (function, calls) in contenders.items():
            speeds[name].append(tiles_per_second(function, tiles, calls))
    middle = {name: statistics.median(values) for name, values in speeds.items()}
    base = middle["histotile StainJitter in Compose"]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, one thread"
    versions = f"albumentations {A.__version__}, opencv {cv2.__version__}"
    with Path(__file__).with_suffix(".csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(
            ["what", "tile_px", "tiles_per_s", "ours_over_this", "date", "machine", "versions"]
        )
        for name, speed in middle.items():
            row = [name, SIDE, round(speed), round(base / speed, 2), today, machine, versions]
            writer.writerow(row)
            print(*row, sep="\t")


if __name__ == "__main__":
    main()
