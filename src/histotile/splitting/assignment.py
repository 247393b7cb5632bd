"""Who is tested in which fold, and who validates: patients and sites drawn for a division."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.splitting.division import Floats, Ints, Kinds, choose_part, divide


@dataclass(frozen=True)
class Counts:
    """How many slides (or patients) of each class each group has: an integer (groups, classes)."""

    names: tuple[str, ...]
    per_class: Ints

    def groups_per_class(self) -> Ints:
        """Number of groups in which each class occurs."""
        return np.asarray((self.per_class > 0).sum(axis=0))


@dataclass(frozen=True)
class Sorted:
    """Groups and patients sorted by kind.

    Attributes:
        kinds: The kinds of groups.
        kind_of: (groups,) the kind of each group.
        set_of: (patients,) the set of classes of each patient: a row of `kinds.sets`.
    """

    kinds: Kinds
    kind_of: Ints
    set_of: Ints


def sort_out(
    patients: Counts, groups: Counts, group_of: Mapping[str, str], by_slides: bool
) -> Sorted:
    """The kinds of groups and patients.

    Args:
        patients: Slides of every patient.
        groups: Slides of every group.
        group_of: Patient -> group.
        by_slides: Whether groups are so few and unlike (sites) that their slides make their kind,
            too; else patients of the same classes are alike.
    """
    occurring = patients.groups_per_class() > 0
    has = (patients.per_class[:, occurring] > 0).astype(np.int64)
    sets, set_of = np.unique(has, axis=0, return_inverse=True)
    rows = {name: row for row, name in enumerate(groups.names)}
    group_rows = np.array([rows[group_of[name]] for name in patients.names])
    held = np.zeros((len(rows), len(sets)), np.int64)
    np.add.at(held, (group_rows, set_of.ravel()), 1)
    slides = groups.per_class[:, occurring]
    key = np.hstack([held, slides]) if by_slides else held
    kinds, kind_of, copies = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    held, slides = kinds[:, : len(sets)], kinds[:, len(sets) :]
    loads = np.hstack([held @ sets, slides])
    return Sorted(Kinds(copies, held, sets, loads), kind_of.ravel(), set_of.ravel())


def assign(found: Sorted, groups: Counts, folds: int, seed: int) -> Ints | None:
    """The test fold of every group; None if there is no division.

    Of each kind, as many groups go into a fold as `divide` says: the largest first, each to where
    slides are fewest. The seed decides among equals.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(found.kinds.copies))
    shuffled = Kinds(
        found.kinds.copies[order],
        found.kinds.held[order],
        found.kinds.sets,
        found.kinds.loads[order],
    )
    tested = divide(shuffled, folds)
    if tested is None:
        return None
    quotas = np.empty_like(tested)
    quotas[order] = tested[:, rng.permutation(folds)]
    shares = groups.per_class / np.maximum(groups.per_class.sum(axis=0), 1)
    assigned = np.zeros(len(groups.names), np.int64)
    held = np.zeros((folds, shares.shape[1]))
    largest_first = rng.permutation(len(shares))
    largest_first = largest_first[np.argsort(-shares[largest_first].sum(axis=1), kind="stable")]
    for group in largest_first.tolist():
        fold = _emptiest(held, shares[group], quotas[found.kind_of[group]])
        assigned[group] = fold
        held[fold] += shares[group]
        quotas[found.kind_of[group], fold] -= 1
    return assigned


def choose_patients(
    found: Sorted,
    patients: Counts,
    rest: NDArray[np.bool_],
    fraction: float,
    rng: np.random.Generator,
) -> set[str]:
    """Names of the patients who validate: about this fraction of each class of those who rest.

    Args:
        found: The kinds; `divide` has found a division of them.
        patients: All patients.
        rest: (patients,) who is not tested.
        fraction: Of the patients of each class; at least one validates, one is trained on.
        rng: Draws them.
    """
    sets = found.kinds.sets
    counts = np.bincount(found.set_of[rest], minlength=len(sets))
    taken = choose_part(sets, counts, fraction)
    assert taken is not None, "a division leaves every fold a part to validate on"
    chosen: set[str] = set()
    for number, count in enumerate(taken.tolist()):
        members = np.flatnonzero(rest & (found.set_of == number))
        chosen |= {patients.names[i] for i in rng.permutation(members)[:count].tolist()}
    return chosen


def _emptiest(held: Floats, share: Floats, quotas: Ints) -> int:
    """The fold, of those with a place left, that a group fits best: it makes loads most even."""
    gain = ((held + share) ** 2 - held**2).sum(axis=1).round(12)
    return int(np.argmin(np.where(quotas > 0, gain, np.inf)))
