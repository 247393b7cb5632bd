"""From tile probabilities to the score of a slide, and from slides to that of a patient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.pooling import pool, with_background
from histotile.config import Aggregate
from histotile.errors import HistotileError

Floats = NDArray[np.floating[Any]]
Columns = dict[str, list[Any]]

HOLDOUT = "holdout"  # fold of slides that are tested in every fold
UNTESTED = "none"  # fold of slides that no fold tests


@dataclass(frozen=True)
class FoldSlide:
    """What the fold table says of one slide: whose it is, its label, and the fold that tests it.

    `fold` is the fold's number as text, `holdout` for the fixed test set, or any word the caller
    likes for slides outside the folds, e.g. `new`.
    """

    slide_id: str
    patient_id: str
    label: str | None
    site: str | None
    fold: str


@dataclass(frozen=True)
class PredictedTiles:
    """The tiles of one slide as its prediction table gives them.

    Args:
        x: (N,) left edges, level-0 px; 0 for ready-made tiles, whose place is unknown.
        y: (N,) top edges.
        probabilities: (N, C); a row that holds a NaN has no prediction.
        distance: Of the slide from those taught on, 1 being the limit of foreign; None: unknown.
        familiarity: familiar, unusual, foreign or unknown.
    """

    x: NDArray[np.integer[Any]]
    y: NDArray[np.integer[Any]]
    probabilities: Floats
    distance: float | None = None
    familiarity: str = "unknown"


class LearntScore(NamedTuple):
    """What was learnt of a slide: (names,) values, and the method that gave them."""

    values: NDArray[np.float64]
    method: str


def fold_methods(slides: Sequence[FoldSlide], learnt: Mapping[str, LearntScore]) -> dict[str, str]:
    """Fold -> the method that scored the slides it tests."""
    return {s.fold: learnt[s.slide_id].method for s in slides if s.slide_id in learnt}


def fold_slides(folds: Mapping[str, Sequence[Any]]) -> list[FoldSlide]:
    """One entry per slide of a fold table (columns as in `tables.FOLDS`), in its order.

    Raises:
        HistotileError: A slide is tested in several folds but not in all of them, or a patient
            is tested in two folds.
    """
    tested: dict[str, list[str]] = {}
    rows: dict[str, int] = {}
    for row, slide_id in enumerate(folds["slide_id"]):
        rows.setdefault(slide_id, row)
        tested.setdefault(slide_id, [])
        if folds["role"][row] == "test":
            tested[slide_id].append(str(folds["fold"][row]))
    n_folds = len(set(folds["fold"]))
    facts = [_fold_slide(folds, row, tested[slide_id], n_folds) for slide_id, row in rows.items()]
    _check_patients(facts)
    return facts


def _fold_slide(
    folds: Mapping[str, Sequence[Any]], row: int, tested: list[str], n_folds: int
) -> FoldSlide:
    slide_id = folds["slide_id"][row]
    if 1 < len(tested) < n_folds:
        raise HistotileError(
            slide_id, f"is tested in folds {', '.join(tested)}, not in one or all", "split again"
        )
    fold = HOLDOUT if len(tested) > 1 else (tested or [UNTESTED])[0]
    label, site = folds["label"][row] or None, folds["site"][row] or None
    return FoldSlide(slide_id, folds["patient_id"][row], label, site, fold)


def _check_patients(facts: Sequence[FoldSlide]) -> None:
    fold_of: dict[str, str] = {}
    for slide in facts:
        if fold_of.setdefault(slide.patient_id, slide.fold) != slide.fold:
            raise HistotileError(
                f"patient {slide.patient_id}",
                f"is tested in folds {fold_of[slide.patient_id]} and {slide.fold}",
                "split again: a patient belongs to one fold",
            )


def aggregate_slide(
    probabilities: Floats, settings: Aggregate, has_background: bool = True
) -> NDArray[np.float64]:
    """The score of each class for one slide; NaN where the slide has no tile.

    `mean` averages the tiles. The other methods look for a lesion, i.e. a change that a small part
    of the tissue may carry; they pool every class but the first, and the first, the background,
    scores 1 - the highest of these. So the class of the highest score is the slide's `pred` for
    every method, and a lesion is called from a score of 0.5. Without background (several labels, a
    number) every value is pooled alike.

    - `top_k`: mean of the k largest probabilities (of all, where there are fewer tiles);
    - `quantile`: that quantile of the probabilities, linear between neighbours;
    - `noisy_or`: chance that k tiles drawn at random hold at least one of the class,
      1 - exp(k * mean(log(1 - p))), with k = `top_k` or the number of tiles if smaller. Up to k
      tiles it is the plain noisy-or 1 - prod(1 - p); it does not grow with the size of the slide,
      where the plain one comes to 1 on any large slide. p is held below 1 - 1e-6.

    Args:
        probabilities: (N, C), one row per tile; rows that hold a NaN (no prediction) are left out.
        settings: Method and its parameters.
        has_background: Whether the first class is the background.
    """
    known = probabilities[~np.isnan(probabilities).any(axis=1)].astype(np.float64)
    if len(known) == 0:
        return np.full(probabilities.shape[1], np.nan)
    return with_background(pool(known, settings), settings, has_background)


def aggregate_patient(
    scores: Floats,
    n_tiles: NDArray[np.integer[Any]],
    settings: Aggregate,
    has_background: bool = True,
) -> NDArray[np.float64]:
    """The score of each class for one patient; NaN where no slide has a tile.

    For `mean`, the mean over all tiles of the patient; for the lesion methods, the highest score
    over the slides, since a lesion on one of them makes the patient positive; where slides are
    learnt, the mean over the slides.

    Args:
        scores: (S, C), one row per slide, as `aggregate_slide` gives them.
        n_tiles: (S,) tiles behind each row.
        settings: The settings the slides were aggregated with.
        has_background: Whether the first class is the background.
    """
    known = (n_tiles > 0) & ~np.isnan(scores).any(axis=1)
    if not known.any():
        return np.full(scores.shape[1], np.nan)
    if settings.is_learnt:
        return np.asarray(scores[known].mean(axis=0, dtype=np.float64))
    if settings.method == "mean":
        return np.asarray(np.average(scores[known], axis=0, weights=n_tiles[known]))
    highest = scores[known].max(axis=0).astype(np.float64)
    return with_background(highest, settings, has_background)
