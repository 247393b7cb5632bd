"""Which patients teach a probe and which test it: one plan for all stages, twins and baselines.

A shared plan makes scores comparable pair by pair: two stages differ by what they see, never by the
luck of the division.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """R divisions of N tiles into F folds, patients never in two of them.

    Args:
        labels: (N,) class numbers 0..classes-1.
        patients: (N,) patient numbers.
        classes: Number of classes.
        test: (R, N) fold that tests the tile; -1: none does.
        train: (R, F, N) whether the tile teaches the probe of that fold.
    """

    labels: Integers
    patients: Integers
    classes: int
    test: Integers
    train: NDArray[np.bool_]

    @property
    def repeats(self) -> int:
        """Number of divisions, R."""
        return int(self.train.shape[0])

    @property
    def folds(self) -> int:
        """Number of folds of a division, F."""
        return int(self.train.shape[1])

    def thinned(self, share: float, seed: int) -> "Plan":
        """The same tests after fewer lessons: each fold keeps this share of its patients.

        The patients kept at a smaller share are kept at any larger one too. A class that would be
        left without patients keeps its first one.
        """
        order = np.random.default_rng(seed).permutation(self.patients.max() + 1)
        train = np.zeros_like(self.train)
        for r in range(self.repeats):
            turn = np.roll(order, r * len(order) // self.repeats)  # other patients first
            for f in range(self.folds):
                kept = self._some_patients(self.train[r, f], np.argsort(turn), share)
                train[r, f] = self.train[r, f] & np.isin(self.patients, kept)
        return Plan(self.labels, self.patients, self.classes, self.test, train)

    def _some_patients(self, teaches: NDArray[np.bool_], place: Integers, share: float) -> Integers:
        present = np.unique(self.patients[teaches])
        queue = present[np.argsort(place[present])]
        kept = queue[: int(np.ceil(share * len(queue)))]
        for c in range(self.classes):
            holders = np.unique(self.patients[teaches & (self.labels == c)])
            if len(holders) and not np.isin(holders, kept).any():
                kept = np.append(kept, holders[np.argmin(place[holders])])
        return kept


def patients_per_class(labels: Integers, patients: Integers, classes: int) -> list[int]:
    """How many patients show each class."""
    return [len(np.unique(patients[labels == c])) for c in range(classes)]


def divide(
    labels: Integers, patients: Integers, classes: int, times: tuple[int, int], seed: int
) -> Plan | None:
    """Folds by patient with like shares of each class (scikit-learn's StratifiedGroupKFold).

    Args:
        labels: (N,) class numbers.
        patients: (N,) patient numbers.
        classes: Number of classes.
        times: Folds wanted, and repeats. No more folds than the rarest class has patients.
        seed: Of the shuffles.

    Returns:
        None where a class has fewer than two patients, or there is one class alone: then nothing
        can be measured on left-out patients.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    fewest = min(patients_per_class(labels, patients, classes))
    folds, repeats = min(times[0], fewest), times[1]
    if folds < 2 or classes < 2:
        return None
    alone = len(np.unique(patients)) == len(patients)  # a tile per patient: groups say nothing
    splitter = StratifiedKFold if alone else StratifiedGroupKFold
    test = np.empty((repeats, len(labels)), dtype=np.int64)
    for r in range(repeats):
        division = splitter(folds, shuffle=True, random_state=seed + r)
        for f, (_, outside) in enumerate(
            division.split(labels, labels, None if alone else patients)
        ):
            test[r, outside] = f
    train = test[:, None, :] != np.arange(folds)[None, :, None]
    return Plan(labels, patients, classes, test, train)


def leave_site_out(
    labels: Integers, patients: Integers, sites: Integers, classes: int
) -> Plan | None:
    """A fold per site with tiles of all classes; patients of other sites alone teach it.

    Returns:
        None unless two sites or more show all classes.
    """
    whole = [s for s in np.unique(sites) if len(np.unique(labels[sites == s])) == classes]
    if len(whole) < 2:
        return None
    test = np.full((1, len(labels)), -1, dtype=np.int64)
    train = np.empty((1, len(whole), len(labels)), dtype=np.bool_)
    for f, site in enumerate(whole):
        test[0, sites == site] = f
        train[0, f] = ~np.isin(patients, patients[sites == site])
    return Plan(labels, patients, classes, test, train)
