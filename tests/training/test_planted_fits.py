"""Trainings with a planted fault get the verdict, and first the remedy, that names it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from histotile.config import Augment, Backbone, Train
from histotile.io import tables
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide
from histotile.training.train_fold import train_fold

TASK = make_task(("healthy", "tumour"))
OFF: dict[str, Any] = dict.fromkeys(
    ("resized_crop", "perspective", "colour", "stain", "erasing"), "off"
)
SIDE, ROWS, COLUMNS = 64, 4, 8


def write_slide(folder: Path, number: int, signal: float) -> Path:
    """A slide of 32 tiles, half of them redder, by `signal` standard deviations of the tiles."""
    rng = np.random.default_rng(number)
    labels = np.arange(ROWS * COLUMNS) % 2
    red = 8 * (rng.standard_normal(len(labels)) + signal * (labels - 0.5))
    rgb = rng.normal(150, 25, (ROWS * SIDE, COLUMNS * SIDE, 3))
    y, x = (a.ravel() * SIDE for a in np.mgrid[:ROWS, :COLUMNS])
    for row, column, shift in zip(y, x, red, strict=True):
        rgb[row : row + SIDE, column : column + SIDE, 0] += shift
    path = folder / f"s{number}.tiff"
    pixels = np.clip(rgb, 0, 255).astype(np.uint8)
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", compression="zlib")
    columns: dict[str, Any] = {column: [None] * len(labels) for column in tables.TILES.names}
    columns |= {"tile_id": np.arange(len(labels)), "x": x.astype(np.int32)}
    columns |= {"y": y.astype(np.int32), "label": np.array(TASK.names)[labels]}
    facts = {"slide_id": path.stem, "path": str(path), "mpp": 0.5, "tile_mpp": 0.5}
    facts |= {"tile_px": SIDE, "size_level0_px": float(SIDE)}
    table = folder / f"s{number}.parquet"
    tables.write_table(table, columns, tables.TILES, facts)
    return table


@pytest.fixture
def learn(tmp_path: Path, make_settings: Callable[..., Train]) -> Callable[..., dict[str, Any]]:
    """The summary of a training from random weights on patients of one slide each."""

    def run(
        patients: int = 8, signal: float = 4.0, rate: float = 3e-3, **changes: Any
    ) -> dict[str, Any]:
        options = changes.pop("options", {})
        augment = Augment(orientation="flip", **(OFF | changes.pop("augment", {})))
        tables_ = [write_slide(tmp_path, n, signal) for n in range(patients + 4)]
        slides = [
            FoldSlide(t.stem, t.stem, "train" if n < patients else "val", t)
            for n, t in enumerate(tables_)
        ]
        backbone = Backbone(name="test_resnet", weights="none", domain="auto", options=options)
        given = {"strategy": "retrain", "augment": augment, "epochs": 10, "batch_size": 32}
        settings = make_settings(rate, **(given | changes))
        return train_fold(tmp_path / "f", slides, TASK, backbone, settings)

    return run


CASES = {
    "good": {},
    "small": {"options": {"channels": [1, 1, 1, 1], "stem_width": 1}},
    "small2": {"options": {"channels": [2, 2, 2, 2], "stem_width": 1}},
    "few": {"patients": 2, "signal": 2.0, "epochs": 30},
    "few1": {"patients": 1, "signal": 2.0, "epochs": 30},
    "heavy": {
        "augment": dict(colour="heavy", stain="heavy", resized_crop="heavy", erasing="heavy")
    },
    "rate": {"rate": 0.3},
    "random": {"signal": 0.0, "epochs": 20},
}


@pytest.mark.parametrize("case", CASES)
def test_x(learn: Any, tmp_path: Path, case: str) -> None:
    import time

    s = time.time()
    found = learn(**CASES[case])
    print("\n", case, found["diagnosis"], found["trained_weights"], round(time.time() - s, 1))
    print((tmp_path / "f/curves.csv").read_text())
