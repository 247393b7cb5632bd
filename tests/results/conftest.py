"""A cohort of made-up tiles whose truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from histotile.config import Aggregate, Evaluate
from histotile.results.aggregation import fold_slides
from histotile.results.evaluation import evaluate
from histotile.results.units import SlideTiles, slide_tiles
from histotile.tables import COLOUR, TILES, prediction_schema

CLASSES = ("healthy", "tumour")
Cohort = tuple[list[SlideTiles], dict[str, list[Any]]]


def tile_table(labels: Sequence[str | None], colour: np.ndarray) -> pa.Table:
    n = len(labels)
    values: dict[str, Any] = {name: [0] * n for name in TILES.names}
    values |= {name: colour[:, c] for c, name in enumerate(COLOUR)}
    values |= {"tile_id": range(n), "label": labels, "excluded": [None] * n}
    values |= {name: [False] * n for name in ("blur", "pen", "fold")}
    values |= {name: [None] * n for name in ("file", "checksum")}
    return pa.table({f.name: pa.array(values[f.name], f.type) for f in TILES})


def predictions(p: np.ndarray, classes: Sequence[str] = CLASSES) -> pa.Table:
    values: dict[str, Any] = {"tile_id": range(len(p)), "x": [0] * len(p), "y": [0] * len(p)}
    values |= {f"prob_{name}": p[:, c] for c, name in enumerate(classes)}
    values |= {"distance": [0.5] * len(p), "familiarity": ["familiar"] * len(p)}
    schema = prediction_schema(tuple(classes))
    return pa.table({f.name: pa.array(values[f.name], f.type) for f in schema})


def fold_table(patients: int, n_folds: int, fixed: int, slides_each: int) -> dict[str, list[Any]]:
    """Patients alternate healthy, tumour; the last `fixed` are the fixed test set."""
    rows = []
    for fold in range(n_folds):
        for p in range(patients):
            tested = p >= patients - fixed or (p // 2) % n_folds == fold
            for s in range(slides_each):
                role = "test" if tested else "train"
                rows.append((fold, f"p{p}s{s}", f"p{p}", None, CLASSES[p % 2], role))
    names = ("fold", "slide_id", "patient_id", "site", "label", "role")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


@pytest.fixture
def make_cohort() -> Callable[..., Cohort]:
    """A cohort in which `signal` separates the network's scores and `hue` the colours."""

    def make(
        patients: int = 24,
        n_folds: int = 3,
        fixed: int = 0,
        slides_each: int = 1,
        signal: float = 2.0,
        hue: float = 0.0,
        tiles: int = 60,
        source: str = "annotation",
    ) -> Cohort:
        rng = np.random.default_rng(11)
        folds = fold_table(patients, n_folds, fixed, slides_each)
        slides = []
        for slide in fold_slides(folds):
            ill = (rng.random(tiles) < 0.4) & (slide.label == "tumour")
            colour = rng.normal(size=(tiles, 6)) + hue * ill[:, None]
            p = 1 / (1 + np.exp(-(rng.normal(size=tiles) + signal * (2 * ill - 1))))
            table = tile_table([CLASSES[int(i)] for i in ill], colour)
            guess = predictions(np.stack([1 - p, p], axis=1))
            slides.append(slide_tiles(slide, table, guess, source, CLASSES))
        return slides, folds

    return make


@pytest.fixture
def evaluated(make_cohort: Callable[..., Cohort]) -> Callable[..., dict[str, Any]]:
    """The summary of an evaluation of such a cohort; `three`: with a class that never occurs."""

    def run(three: bool = False, **settings: Any) -> dict[str, Any]:
        slides, folds = make_cohort(**settings)
        classes: tuple[str, ...] = CLASSES
        if three:
            classes = (*CLASSES, "never")
            slides = [
                replace(t, probabilities=np.pad(t.probabilities, ((0, 0), (0, 1)))) for t in slides
            ]
        measuring = Evaluate(bootstraps=100, confidence=0.95, seed=0)
        pooling = Aggregate(method="top_k", top_k=5, quantile=0.9, bootstraps=0)
        return evaluate(slides, folds, classes, measuring, pooling, True).summary

    return run
