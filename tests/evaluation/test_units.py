import numpy as np
import pyarrow as pa
import pytest

from histotile.aggregation.aggregate import FoldSlide
from histotile.errors import HistotileError
from histotile.evaluation.units import slide_tiles
from histotile.io.tables import COLOUR, TILES, prediction_schema

CLASSES = ("healthy", "tumour")
SLIDE = FoldSlide("s", "p", "tumour", None, "0")


def tiles(labels: list[str | None], excluded: list[str | None]) -> pa.Table:
    n = len(labels)
    values: dict[str, object] = {name: list(range(n)) for name in TILES.names}
    values |= {"label": labels, "excluded": excluded}
    values |= {name: [False] * n for name in ("blur", "pen", "fold")}
    values |= {name: [None] * n for name in ("file", "checksum")}
    return pa.table({f.name: pa.array(values[f.name], f.type) for f in TILES})


def guesses(tile_ids: list[int], p: list[float], classes: tuple[str, ...] = CLASSES) -> pa.Table:
    columns: dict[str, object] = {"tile_id": tile_ids, "x": tile_ids, "y": tile_ids}
    columns |= {f"prob_{classes[0]}": [1 - v for v in p], f"prob_{classes[1]}": p}
    columns |= {"distance": [0.5] * len(p), "familiarity": ["familiar"] * len(p)}
    schema = prediction_schema(classes)
    return pa.table({f.name: pa.array(columns[f.name], f.type) for f in schema})


def test_predictions_join_by_tile_id_whatever_their_order() -> None:
    table = tiles(["tumour", None, "healthy", "tumour"], [None, None, "pen", None])
    found = slide_tiles(SLIDE, table, guesses([3, 0], [0.3, 0.9]), "annotation", CLASSES)
    assert found.labels.tolist() == [1, -1, 1]
    assert found.colour[:, 0].tolist() == [0, 1, 3]
    assert found.colour.shape == (3, len(COLOUR))
    expected = np.array([0.9, np.nan, 0.3], dtype=np.float32)
    np.testing.assert_array_equal(found.probabilities[:, 1], expected)


def test_no_predictions_and_no_tiles_are_values() -> None:
    table = tiles(["tumour"], [None])
    for none in (None, guesses([], [])):
        found = slide_tiles(SLIDE, table, none, "slide", CLASSES)
        assert np.isnan(found.probabilities).all()
    empty = slide_tiles(SLIDE, tiles([], []), guesses([], []), "slide", CLASSES)
    assert empty.probabilities.shape == (0, 2)


def test_foreign_labels_and_classes_are_named() -> None:
    with pytest.raises(HistotileError, match="stroma"):
        slide_tiles(SLIDE, tiles(["stroma"], [None]), None, "annotation", CLASSES)
    other = guesses([0], [0.5], ("a", "b"))
    with pytest.raises(HistotileError, match="prob_healthy"):
        slide_tiles(SLIDE, tiles(["tumour"], [None]), other, "annotation", CLASSES)
