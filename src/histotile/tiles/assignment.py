"""Assigning groups that must stay together to folds, and choosing a validation part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 20
_LOOKED_AT = 500
_EXHAUSTIVE = 20_000  # assignments that can all be looked at within a second

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """How many slides (or patients) of each class each group has: an integer (groups, classes)."""

    names: tuple[str, ...]
    per_class: Ints

    def without(self, names: set[str]) -> Counts:
        """The other groups."""
        kept = [i for i, name in enumerate(self.names) if name not in names]
        return Counts(tuple(self.names[i] for i in kept), self.per_class[kept])

    def groups_per_class(self) -> Ints:
        """Number of groups in which each class occurs."""
        return np.asarray((self.per_class > 0).sum(axis=0))


def assignments(slides: Counts, folds: int, seed: int) -> Iterator[Ints]:
    """Test folds of the groups (one number per group), balanced by class, good ones first.

    Where all assignments can be looked at (few sites, small cohorts), the most even come first,
    equals in an order the seed decides. Else scikit-learn's StratifiedGroupKFold proposes a few.

    Args:
        slides: Slides per group and class.
        folds: Number of folds, at most the number of groups.
        seed: Decides among equals.
    """
    if folds ** (len(slides.names) - 1) <= _EXHAUSTIVE:
        yield from _all_assignments(slides, folds, seed)
    else:
        yield from _proposals(slides, folds, seed)


def choose_part(
    patients: Counts, fraction: float, rng: np.random.Generator
) -> tuple[str, ...] | None:
    """Names of about this fraction of the patients of each class, at least one, never all.

    None if no such part was found: a class with a single patient, or patients of several classes
    who cannot be parted.
    """
    has = patients.per_class > 0
    total = has.sum(axis=0)
    wanted = np.clip(np.rint(fraction * total).astype(np.int64), np.minimum(1, total), None)
    for _ in range(_ATTEMPTS):
        chosen = _fill(has, wanted, rng.permutation(len(has)))
        inside, outside = has[chosen].any(axis=0), has[~chosen].any(axis=0)
        if np.all((inside & outside) | (total == 0)):
            return tuple(patients.names[i] for i in np.flatnonzero(chosen))
    return None


def _fill(has: NDArray[np.bool_], wanted: Ints, order: Ints) -> NDArray[np.bool_]:
    """Whom to choose, rarest class first, always leaving somebody of each class behind."""
    chosen = np.zeros(len(has), bool)
    for column in np.argsort(has.sum(axis=0), kind="stable"):
        for patient in order[has[order, column]]:
            if has[chosen, column].sum() >= wanted[column]:
                break
            left = has[~chosen].sum(axis=0) - has[patient]
            if not chosen[patient] and np.all(left[has[patient]] > 0):
                chosen[patient] = True
    return chosen


def _all_assignments(slides: Counts, folds: int, seed: int) -> Iterator[Ints]:
    rest = len(slides.names) - 1
    every = np.array([(0, *tail) for tail in itertools.product(range(folds), repeat=rest)])
    every = every[np.array([len(set(row)) == folds for row in every.tolist()], bool)]
    every = np.random.default_rng(seed).permutation(every)
    every = every[np.argsort(_unevenness(every, slides, folds), kind="stable")]
    most_even = np.arange(min(_LOOKED_AT, len(every)))
    trainable = np.flatnonzero(_leaves_two(every, slides, folds))[:_LOOKED_AT]
    yield from every[np.union1d(most_even, trainable)]


def _leaves_two(every: Ints, slides: Counts, folds: int) -> NDArray[np.bool_]:
    """Whether each fold leaves two groups of every class, one to train and one to validate.

    Where single groups hold most slides of a class, none of the most even assignments may.
    """
    has = (slides.per_class > 0).astype(np.int64)
    needed = np.where(has.any(axis=0), 2, 0)
    left = [((every != fold) @ has >= needed).all(axis=1) for fold in range(folds)]
    return np.asarray(np.all(left, axis=0))


def _unevenness(every: Ints, slides: Counts, folds: int) -> NDArray[np.float64]:
    """Squared deviations from equal shares of every class in every fold, per assignment."""
    shares = slides.per_class / np.maximum(slides.per_class.sum(axis=0), 1)
    score = np.zeros(len(every))
    for fold in range(folds):
        score += (((every == fold) @ shares - 1 / folds) ** 2).sum(axis=1)
    return score.round(9)


def _proposals(slides: Counts, folds: int, seed: int) -> Iterator[Ints]:
    from sklearn.model_selection import StratifiedGroupKFold

    groups, labels = np.nonzero(slides.per_class)
    repeats = slides.per_class[groups, labels]
    groups, labels = np.repeat(groups, repeats), np.repeat(labels, repeats)
    for attempt in range(_ATTEMPTS):
        state = int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0])
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=state)
        assigned = np.zeros(len(slides.names), np.int64)
        for fold, (_, test) in enumerate(splitter.split(labels, labels, groups)):
            assigned[groups[test]] = fold
        yield assigned
