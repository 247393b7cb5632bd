"""Trainings with a planted fault get the verdict and the remedy that name it."""

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
SMALL = {"channels": [1, 1, 1, 1], "stem_width": 1}
HEAVY = dict.fromkeys(("resized_crop", "perspective", "colour", "stain", "erasing"), "heavy")
SIDE, ROWS, COLUMNS = 64, 4, 4


def write_slide(folder: Path, number: int, signal: float, spread: float) -> Path:
    """A slide of 16 tiles, half of them redder, by `signal` standard deviations (`spread`)."""
    rng = np.random.default_rng(number)
    labels = np.arange(ROWS * COLUMNS) % 2
    red = spread * (rng.standard_normal(len(labels)) + signal * (labels - 0.5))
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
        patients: int = 8, signal: float = 4.0, spread: float = 8.0, **changes: Any
    ) -> dict[str, Any]:
        options, name = changes.pop("options", {}), changes.pop("name", "test_resnet")
        augment = Augment(orientation="flip", **(OFF | changes.pop("augment", {})))
        written = [write_slide(tmp_path, n, signal, spread) for n in range(patients + 4)]
        slides = [
            FoldSlide(t.stem, t.stem, "train" if n < patients else "val", t)
            for n, t in enumerate(written)
        ]
        backbone = Backbone(name=name, weights="none", domain="auto", options=options)
        given = {"strategy": "retrain", "augment": augment, "epochs": 10, "batch_size": 16}
        settings = make_settings(**(given | changes))
        return train_fold(tmp_path / "f", slides, TASK, backbone, settings)

    return run


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({"spread": 2.0}, "good fit", ""),
    "network too small": ({"options": SMALL}, "underfit", "a larger backbone"),
    "patients too few": ({"patients": 2, "signal": 2.0, "epochs": 20}, "overfit", "more patients"),
    "augmentation too heavy": (
        {"spread": 2.0, "augment": HEAVY},
        "underfit",
        "lighter train.augment",
    ),
    "nothing, without batch norm": ({"name": "test_convnext"}, "good fit", ""),
    "learning rate x 100": ({"name": "test_convnext", "rate": 0.1}, "underfit", "a lower rate"),
    "labels at random": ({"signal": 0.0, "epochs": 15}, "overfit", "check the labels"),
}
FIRST = {"patients too few", "learning rate x 100", "labels at random"}


@pytest.mark.slow
@pytest.mark.parametrize("fault", CASES)
def test_a_planted_fault_is_named(learn: Callable[..., dict[str, Any]], fault: str) -> None:
    changes, verdict, remedy = CASES[fault]
    found = learn(**changes)["diagnosis"]
    assert found["verdict"] == verdict, found
    told = [n for n, each in enumerate(found["remedies"]) if each.startswith(remedy)]
    if verdict == "good fit":
        assert not found["remedies"]
    else:
        assert told and (told[0] == 0 or fault not in FIRST), found
