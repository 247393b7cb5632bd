"""Where attention looked, held against what tiles are labelled and marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Evaluate
from histotile.evaluation.per_fold import Row
from histotile.stats.auroc import auroc
from histotile.stats.bootstrap import draw_weights, interval
from histotile.tasks.task import UNKNOWN, Labels, Task

LESION = "tiles with a lesion"
MARKED = "tiles with marks"


@dataclass(frozen=True)
class Looked:
    """Tiles of a slide with attention.

    Args:
        patient_id: Whose slide.
        attention: (N,) weights, which sum to 1.
        labels: (N, ...) of the task, of the tiles' own outlines or images; None: of the slide.
        marked: (N,) whether a tile has blur, pen or a fold.
    """

    patient_id: str
    attention: NDArray[np.floating[Any]]
    labels: Labels | None
    marked: NDArray[np.bool_]


def attention_rows(slides: Sequence[Looked], task: Task, settings: Evaluate) -> list[Row]:
    """How well attention tells tiles of a kind from others within a slide: AUROC, mean of patients.

    Columns: tiles (`tiles with a lesion`: labelled as anything but the background, or with some
    label; `tiles with marks`), value, lower, upper, slides, patients, share (of attention on them),
    share_of_tiles. Slides with tiles of both sorts count; no row where there are none.

    Args:
        slides: Slides that attention scored.
        task: What was learnt; a number has no lesions.
        settings: Resamples and level of the interval.
    """
    found = [(LESION, [_lesion(one, task) for one in slides])]
    found += [(MARKED, [(one.marked, np.ones_like(one.marked)) for one in slides])]
    rows = [_row(name, slides, sides, settings) for name, sides in found]
    return [row for row in rows if row is not None]


def _lesion(one: Looked, task: Task) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tiles are lesions, and which count: those with a label of their own."""
    nothing = np.zeros(len(one.attention), np.bool_)
    if one.labels is None or task.kind == "regression":
        return nothing, nothing
    stratum = task.stratum(one.labels)
    return stratum > 0, stratum != UNKNOWN


def _row(
    name: str,
    slides: Sequence[Looked],
    sides: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    settings: Evaluate,
) -> Row | None:
    patients: dict[str, list[tuple[float, float, float]]] = {}
    for one, (positive, counted) in zip(slides, sides, strict=True):
        there, weights = positive[counted], one.attention[counted]
        if there.any() and not there.all() and weights.sum() > 0:
            shares = float(weights[there].sum() / weights.sum()), float(there.mean())
            patients.setdefault(one.patient_id, []).append((auroc(there, weights), *shares))
    if not patients:
        return None
    means = np.array([np.mean(each, axis=0) for each in patients.values()])
    weights = draw_weights([0] * len(means), settings.bootstraps, settings.seed)
    bounds = interval(weights @ means[:, 0] / len(means), settings.confidence)
    value, share, of_tiles = means.mean(axis=0).tolist()
    return {
        "tiles": name,
        "value": value,
        "lower": bounds.lower,
        "upper": bounds.upper,
        "slides": sum(map(len, patients.values())),
        "patients": len(patients),
        "share": share,
        "share_of_tiles": of_tiles,
    }
