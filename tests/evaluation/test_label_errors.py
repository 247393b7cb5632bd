"""Suspects: which labels the predictions doubt most, and what QuPath is told of them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.evaluation.label_errors import (
    COLUMNS,
    LabelledSlide,
    Suspect,
    find_suspects,
    suspect_features,
)
from histotile.io.palette import class_colours
from histotile.io.tables import TILES, prediction_schema

CLASSES = ("healthy", "tumour", "<b>\u202eנק")


def slide(
    name: str, labels: list[str | None], p: Any, excluded: Any = None, file: Any = None
) -> LabelledSlide:
    """Tiles in a row of 100 px; predictions stand in another order than the tiles."""
    n = len(labels)
    values: dict[str, Any] = dict.fromkeys(TILES.names, [None] * n)
    values |= {"tile_id": range(n), "x": np.arange(n) * 100, "y": [7] * n, "label": labels}
    values |= {"excluded": excluded or [None] * n, "file": file or [None] * n}
    tiles = pa.table({f.name: pa.array(values[f.name], f.type) for f in TILES})
    p = np.asarray(p, np.float32).reshape(n, len(CLASSES))
    guesses: dict[str, Any] = {name: values[name] for name in ("tile_id", "x", "y")}
    guesses |= {f"prob_{c}": p[:, i] for i, c in enumerate(CLASSES)}
    guesses |= {"distance": [0.5] * n, "familiarity": ["familiar"] * n}
    schema = prediction_schema(CLASSES)
    predictions = pa.table({f.name: pa.array(guesses[f.name], f.type) for f in schema})
    return LabelledSlide(name, f"p-{name}", tiles, predictions.take(np.arange(n)[::-1]))


def test_the_largest_disagreements_of_the_cohort_come_first() -> None:
    first = slide(
        "a",
        ["healthy", "tumour", None, "healthy", "healthy"],
        [[0.02, 0.9, 0.08], [0.1, 0.85, 0.05], [0, 1, 0], [0, 1, 0], [np.nan] * 3],
        excluded=[None, None, None, "pen", None],
    )
    second = slide("b", ["tumour", "healthy"], [[0.99, 0.01, 0], [0.4, 0.3, 0.3]])
    found = find_suspects([first, second], CLASSES, most=200, least=0.5)
    assert [(s.rank, s.slide_id, s.tile_id, s.label, s.pred) for s in found] == [
        (1, "b", 0, "tumour", "healthy"),
        (2, "a", 0, "healthy", "tumour"),
    ]
    row = found[1].row()
    assert tuple(row) == COLUMNS
    assert row == {
        "slide_id": "a",
        "patient_id": "p-a",
        "tile_id": 0,
        "x": 0,
        "y": 7,
        "label": "healthy",
        "pred": "tumour",
        "prob_label": 0.02,
        "prob_pred": 0.9,
        "disagreement": 0.98,
        "rank": 2,
        "file": None,
    }


def test_a_doubted_label_that_is_still_the_most_probable_is_no_suspect() -> None:
    unsure = slide("a", ["healthy"], [[0.4, 0.3, 0.3]])
    assert find_suspects([unsure], CLASSES, most=9, least=0.5) == []
    assert find_suspects([], CLASSES, most=9, least=0.5) == []


@given(
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    most=st.integers(1, 12),
    least=st.floats(0, 1),
)
def test_keeping_the_best_slide_by_slide_loses_none(
    seed: int, sizes: list[int], most: int, least: float
) -> None:
    rng = np.random.default_rng(seed)
    cohort, expected = [], []
    for number, n in enumerate(sizes):
        p = np.round(rng.dirichlet([0.5] * 3, n), 1).astype(np.float32)  # rounded: with equal ones
        labels = rng.integers(0, 3, n)
        cohort.append(slide(str(number), [CLASSES[i] for i in labels], p))
        doubt = 1 - p[np.arange(n), labels].astype(float)
        wrong = p.argmax(axis=1) != labels
        expected += [(-doubt[i], number, i) for i in range(n) if wrong[i] and doubt[i] >= least]
    found = find_suspects(cohort, CLASSES, most, least)
    assert [(-s.disagreement, int(s.slide_id), s.tile_id) for s in found] == sorted(expected)[:most]
    assert [s.rank for s in found] == list(range(1, len(found) + 1))


def test_qupath_shows_the_present_label_and_what_the_model_says() -> None:
    p = {"healthy": 0.02, "tumour": 0.98, CLASSES[2]: 0.0}
    suspect = Suspect("s", "p", 3, 350, 260, "healthy", "tumour", p, 0.98, None, 4)
    (found,) = suspect_features([suspect], CLASSES, 99.5, (300, 200, 4000, 3000))
    assert found is not None
    properties = found["properties"]
    assert properties["name"] == "label healthy, pred tumour 0.98"
    colour = list(class_colours(CLASSES)["healthy"])
    assert properties["classification"] == {"name": "healthy", "color": colour}
    assert (properties["objectType"], properties["isLocked"]) == ("annotation", False)
    assert properties["measurements"] == {
        **{f"prob_{name}": value for name, value in p.items()},
        "disagreement": 0.98,
        "rank": 4,
    }
    corners = np.array(found["geometry"]["coordinates"][0])
    assert corners.min(axis=0).tolist() == [50, 60]
    assert corners.max(axis=0).tolist() == [149.5, 159.5]


def test_ready_made_tiles_are_named_by_their_files() -> None:
    group = slide("g", ["healthy"], [[0, 1, 0]], file=["a/<1>.png"])
    row = find_suspects([group], CLASSES, 9, 0.5)[0].row()
    assert (row["file"], row["x"], row["y"]) == ("a/<1>.png", None, None)


def test_labels_and_classes_have_to_fit() -> None:
    with pytest.raises(HistotileError, match="no classes"):
        find_suspects([slide("a", ["cyst"], [[1, 0, 0]])], CLASSES, 9, 0.5)
    with pytest.raises(HistotileError, match="lack the columns prob_cyst"):
        find_suspects([slide("a", ["tumour"], [[1, 0, 0]])], (*CLASSES, "cyst"), 9, 0.5)


def test_predictions_of_an_earlier_grid_are_refused() -> None:
    now = slide("a", ["tumour", "healthy"], [[1, 0, 0], [0, 1, 0]])
    moved = now.predictions.set_column(1, "x", pa.array([1, 0], pa.int32()))
    with pytest.raises(HistotileError, match="lie elsewhere"):
        find_suspects([LabelledSlide("a", "p", now.tiles, moved)], CLASSES, 9, 0.5)
