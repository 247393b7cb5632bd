"""What the verb heatmap refuses before it paints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.config.yaml_file import read_config
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.stages import heatmap
from histotile.tiling.tile_table import make_columns

CLASSES = ("healthy", "tumour")


def write_tiles(path: Path, n: int) -> Path:
    edges, unknown = np.arange(n, dtype=np.int32) * 64, np.zeros(n, np.float32)
    measures = np.zeros((n, 9), np.float32)
    columns = make_columns(edges, edges, unknown, [None] * n, unknown, measures)
    facts = {"slide_id": "s", "tile_px": 64, "tile_mpp": 0.5, "classes": list(CLASSES)}
    tables.write_table(path, columns, tables.TILES, facts)
    return path


def write_predictions(path: Path, n: int, shift: int, classes: tuple[str, ...]) -> Path:
    edges = np.arange(n, dtype=np.int32) * 64 + shift
    columns: dict[str, Any] = {"tile_id": np.arange(n), "x": edges, "y": edges}
    columns |= {"distance": np.zeros(n, np.float32), "familiarity": [None] * n}
    columns |= {f"prob_{name}": np.full(n, 0.5, np.float32) for name in classes}
    schema = tables.prediction_schema([f"prob_{name}" for name in classes])
    tables.write_table(path, columns, schema, {"models": ["m"]})
    return path


@pytest.mark.parametrize(
    ("n", "shift", "classes", "fact"),
    [
        (5, 1, CLASSES, "its tiles lie elsewhere"),
        (6, 0, CLASSES, "its tiles lie elsewhere"),
        (5, 0, ("healthy", "lesion"), "lacks the columns prob_tumour"),
    ],
)
def test_predictions_of_other_tiles_or_classes_are_refused(
    tmp_path: Path, repository: Path, n: int, shift: int, classes: tuple[str, ...], fact: str
) -> None:
    tiles = write_tiles(tmp_path / "tile.parquet", 5)
    predictions = write_predictions(tmp_path / "predict.parquet", n, shift, classes)
    settings = read_config(repository / "config/config.yaml").heatmap
    with pytest.raises(HistotileError, match=fact):
        outputs = heatmap.Outputs.beside(tmp_path / "s.png")
        heatmap.run(heatmap.Inputs(tiles, predictions), outputs, settings)
    assert not list(tmp_path.glob("s.*"))
