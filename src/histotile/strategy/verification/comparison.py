"""What one strategy says of the tiles a fold tests, and its scores over resampled patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from histotile.config import Verify
from histotile.stats.auroc import mean_of_known
from histotile.stats.bootstrap import draw_weights
from histotile.tasks.task import Labels, Task

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """What one strategy (or baseline) says of the labelled tiles a fold tests.

    Args:
        fold: Its name.
        strategy: A strategy, or a baseline such as `colour`.
        labels: (N, ...) as the task numbers or measures them.
        patients: (N,) patient_id.
        values: (N, C) of the task.
        seconds: Time of training and predicting.
        task: What was learnt.
        tiles: (N,) by which tiles of other comparisons are found again; None: all are the same.
        gave_way: Whether it is a probe that says it, since training all layers did not better it.
        trains_layers: Whether more than a head on cached features learnt.
    """

    fold: str
    strategy: str
    labels: Labels
    patients: NDArray[np.str_]
    values: NDArray[np.floating]
    seconds: float
    task: Task
    tiles: NDArray[np.str_] | None = None
    gave_way: bool = False
    trains_layers: bool = False

    def common(self, other: "Comparison") -> "Comparison":
        """The tiles that another comparison judged too, in the order of their names."""
        if self.tiles is None or other.tiles is None:
            return self
        rows = np.intersect1d(self.tiles, other.tiles, return_indices=True)[1]
        parts = {name: getattr(self, name)[rows] for name in ("labels", "patients", "values")}
        return replace(self, tiles=self.tiles[rows], **parts)


@dataclass(frozen=True)
class Scores:
    """Scores of a strategy: per fold, over resampled patients, and over those left out of them."""

    folds: dict[str, float | None]
    value: float
    inside: Floats  # (B,)
    outside: Floats  # (B,)


def resample(own: Mapping[str, Comparison], settings: Verify) -> Scores:
    """Patients are resampled within each fold, alike for every strategy (same seed)."""
    plain, inside, outside = {}, [], []
    for number, (fold, r) in enumerate(sorted(own.items())):
        found = _fold(r, [settings.seed, number], settings.bootstraps)
        plain[fold] = float(found[0]) if np.isfinite(found[0]) else None
        inside.append(found[1 : settings.bootstraps + 1])
        outside.append(found[settings.bootstraps + 1 :])
    known = [v for v in plain.values() if v is not None]
    both = (mean_of_known(np.stack(part, axis=1)) for part in (inside, outside))
    return Scores(plain, float(np.mean(known)) if known else _chance(own), *both)


def _chance(own: Mapping[str, Comparison]) -> float:
    return next(iter(own.values())).task.chance


def _fold(r: Comparison, seed: Sequence[int], bootstraps: int) -> Floats:
    """(1 + 2B,) scores of a fold: as it is, over resamples, and over those left out of each."""
    names, patients = np.unique(r.patients, return_inverse=True)
    counts = draw_weights([0] * len(names), bootstraps, seed)
    weights = np.concatenate([np.ones((1, len(names))), counts, counts == 0])
    return r.task.scores(r.values, r.labels, patients, weights)
