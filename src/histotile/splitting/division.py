"""Dividing groups of patients into test folds and validation parts, as integer programmes.

What decides whether a division exists is which classes each patient has. So patients of the same
set of classes are one kind, and the programme says how many of each kind go where: it stays small
however many patients there are, and is solved exactly. Who they are is drawn afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_NODES = 100  # of the search for the evenest division; a sound one is found at the first few
_NEAR_ENOUGH = 0.02  # to the evenest: sum over folds and loads, as shares of an even load
_UNTESTED = 100.0  # a fold that does not test some class, against uneven folds
_MOST_LACKING = 4  # patients of a class that suffice for any number of folds


@dataclass(frozen=True)
class Kinds:
    """Groups that must stay together (patients, or sites), counted by kind.

    Attributes:
        copies: (G,) groups of each kind.
        held: (G, S) patients of each set of classes in one group of a kind.
        sets: (S, C) whether patients of a set have a class; every class occurs.
        loads: (G, L) what is spread evenly, of one group of a kind.
    """

    copies: Ints
    held: Ints
    sets: Ints
    loads: Ints

    @property
    def patients(self) -> Ints:
        """(S,) patients of each set of classes."""
        return np.asarray(self.copies @ self.held)


class _Programme:
    """Whole, non-negative numbers; linear conditions on them; and a sum to keep small."""

    def __init__(self) -> None:
        self.upper: list[float] = []
        self.cost: list[float] = []
        self.rows: list[dict[int, float]] = []
        self.low: list[float] = []
        self.high: list[float] = []

    def numbers(self, upper: Sequence[float], cost: float = 0.0) -> Ints:
        """New numbers with these largest values; their places."""
        first = len(self.upper)
        self.upper += list(upper)
        self.cost += [cost] * len(upper)
        return np.arange(first, len(self.upper))

    def ask(self, places: Ints, factors: Any, low: float = -np.inf, high: float = np.inf) -> None:
        """Ask the sum of these numbers, each by its factor, to lie between two limits."""
        row: dict[int, float] = {}
        spread = np.broadcast_to(factors, np.shape(places)).ravel().tolist()
        for place, factor in zip(np.ravel(places).tolist(), spread, strict=True):
            row[place] = row.get(place, 0.0) + factor
        self.rows.append(row)
        self.low.append(low)
        self.high.append(high)

    def near(self, places: Ints, factors: Any, target: float, cost: float) -> None:
        """Charge a sum for its distance from the whole numbers around a target."""
        over, under = self.numbers([np.inf, np.inf], cost)
        all_places, spread = np.ravel(places), np.broadcast_to(factors, np.shape(places)).ravel()
        self.ask(np.append(all_places, over), np.append(spread, -1.0), high=np.ceil(target - 1e-9))
        self.ask(np.append(all_places, under), np.append(spread, 1.0), low=np.floor(target + 1e-9))

    def solve(self) -> Ints | None:
        """Numbers of a nearly least sum; None if no numbers meet the conditions.

        The search is bounded by its steps, not by time: the result is the same on every machine.
        """
        found = self._search(self.cost, {"node_limit": _NODES, "mip_rel_gap": _NEAR_ENOUGH})
        if found is None:
            found = self._search([0.0] * len(self.cost), {})
        return found

    def _search(self, cost: Sequence[float], options: dict[str, Any]) -> Ints | None:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        one = len(self.upper)  # a last number that is always 1: it makes a relative gap absolute
        entries = [(r, p, f) for r, row in enumerate(self.rows) for p, f in row.items()]
        places, columns, factors = zip(*entries, strict=True)
        conditions = csr_array((factors, (places, columns)), shape=(len(self.rows), one + 1))
        found = milp(
            np.array([*cost, 1.0]),
            integrality=np.ones(one + 1),
            bounds=Bounds(np.append(np.zeros(one), 1.0), np.array([*self.upper, 1.0])),
            constraints=LinearConstraint(conditions, self.low, self.high),
            options=options,
        )
        return None if found.x is None else np.rint(found.x[:one]).astype(np.int64)


def divide(kinds: Kinds, folds: int) -> Ints | None:
    """(G, folds) groups of each kind that each fold tests; None if there is no division.

    Every fold tests somebody, and leaves every class a patient to train on and another to validate
    on. As far as that allows, every fold tests every class, and loads are spread evenly.
    """
    programme = _Programme()
    tested, _ = _conditions(programme, kinds, folds, lacking=False)
    for fold in range(folds):
        _charge(programme, kinds, tested[:, fold], folds)
    found = programme.solve()
    return None if found is None else np.asarray(found[tested])


def lacking(kinds: Kinds, folds: int) -> Ints:
    """(C,) the least numbers of further patients, of one class each, that make `divide` succeed."""
    programme = _Programme()
    _, added = _conditions(programme, kinds, folds, lacking=True)
    found = programme.solve()
    assert found is not None, "four more patients of every class can always be divided"
    return np.asarray(found[added].sum(axis=1))


def choose_part(sets: Ints, patients: Ints, fraction: float) -> Ints | None:
    """(S,) how many patients of each set of classes to take; None if there is no such part.

    About this fraction of the patients of each class, at least one, never all; of each set of
    classes, too, as far as that allows.
    """
    programme = _Programme()
    taken = programme.numbers(patients.tolist())
    for members in sets.T.astype(bool):
        total = int(patients[members].sum())
        programme.ask(taken[members], 1.0, 1, total - 1)
        wanted = min(max(1.0, np.rint(fraction * total)), total - 1.0)
        programme.near(taken[members], 1.0, wanted, 10.0 / max(1.0, wanted))
    for place, count in zip(taken, patients.tolist(), strict=True):
        programme.near(np.array([place]), 1.0, fraction * count, 1.0 / max(1.0, fraction * count))
    found = programme.solve()
    return None if found is None else np.asarray(found[taken])


def _conditions(
    programme: _Programme, kinds: Kinds, folds: int, lacking: bool
) -> tuple[Ints, Ints]:
    """What makes a division sound; places of groups tested, and of patients added, per fold."""
    patients, classes = kinds.patients, kinds.sets.shape[1]
    every = [programme.numbers([float(n)] * folds) for n in kinds.copies.tolist()]
    tested = np.array(every)
    validating = np.array([programme.numbers([float(n)] * folds) for n in patients.tolist()])
    most = float(_MOST_LACKING) if lacking else 0.0
    added = np.array([programme.numbers([most] * folds, 1.0) for _ in range(classes)])
    watching = np.array([programme.numbers([most] * folds) for _ in range(classes)])
    for places, count in zip(tested, kinds.copies.tolist(), strict=True):
        programme.ask(places, 1.0, count, count)
    for fold in range(folds):
        programme.ask(np.append(tested[:, fold], added[:, fold]), 1.0, low=1)
        for s, count in enumerate(patients.tolist()):  # nobody validates where they test
            places = np.append(tested[:, fold], validating[s, fold])
            programme.ask(places, np.append(kinds.held[:, s], 1), high=count)
        for c, members in enumerate(kinds.sets.T.astype(bool)):
            others = np.delete(added[c], fold)
            programme.ask(np.append(others, watching[c, fold]), np.append(0 * others + 1, -1), 0)
            watched = np.append(validating[members, fold], watching[c, fold])
            programme.ask(watched, 1.0, low=1)
            gone = np.concatenate([tested[:, fold], watched, others])
            factors = [kinds.held[:, members].sum(axis=1), 0 * watched + 1, 0 * others - 1]
            total = int(patients[members].sum())
            programme.ask(gone, np.concatenate(factors), high=total - 1)
    return tested, added


def _charge(programme: _Programme, kinds: Kinds, tested: Ints, folds: int) -> None:
    """Charge a fold for classes it does not test, and for loads off their even share."""
    per_class = kinds.held @ kinds.sets
    for members in per_class.T:
        untested = programme.numbers([1.0], _UNTESTED)
        programme.ask(np.append(tested, untested), np.append(members > 0, 1), low=1)
    for load in kinds.loads.T:
        share = float(kinds.copies @ load) / folds
        if share:
            programme.near(tested, load, share, 1.0 / share)
