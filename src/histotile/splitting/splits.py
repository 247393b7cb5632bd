"""Dividing patients into folds, so that nobody helps to judge what he helped to teach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from histotile.config import Split
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.cohort import CohortSlide
from histotile.io.cohort_checks import strange_labels, torn_patients
from histotile.io.names import nearest
from histotile.io.vocabulary import TEST
from histotile.splitting.assignment import Counts, assign, choose_patients, sort_out
from histotile.splitting.division import Kinds, lacking

Columns = dict[str, list[Any]]
_LEAST_PATIENTS = 3  # one to train on, one to validate on, one to test on


def make_folds(
    slides: Sequence[CohortSlide], settings: Split, classes: tuple[str, ...], has_patients: bool
) -> Columns:
    """The role of every slide in every fold: columns of `tables.FOLDS`, one row per fold x slide.

    A patient never has two roles in a fold, and is tested in exactly one fold, except
    `test_patients` and those of the split `test`, who are tested in all. Test parts are balanced by
    the patients of each class and, as far as that allows, by their slides, validation parts by
    patients; every class that occurs has a patient in the training and in the validation part of
    every fold. A group of ready-made tiles counts once for every class it holds. With
    `preserve_sites`, test parts are whole sites (patients seen at two sites join these); the
    validation part, which judges nothing, may share sites with its training part. The result
    depends on the seed and the rows, not on their order.

    Args:
        slides: All slides to be used; labelled, except those of test_patients.
        settings: Number of folds and the rest.
        classes: Class names; labels must be among them. A class may occur in no slide's label.
        has_patients: Whether patient_id is real; else every slide stands for a patient.

    Raises:
        HistotileError: Slides without label or with an unknown one; test_patients not in the
            cohort; a patient on both sides of the split; too few patients of a class, or too few
            sites, for the folds; with preserve_sites, slides without site, or a site on both sides
            of the fixed test set.
    """
    ordered = sorted(slides, key=lambda s: s.slide_id)
    fixed = {*settings.test_patients, *(s.patient_id for s in ordered if s.split == TEST)}
    _check_rows(ordered, fixed, classes)
    if settings.preserve_sites:
        _check_sites(ordered, fixed)
    pool = [s for s in ordered if s.patient_id not in fixed]
    patients = _count(pool, {s.patient_id: s.patient_id for s in pool}, classes)
    groups = "groups of tiles" if any(s.labels for s in ordered) else "slides"
    _check_size(patients, settings.folds, classes, "patients" if has_patients else groups)
    tested, validating = _divide(pool, patients, settings, classes)
    columns: Columns = {name: [] for name in tables.FOLDS.names}
    for fold, val in enumerate(validating):
        for s in ordered:
            role = "val" if s.patient_id in val else "train"
            role = "test" if tested.get(s.patient_id, fold) == fold else role
            row = (fold, s.slide_id, s.patient_id, s.site, s.label, role)
            for name, value in zip(tables.FOLDS.names, row, strict=True):
                columns[name].append(value)
    return columns


def _divide(
    pool: Sequence[CohortSlide], patients: Counts, settings: Split, classes: tuple[str, ...]
) -> tuple[dict[str, int], list[set[str]]]:
    """Each patient's test fold, and each fold's validation patients."""
    group_of = {s.patient_id: s.patient_id for s in pool}
    if settings.preserve_sites:
        group_of = _join_by_site(pool)
    groups = _count(pool, group_of, classes)
    if len(groups.names) < settings.folds:
        raise HistotileError(
            "split.folds",
            f"{settings.folds} folds, but only {len(groups.names)} sites that share no patient",
            f"set split.folds <= {len(groups.names)}, or split.preserve_sites to false",
        )
    sorted_out = sort_out(patients, groups, group_of, settings.preserve_sites)
    assigned = assign(sorted_out, groups, settings.folds, settings.seed)
    if assigned is None:
        raise _impossible(groups, sorted_out.kinds, settings, classes)
    fold_of = dict(zip(groups.names, assigned.tolist(), strict=True))
    tested = {patient: fold_of[group] for patient, group in group_of.items()}
    parts = []
    for fold in range(settings.folds):
        rest = np.array([tested[name] != fold for name in patients.names])
        rng = np.random.default_rng([settings.seed, fold])
        parts.append(choose_patients(sorted_out, patients, rest, settings.val_fraction, rng))
    return tested, parts


def _count(
    pool: Sequence[CohortSlide], group_of: dict[str, str], classes: tuple[str, ...]
) -> Counts:
    names = tuple(sorted(set(group_of.values())))
    rows = {name: row for row, name in enumerate(names)}
    per_class = np.zeros((len(names), len(classes)), np.int64)
    for slide in pool:
        for label in slide.labels or (str(slide.label),):
            per_class[rows[group_of[slide.patient_id]], classes.index(label)] += 1
    return Counts(names, per_class)


def _join_by_site(pool: Sequence[CohortSlide]) -> dict[str, str]:
    """Patient -> name of the sites that must stay together because patients link them."""
    linked: dict[str, set[str]] = {str(s.site): {str(s.site)} for s in pool}
    sites_of: dict[str, str] = {}
    for slide in pool:
        here = linked[str(slide.site)]
        there = linked[sites_of.setdefault(slide.patient_id, str(slide.site))]
        if here is not there:
            here |= there
            for site in there:
                linked[site] = here
    return {patient: " + ".join(sorted(linked[site])) for patient, site in sites_of.items()}


def _check_rows(slides: Sequence[CohortSlide], fixed: set[str], classes: tuple[str, ...]) -> None:
    problems = strange_labels(slides, classes)
    known = {s.patient_id for s in slides}
    empty = [
        s.slide_id for s in slides if s.label is None and not s.labels and s.patient_id not in fixed
    ]
    if empty:
        problems.append(f"slides without label: {', '.join(empty)}")
    if torn := torn_patients(s for s in slides if s.patient_id in fixed):
        problems.append(f"patients on both sides of the split: {'; '.join(torn)}")
    for patient in sorted(fixed - known):
        meant = nearest(patient, known)
        hint = f": did you mean {meant!r}?" if meant else ""
        problems.append(f"split.test_patients names {patient!r}, who has no slide{hint}")
    if problems:
        raise HistotileError(
            "cohort", "; ".join(problems), "mend these rows, or take them out of the cohort file"
        )


def _check_sites(slides: Sequence[CohortSlide], fixed: set[str]) -> None:
    without = [s.slide_id for s in slides if not s.site]
    if without:
        raise HistotileError(
            "split.preserve_sites",
            f"slides without site: {', '.join(without)}",
            "fill the column `site`, or set split.preserve_sites to false",
        )
    sides: dict[str, set[bool]] = defaultdict(set)
    for slide in slides:
        sides[str(slide.site)].add(slide.patient_id in fixed)
    both = sorted(site for site, seen in sides.items() if len(seen) == 2)
    if both:
        raise HistotileError(
            "split.preserve_sites",
            f"sites with patients inside and outside split.test_patients: {', '.join(both)}",
            "list all patients of these sites in split.test_patients, or none",
        )


def _check_size(patients: Counts, folds: int, classes: tuple[str, ...], unit: str) -> None:
    counts = {n: c for n, c in zip(classes, patients.groups_per_class().tolist(), strict=True) if c}
    short = {name: c for name, c in counts.items() if not _workable(c, folds)}
    if counts and not short:
        return
    few = min(counts.values(), default=0)
    largest = max((k for k in range(2, few + 1) if _workable(few, k)), default=None)
    remedy = f"each class needs at least {_LEAST_PATIENTS} {unit}: add slides"
    if largest is not None:
        remedy = f"set split.folds to {largest}, the largest number that works, or add slides"
    facts = ", ".join(
        f"class {name!r} has {c} {unit}, {_least(folds) - c} too few" for name, c in short.items()
    )
    raise HistotileError("split.folds", f"{folds} folds, but {facts or 'no slide'}", remedy)


def _workable(patients: int, folds: int) -> bool:
    """Whether each fold can test one and leaves two, even the fold that tests the most."""
    return patients >= folds and patients - -(-patients // folds) >= _LEAST_PATIENTS - 1


def _least(folds: int) -> int:
    """The fewest patients of a class that can be divided into so many folds."""
    return next(count for count in range(folds, folds + 3) if _workable(count, folds))


def _impossible(
    groups: Counts, kinds: Kinds, settings: Split, classes: tuple[str, ...]
) -> HistotileError:
    """Which classes lack patients, and how many: of no other site, where sites stay whole."""
    occurring = [name for name, n in zip(classes, groups.groups_per_class(), strict=True) if n]
    where = "sites" if settings.preserve_sites else "patients"
    facts = []
    for name, missing in zip(occurring, lacking(kinds, settings.folds).tolist(), strict=True):
        rows = groups.per_class[:, classes.index(name)] > 0
        holders = [group for group, has in zip(groups.names, rows, strict=True) if has]
        if missing:
            seen = f"seen in {len(holders)} {where}: {', '.join(holders[:10])}"
            facts.append(f"class {name!r} lacks {missing} patient(s) ({seen})")
    at_sites = " at other sites" if settings.preserve_sites else " of no other class"
    return HistotileError(
        "split",
        f"no division into {settings.folds} folds gives every training and validation part a "
        f"patient of every class; {'; '.join(facts)}",
        f"add so many patients{at_sites}, or set split.folds to less"
        + (", or split.preserve_sites to false" if settings.preserve_sites else ""),
    )
