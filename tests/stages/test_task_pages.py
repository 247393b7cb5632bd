"""Heatmap and page of a slide, where values are labels that overlap, or a number."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from histotile.config import Config
from histotile.config.yaml_file import over_standard, validate
from histotile.heatmaps.ome_tiff import read_map
from histotile.io import tables
from histotile.io.atomic import write_json
from histotile.io.cohort import Cohort, CohortSlide
from histotile.reports.slide.page import render_slide_page
from histotile.stages import heatmap
from histotile.stages.results_folder import Gathered
from histotile.stages.slide_viewer import slide_facts
from histotile.tasks.registry import config_task, tile_facts

SIDE, COLUMNS, ROWS = 64, 6, 4
TASKS: dict[str, dict[str, Any]] = {
    "multilabel": {"classes": ["necrosis", "tumour"], "task": {"kind": "multilabel"}},
    "regression": {
        "classes": ["marked nuclei"],
        "task": {"kind": "regression", "unit": "%", "range": [0, 50]},
        "aggregate": {"method": "mean"},
    },
}


@pytest.fixture(params=list(TASKS))
def gathered(request: pytest.FixtureRequest, tmp_path: Path, repository: Path) -> Gathered:
    """A slide of 6 x 4 tiles; values rise from left to right."""
    settings = over_standard(TASKS[request.param], repository / "config/config.yaml")
    settings["tile"]["labels"] |= {"names": {}, "outside": None}
    config = validate(Config, settings, "test")
    task = config_task(config)
    path, results = tmp_path / "s.tif", tmp_path / "results"
    rgb = np.random.default_rng(0).integers(120, 230, (ROWS * SIDE, COLUMNS * SIDE, 3), np.uint8)
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(rgb, tile=(64, 64), resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    x, y = (SIDE * columns).ravel(), (SIDE * rows).ravel()
    n = len(x)
    footer = {
        "slide_id": "s",
        "path": str(path),
        "mpp": 0.5,
        "tile_mpp": 0.5,
        "tile_px": SIDE,
        "size_level0_px": float(SIDE),
        "stride_level0_px": float(SIDE),
        "width": COLUMNS * SIDE,
        "height": ROWS * SIDE,
        "bounds": [0, 0, COLUMNS * SIDE, ROWS * SIDE],
        "labels_source": "annotation",
        "verdict": "ok",
        "counts": {"grid": n, "no_tissue": 0, "tiles": n, "excluded": {}},
        **tile_facts(task),
    }
    table = {name: [None] * n for name in tables.TILES.names}
    table |= {"tile_id": range(n), "x": x, "y": y, "label": [None] * n}  # type: ignore[dict-item]
    table |= {name: np.zeros(n, bool) for name in ("blur", "pen", "fold")}  # type: ignore[misc]
    tables.write_table(results / "tile/s.parquet", table, tables.TILES, footer)
    shares = np.stack([(columns / (COLUMNS - 1)).ravel()] * len(task.names), axis=1)
    values = shares * 50 if request.param == "regression" else shares * [0.4, 1]
    found = {"tile_id": np.arange(n), "x": x, "y": y, "distance": np.zeros(n)}
    found |= dict(zip(task.columns, values.T, strict=True))
    found |= {"familiarity": np.full(n, "familiar", object)}
    schema = tables.prediction_schema(task.columns)
    tables.write_table(results / "predict/s.parquet", found, schema, {"models": ["m"]})
    inspection = {"slide_id": "s", "verdict": "ok", "mpp": 0.5, "path": str(path)}
    write_json(results / "inspect/s.json", inspection)
    cohort = Cohort((CohortSlide("s", "p", path, "tumour"),), has_patients=True)
    return Gathered(results, cohort, config, config.report)


def test_maps_hold_values_in_their_unit_and_regions_lie_above_the_threshold(
    gathered: Gathered, tmp_path: Path
) -> None:
    results, outputs = gathered.results, heatmap.Outputs.beside(tmp_path / "map/s.png")
    inputs = heatmap.Inputs(results / "tile/s.parquet", results / "predict/s.parquet")
    heatmap.run(inputs, outputs, gathered.config.heatmap)
    found, _ = read_map(outputs.numbers)
    is_number = gathered.task.kind == "regression"
    assert found.meaning(None) == gathered.task.layer(gathered.task.names[-1])
    assert np.nanmax(found.layer(None)) == pytest.approx(50 if is_number else 1)
    (region,) = json.loads(outputs.regions.read_text())["features"]
    measured = region["properties"]["measurements"]
    word = "value" if is_number else "probability"
    assert measured[f"mean_{word}"] == pytest.approx(40 if is_number else 0.8)  # 3 of 6 columns
    assert measured["cells"] == 3 * ROWS
    assert outputs.csv.read_text().split("\n")[0].endswith(",".join(gathered.task.columns))


def test_the_page_of_a_slide_says_what_is_shown(gathered: Gathered) -> None:
    facts = slide_facts(gathered, gathered.cohort.slides[0])
    scene = facts.scene
    assert scene is not None
    assert float(np.nanmax(scene.found.values)) == pytest.approx(1)  # the viewer counts to 1
    page = re.sub(r"data:[^\"']*", "", render_slide_page(facts))
    if gathered.task.kind == "regression":
        assert not facts.uncertain_tiles
        assert "share of 0 to 50" in page
        assert "Probability of" not in page
    else:
        assert "Probability of" in page
        assert facts.uncertain_tiles[0].x in (2 * SIDE, 3 * SIDE, 5 * SIDE)
