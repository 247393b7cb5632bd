"""Drawn cohorts of tiles: their truth, and that colour does not give it away."""

import csv
import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from histotile.stats.agreement import spearmans
from histotile.synthetic.labelled_tiles import LESIONS, Cohort, write_labelled_tiles
from histotile.tasks.registry import make_task

TASKS = {
    "binary": make_task(("healthy", "tumour")),
    "multilabel": make_task(LESIONS, "multilabel"),
    "regression": make_task(("tumour area",), "regression", {"low": 0, "high": 100}),
}


@pytest.mark.parametrize("cohort", get_args(Cohort))
def test_labels_are_of_the_task_and_all_occur(cohort: Cohort, tmp_path: Path) -> None:
    listed = write_labelled_tiles(tmp_path, cohort, patients=3, tiles=8, tile_px=48)
    with listed.open() as handle:
        rows = list(csv.DictReader(handle))
    labels = [row["label"] for row in rows]
    assert not TASKS[cohort].foreign(labels)
    assert not TASKS[cohort].lacking(TASKS[cohort].labels(labels))
    assert len({row["group"] for row in rows}) == 3
    assert Image.open(rows[0]["path"]).size == (48, 48)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert [tile["label"] for tile in truth["tiles"]] == labels
    again = write_labelled_tiles(tmp_path / "again", cohort, patients=3, tiles=8, tile_px=48)
    assert [row["label"] for row in csv.DictReader(again.open())] == labels


def test_mean_colour_ranks_no_areas(tmp_path: Path) -> None:
    listed = write_labelled_tiles(tmp_path, "regression", patients=10, tiles=10)
    with listed.open() as handle:
        rows = list(csv.DictReader(handle))
    truth = np.array([float(row["label"]) for row in rows])
    means = np.array([np.asarray(Image.open(row["path"])).mean() for row in rows])
    once, all_one = np.ones((1, 1)), np.zeros(len(rows), np.int64)
    assert abs(spearmans(means, truth, all_one, once)[0]) < 0.5
