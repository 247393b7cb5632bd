"""Time to write all that people look at of one slide of 20,000 tiles, on one core.

A made-up map of three classes with realistic blobs over a made-up overview; each round in a fresh
process, so that what the libraries take to load counts. Writes benchmarks/rendering.csv: seconds
on the clock and of the processor per file, median of the rounds, and their sum. The limit is 10 s.

    python benchmarks/rendering.py
"""

import csv
import datetime
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from histotile.config import Heatmap
from histotile.config.yaml_file import read_config
from histotile.io.tables import RESEARCH_USE

ROUNDS, TILES, STEP, MPP = 5, 20_000, 448.0, 0.25
BOUNDS = (5_000, 3_000, 90_000, 68_000)  # of the scanned area, level-0 px
SLIDE = (100_000, 75_000)  # level-0 px
Times = tuple[float, float]
CLASSES = ("healthy", "tumour", "stroma")


def smooth(rng: np.random.Generator, height: int, width: int, coarse: int) -> np.ndarray:
    """(height, width) of soft blobs about `coarse` px wide, 0 to 1."""
    small = rng.random((height // coarse + 2, width // coarse + 2)).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def made_up_tiles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y (N,) and probabilities (N, C) of the TILES cells richest in tissue, reading order."""
    rng = np.random.default_rng(0)
    width, height = (int(side / STEP) for side in BOUNDS[2:])
    tissue = smooth(rng, height, width, 40)
    kept = tissue >= np.sort(tissue.ravel())[-TILES]
    row, column = (places[:TILES] for places in np.nonzero(kept))
    logits = np.stack([smooth(rng, height, width, 16) * 9 for _ in CLASSES])[:, row, column]
    weights = np.exp(logits + rng.normal(0, 0.5, logits.shape))
    x = np.rint(BOUNDS[0] + column * STEP).astype(np.int32)
    y = np.rint(BOUNDS[1] + row * STEP).astype(np.int32)
    return x, y, (weights / weights.sum(axis=0)).T.astype(np.float32)


def made_up_overview(longest: int) -> tuple[np.ndarray, float]:
    """RGB of a whole slide, grainy like tissue, and level-0 px per px."""
    rng = np.random.default_rng(1)
    downsample = max(SLIDE) / longest
    width, height = (round(side / downsample) for side in SLIDE)
    grain = sum(smooth(rng, height, width, px) for px in (2, 6, 30)) / 3
    rgb = np.array([150, 60, 130]) + np.clip(grain, 0, 1)[..., None] * np.array([105, 180, 110])
    rgb[:, : width // 16] = 244  # glass
    return np.rint(rgb).clip(0, 255).astype(np.uint8), downsample


@contextmanager
def timed(spent: dict[str, Times], name: str) -> Iterator[None]:
    """Note the seconds that the block takes, on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    yield
    spent[name] = time.perf_counter() - clock, time.process_time() - processor


def measure(settings: Heatmap) -> dict[str, Times]:
    """Seconds by part of what `heatmap` does once the overview is read; on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    x, y, p = made_up_tiles()
    if len(x) != TILES:
        raise SystemExit(f"made {len(x)} tiles")
    overview = made_up_overview(settings.overview_px)
    spent: dict[str, Times] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_everything(Path(folder) / "S001", settings, (x, y, p), overview, spent)
    return spent


def write_everything(
    stem: Path,
    settings: Heatmap,
    tiles: tuple[np.ndarray, np.ndarray, np.ndarray],
    overview: tuple[np.ndarray, float],
    spent: dict[str, Times],
) -> None:
    """All files of one slide, each timed."""
    with timed(spent, "loading of libraries"):
        from histotile.heatmaps import (
            figure_frame,
            heatmap,
            ome_tiff,
            probability_map,
            qupath_objects,
            regions,
            wsinfer_csv,
        )
        from histotile.tasks.registry import make_task
    (x, y, p), task = tiles, make_task(CLASSES)
    facts = {"slide_id": stem.name, "models": ["3fa9c1"], "note": RESEARCH_USE}
    caption = figure_frame.Caption(stem.name, "3fa9c1", MPP)
    layout = probability_map.Layout(*BOUNDS, STEP, STEP)
    with timed(spent, "map of the tiles"):
        found = probability_map.probability_map(x, y, p, task, layout)
    with timed(spent, "overlay"):
        painted = heatmap.paint_heatmap(*overview, found, settings, caption)
    with timed(spent, "overlay, PNG"):
        heatmap.write_picture(stem.with_suffix(".png"), painted)
    with timed(spent, "map alone"):
        painted = heatmap.paint_map(found, settings, caption)
    with timed(spent, "map alone, PNG"):
        heatmap.write_picture(stem.with_suffix(".map.png"), painted)
    with timed(spent, "probabilities, OME-TIFF"):
        ome_tiff.write_map(stem.with_suffix(".ome.tif"), found, MPP, facts)
    with timed(spent, "colours, OME-TIFF"):
        ome_tiff.write_colour_map(stem.with_suffix(".colour.ome.tif"), found, settings, MPP, facts)
    with timed(spent, "regions"):
        merged = regions.find_regions(found, None, settings.threshold, MPP)
    with timed(spent, "regions, GeoJSON"):
        geojson = stem.with_suffix(".geojson")
        qupath_objects.write_region_objects(geojson, stem.name, merged, CLASSES, BOUNDS)
    with timed(spent, "tiles, GeoJSON"):
        geojson = stem.with_suffix(".tiles.geojson.gz")
        squares = qupath_objects.Squares(x, y, STEP)
        qupath_objects.write_tile_objects(geojson, stem.name, squares, p, task, BOUNDS)
    with timed(spent, "tiles, CSV"):
        wsinfer_csv.write_wsinfer_csv(stem.with_suffix(".csv"), x, y, STEP, p, task.columns)


def main() -> None:
    settings = read_config(Path(__file__).parents[1] / "config" / "config.yaml").heatmap
    rounds = []
    for _ in range(ROUNDS):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rounds.append(pool.apply(measure, (settings,)))
    for spent in rounds:
        clock, processor = (sum(times[k] for times in spent.values()) for k in (0, 1))
        spent["total"] = clock, processor
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, pinned to one"
    with Path(__file__).with_suffix(".csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        head = ["what", "tiles", "overview_px", "clock_s", "processor_s", "date", "machine"]
        writer.writerow(head)
        for name in rounds[0]:
            middle = [statistics.median(spent[name][k] for spent in rounds) for k in (0, 1)]
            times = [round(seconds, 3) for seconds in middle]
            row = [name, TILES, settings.overview_px, *times, today, machine]
            writer.writerow(row)
            print(*row, sep="\t")


if __name__ == "__main__":
    main()
