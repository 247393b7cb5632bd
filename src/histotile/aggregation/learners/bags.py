"""Slides as bags: features and predictions of their tiles, one label for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import PredictedTiles
from histotile.stats.crossvalidation import Integers
from histotile.tasks.task import UNKNOWN, Doubles, Labels, Task


@dataclass(frozen=True)
class Bags:
    """The slides of a cohort.

    Args:
        slide_ids: (S,).
        patients: (S,) patient numbers.
        labels: (S, ...) of the task; unknown where the cohort file tells none.
        features: Of each slide (N, D), best mapped from disk; none where no learner reads them.
        tiles: Of each slide its held-out predictions; none where no learner reads them.
    """

    slide_ids: Sequence[str]
    patients: Integers
    labels: Labels
    features: Sequence[NDArray[np.floating[Any]]] = ()
    tiles: Sequence[PredictedTiles] = ()

    def __len__(self) -> int:
        """Number of slides."""
        return len(self.slide_ids)

    def filled(self) -> NDArray[np.bool_]:
        """(S,) which slides have tiles."""
        found = np.ones(len(self), np.bool_)
        if self.features:
            found &= np.array([len(values) > 0 for values in self.features], np.bool_)
        if self.tiles:
            known = [~np.isnan(one.probabilities).any(axis=1) for one in self.tiles]
            found &= np.array([rows.any() for rows in known], np.bool_)
        return found

    def labelled(self, task: Task) -> NDArray[np.bool_]:
        """(S,) which slides have a label."""
        return np.asarray(task.stratum(self.labels) != UNKNOWN)


class Answer(NamedTuple):
    """What a learner says of slides it has not seen.

    Attributes:
        values: (S, names) of the task, one row per slide asked for.
        attention: Of each of them (N,) the weights of its tiles, which sum to 1; none where
            tiles have no weights.
        importance: What the score loses without a feature that has a name, worked out when asked
            for; none where features have no names.
    """

    values: Doubles
    attention: Sequence[NDArray[np.float32]] = ()
    importance: Callable[[], dict[str, float]] | None = None


# Taught by slides of these rows, asked about slides of those; the number seeds what is drawn.
Learner = Callable[[Integers, Integers, int], Answer]


@dataclass
class Kept:
    """A vector per slide, made once for all folds and learners that ask for it."""

    found: dict[str, Doubles] = field(default_factory=dict)

    def vectors(self, name: str, make: Callable[[], Doubles]) -> Doubles:
        """(S, D) of that name."""
        if name not in self.found:
            self.found[name] = make()
        return self.found[name]
