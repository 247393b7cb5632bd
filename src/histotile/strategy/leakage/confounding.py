"""Whether the label of a patient goes with their site, file format or scale: numbers to warn by."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.stats.cramers_v import corrected_v, v_interval

PERMUTATIONS = 4999
MOST_BINS = 4  # of a scale with many values
ALIKE = 1.05  # scales within this ratio count as one

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Association:
    """How far two traits of patients go together.

    Args:
        v: Cramer's V, corrected for bias (Bergsma 2013): 0 none, 1 one tells the other.
        p: Share of permutations of the patients with an association as strong, 0-1.
        table: (K, C) patients by trait and label; shares where a patient has several.
        traits: (K,) names of the rows.
        patients: How many there are, of known trait and label.
        unknown: How many others.
        interval: 95 % interval of Cramer's V, not corrected, from the noncentral chi-squared
            distribution (Smithson 2003); wide where patients are few.
    """

    v: float
    p: float
    table: Floats
    traits: tuple[str, ...]
    patients: int
    unknown: int
    interval: tuple[float, float]

    @property
    def tells_all(self) -> bool:
        """Whether each trait goes with one label alone, so that it tells that of every patient."""
        return bool(((self.table > 0).sum(axis=1) == 1).all())

    @property
    def is_shared(self) -> bool:
        """Whether patients share traits: one per label, or no more than half as many as patients.

        Traits of single patients, as sites that sent one each, tell labels by themselves.
        """
        labels = int((self.table.sum(axis=0) > 0).sum())
        return len(self.traits) == labels or 2 * len(self.traits) <= self.patients


@dataclass(frozen=True)
class StainShift:
    """How far the same tissue is stained otherwise in diseased than in healthy patients.

    Args:
        auroc: How well its mean colour tells the two groups of patients apart, free of optimism.
        p: Share of permutations of the patients that differ as much, 0-1.
        healthy: Patients that show the background alone.
        diseased: Patients with another class too.
    """

    auroc: float
    p: float
    healthy: int
    diseased: int


def associate(
    traits: Floats, names: Sequence[str], labels: Floats, seed: int
) -> Association | None:
    """The association of a trait with the label, each patient weighing the same.

    With few patients V is large by chance alone: only `p`, from permuting patients, tells whether
    it says something. Nothing is assumed about the size of the cells.

    Args:
        traits: (P, K) share of each patient's tiles or slides with each trait; rows of zeros:
            unknown, left out.
        names: (K,) of the traits.
        labels: (P, C) share of each patient's label; rows of zeros are left out.
        seed: Of the permutations.

    Returns:
        None where all patients have one trait or one label, and nothing can go together.
    """
    known = (traits.sum(axis=1) > 0) & (labels.sum(axis=1) > 0)
    shown, told = (_shares(values[known]) for values in (traits, labels))
    rows, columns = shown.sum(axis=0) > 0, told.sum(axis=0) > 0
    if rows.sum() < 2 or columns.sum() < 2:
        return None
    shown, told = shown[:, rows], told[:, columns]
    table = shown.T @ told
    observed = float(_phi2(table))
    as_strong = sum(
        int((_phi2(shown.T @ told[orders]) >= observed - 1e-9).sum())
        for orders in _permutations(len(told), seed)
    )
    kept = tuple(name for name, row in zip(names, rows, strict=True) if row)
    full = np.zeros((len(table), len(columns)))
    full[:, columns] = table
    return Association(
        corrected_v(observed, table.shape, len(told)),
        (1 + as_strong) / (1 + PERMUTATIONS),
        full,
        kept,
        len(told),
        int((~known).sum()),
        v_interval(observed, table.shape, len(told)),
    )


def compare_stain(
    colour: NDArray[np.float32], labels: Integers, patients: Integers, counts: Integers, seed: int
) -> StainShift | None:
    """The shift of stain between healthy and diseased patients, seen in background tiles alone.

    There the disease itself cannot show, so what differs is the laboratory. Groups are compared by
    Hotelling's T2 of the patients' mean optical density in red, green and blue; permuting patients
    gives p, and the unbiased Mahalanobis distance the AUROC of two normal distributions.

    Args:
        colour: (N, 6) mean and SD of red, green and blue, 0-255.
        labels: (N,) class numbers; 0 is the background.
        patients: (N,) patient numbers.
        counts: (P, C) labelled tiles: who shows other classes.
        seed: Of the permutations.

    Returns:
        None where background tiles are not at hand of 3 patients in each group, and of 10 in all.
    """
    rows = (labels == 0) & np.isfinite(colour).all(axis=1)
    shown = np.unique(patients[rows])
    diseased = counts[shown, 1:].sum(axis=1) > 0
    ill, well = int(diseased.sum()), int((~diseased).sum())
    if min(ill, well) < 3 or ill + well < 10:
        return None
    density = -np.log((colour[rows, :3].astype(np.float64) + 1) / 256)
    means = np.stack([density[patients[rows] == p].mean(axis=0) for p in shown])
    turned = _unit_scatter(means)
    observed = float(_distance(turned, diseased))
    as_far = sum(
        int((_distance(turned, diseased[orders]) >= observed - 1e-12).sum())
        for orders in _permutations(len(shown), seed)
    )
    p = (1 + as_far) / (1 + PERMUTATIONS)
    each = 1 / ill + 1 / well
    within = observed / max(1e-12, 1 - observed / each)  # Sherman-Morrison: less the groups' own
    free = max(0.0, (ill + well - turned.shape[1] - 3) * within - turned.shape[1] * each)
    return StainShift(0.5 * (1 + math.erf(free**0.5 / 2)), p, well, ill)


def patient_labels(counts: Integers) -> Floats:
    """(P, C) the label of each patient: one, or shares where that tells no patients apart.

    It is the class with most tiles apart from the background (class 0), which healthy tissue of
    diseased patients shows too; the background where a patient shows nothing else. Where all
    patients then have the same label, the shares of their tiles stand in.

    Args:
        counts: (P, C) labelled tiles.
    """
    lesions = counts.astype(np.float64)
    lesions[:, 0] = 0.5 * (counts[:, 0] > 0)  # below any other class
    single = np.eye(counts.shape[1])[lesions.argmax(axis=1)]
    single[counts.sum(axis=1) == 0] = 0
    return single if (single.sum(axis=0) > 0).sum() > 1 else _shares(counts.astype(np.float64))


def patient_traits(patients: Integers, traits: Integers, shape: tuple[int, int]) -> Floats:
    """(P, K) share of a patient's tiles with each trait.

    Args:
        patients: (N,) patient number of each tile.
        traits: (N,) trait number of each tile; negative: unknown.
        shape: Number of patients and of traits.
    """
    table = np.zeros(shape)
    known = traits >= 0
    np.add.at(table, (patients[known], traits[known]), 1)
    return _shares(table)


def bin_scales(mpp: Mapping[str, float]) -> dict[str, str]:
    """A name for each slide's scale: values within 5 % share one; many values, one per quarter.

    Args:
        mpp: um per level-0 px, by slide.
    """
    order = sorted(mpp, key=lambda slide: mpp[slide])
    groups: list[list[str]] = []
    for slide in order:
        if groups and mpp[slide] <= ALIKE * mpp[groups[-1][0]]:
            groups[-1].append(slide)
        else:
            groups.append([slide])
    if len(groups) > MOST_BINS:
        ends = np.array_split(np.arange(len(order)), MOST_BINS)
        groups = [[order[k] for k in part] for part in ends]
    return {
        slide: f"{mpp[group[0]]:.3g}-{mpp[group[-1]]:.3g} um/px"
        if f"{mpp[group[0]]:.3g}" != f"{mpp[group[-1]]:.3g}"
        else f"{mpp[group[0]]:.3g} um/px"
        for group in groups
        for slide in group
    }


def _shares(values: Floats) -> Floats:
    totals = values.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(values, totals, out=np.zeros_like(values), where=totals > 0)
    return shares


def _unit_scatter(points: Floats) -> Floats:
    """Points turned so that their total scatter is the identity; flat directions are dropped."""
    centred = points - points.mean(axis=0)
    axes, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    unit: Floats = axes[:, lengths > 1e-9 * max(1e-9, float(lengths[0]))]
    return unit


def _distance(points: Floats, group: NDArray[np.bool_]) -> Floats:
    """Squared distance between the means of groups (..., P) and of those outside them."""
    inside = group / group.sum(axis=-1, keepdims=True)
    outside = ~group / (~group).sum(axis=-1, keepdims=True)
    squared: Floats = (((inside - outside) @ points) ** 2).sum(axis=-1)
    return squared


def _phi2(tables: Floats) -> Floats:
    """Chi-squared over the number of patients of tables (..., K, C) without empty margins."""
    rows, columns = tables.sum(axis=-1, keepdims=True), tables.sum(axis=-2, keepdims=True)
    value: Floats = (tables**2 / (rows * columns)).sum(axis=(-2, -1)) - 1
    return value


def _permutations(patients: int, seed: int) -> Iterator[Integers]:
    """Orders of the patients, row by row, in portions of bounded size."""
    rng = np.random.default_rng(seed)
    portion = max(1, 2**18 // patients)
    for begin in range(0, PERMUTATIONS, portion):
        count = min(portion, PERMUTATIONS - begin)
        yield rng.permuted(np.tile(np.arange(patients), (count, 1)), axis=1)
