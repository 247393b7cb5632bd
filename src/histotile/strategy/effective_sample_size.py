"""How much independent evidence a cohort holds: the horizontal axis of the table.

Tiles of a patient are alike. m of them are worth m / (1 + (m - 1) rho) independent ones, rho being
the intra-class correlation (Kish's design effect, Survey Sampling, 1965). rho is measured on the
features of the last stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histotile.strategy.record import ClassSize, Size

if TYPE_CHECKING:
    from histotile.config import SizeRule
    from histotile.strategy.evidence import Evidence

Floats = NDArray[np.float64]
COMPONENTS = 12  # leading directions of the features in which likeness is measured
LEAST_PATIENTS = 5  # fewer leave the likeness of a patient's tiles unmeasured
LEAST_ICC, MOST_ICC = 0.02, 1.0


@dataclass(frozen=True)
class Sizes:
    """Effective sizes of B resamples of the patients.

    Args:
        icc: (B,) likeness of tiles of a patient.
        measured: (B,) whether it was; else it is the prior.
        effective: (B, C) effective tiles of each class.
        patients: (B, C) patients with tiles of each class; one drawn twice counts as two.
    """

    icc: Floats
    measured: NDArray[np.bool_]
    effective: Floats
    patients: Floats


@dataclass(frozen=True)
class Groups:
    """What tiles of one patient and class have in common: all that effective sizes depend on.

    Args:
        patients: (G,) patient of each group of sampled tiles.
        labels: (G,) its class.
        tiles: (G,) its sampled tiles.
        means: (G, J) their mean, in standardised leading components of the features.
        scatter: (G, J) sum of squares about that mean.
        counts: (P, C) tiles of all patients and classes, sampled or not.
    """

    patients: NDArray[np.int64]
    labels: NDArray[np.int64]
    tiles: Floats
    means: Floats
    scatter: Floats
    counts: NDArray[np.int64]

    def sizes(self, weights: NDArray[Any], icc_prior: float) -> Sizes:
        """Sizes when patient p is there weights[b, p] times.

        Args:
            weights: (B, P) whole numbers; ones for the cohort as it is.
            icc_prior: Likeness where fewer than five patients leave it unmeasured.
        """
        icc = self._icc(np.asarray(weights, np.float64))
        measured = np.isfinite(icc)
        icc = np.where(measured, np.clip(icc, LEAST_ICC, MOST_ICC), icc_prior)
        return Sizes(
            icc,
            measured,
            effective=_kish(self.counts, weights, icc),
            patients=weights @ (self.counts > 0).astype(np.float64),
        )

    def _icc(self, weights: Floats) -> Floats:
        """(B,) one-way random-effects analysis of variance; NaN where too few patients are."""
        w = weights[:, self.patients]
        classes = np.arange(self.counts.shape[1])
        is_class = (self.labels[:, None] == classes).astype(np.float64)
        tiles = w * self.tiles
        n, total, groups = tiles @ is_class, tiles.sum(1), w.sum(1)
        squares = (w * self.tiles**2) @ is_class
        between = tiles @ self.means**2  # about zero; then about the mean of each class
        for c in classes:
            sums = (tiles * is_class[:, c]) @ self.means
            between -= sums**2 / np.maximum(n[:, [c]], 1)
        freedom = groups - (n > 0).sum(1)
        per_group = total - np.divide(squares, n, out=np.zeros_like(n), where=n > 0).sum(1)
        enough = (freedom >= LEAST_PATIENTS - 1) & (total > groups)
        enough &= (weights[:, np.unique(self.patients)] > 0).sum(1) >= LEAST_PATIENTS
        with np.errstate(divide="ignore", invalid="ignore"):
            within = (w @ self.scatter) / (total - groups)[:, None]
            excess = np.maximum(between / freedom[:, None] - within, 0)
            shared = excess / (per_group / freedom)[:, None]
            icc: Floats = shared.sum(1) / (shared + within).sum(1)
        return np.where(enough, icc, np.nan)


def group_tiles(evidence: Evidence) -> Groups:
    """The groups of tiles of one patient and class, described by features of the last stage."""
    classes = len(evidence.classes)
    keys, group = np.unique(evidence.patients * classes + evidence.labels, return_inverse=True)
    scores = _components(evidence.features[-1].astype(np.float32), evidence.labels)
    tiles = np.bincount(group, minlength=len(keys)).astype(np.float64)
    sums, squares = np.zeros((2, len(keys), scores.shape[1]))
    np.add.at(sums, group, scores)
    means = sums / tiles[:, None]
    np.add.at(squares, group, (scores - means[group]) ** 2)
    return Groups(keys // classes, keys % classes, tiles, means, squares, evidence.counts)


def measure_size(groups: Groups, classes: tuple[str, ...], rule: SizeRule) -> Size:
    """The size of the cohort as it is, with its verdict and reasons.

    Borderline counts as small until the gain of its last stage is known (`judge`).
    """
    sizes = groups.sizes(np.ones((1, len(groups.counts))), rule.icc_prior)
    small, large = ratios(sizes, rule)
    verdict = "small" if small[0] < 1 else "large" if large[0] >= 1 else "borderline"
    tiles, effective, patients = groups.counts.sum(0), sizes.effective[0], sizes.patients[0]
    return Size(
        verdict=verdict,
        counts_as="large" if verdict == "large" else "small",
        icc=float(sizes.icc[0]),
        icc_source="measured" if sizes.measured[0] else "prior",
        classes=[
            ClassSize(name=name, tiles=int(m), patients=int(p), effective=float(e))
            for name, m, p, e in zip(classes, tiles, patients, effective, strict=True)
        ],
        reasons=_reasons(classes, effective, patients, rule),
    )


def ratios(sizes: Sizes, rule: SizeRule) -> tuple[Floats, Floats]:
    """(B,) how often the scarcest class fills the thresholds of small, and those of large.

    Small: the first is below 1. Large: the second is at least 1. Borderline: neither.
    """
    small = np.minimum(sizes.effective / rule.small_neff, sizes.patients / rule.small_patients)
    large = np.minimum(sizes.effective / rule.large_neff, sizes.patients / rule.large_patients)
    return small.min(1), large.min(1)


def _kish(counts: NDArray[np.int64], weights: NDArray[Any], icc: Floats) -> Floats:
    """(B, C) effective tiles; 1 / icc at most from each patient."""
    effective = np.empty((len(weights), counts.shape[1]))
    for b, rho in enumerate(icc):
        effective[b] = weights[b] @ (counts / (1 + np.maximum(counts - 1, 0) * rho))
    return effective


def _components(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Floats:
    """(N, J) leading principal components of the standardised differences from the class mean."""
    from scipy.sparse.linalg import eigsh

    residuals = features - features.mean(0)
    for c in np.unique(labels):
        residuals[labels == c] -= residuals[labels == c].mean(0)
    spread = residuals.std(0)
    varies = spread > 1e-4 * max(float(spread.max(initial=0.0)), 1e-6)
    residuals = residuals[:, varies] / spread[varies]
    wanted = min(COMPONENTS, *residuals.shape)
    if wanted == 0:
        return np.zeros((len(features), 1))
    covariance = (residuals.T @ residuals).astype(np.float64)
    if wanted < len(covariance) // 2:
        _, axes = eigsh(covariance, k=wanted, v0=np.ones(len(covariance)))
    else:
        _, axes = np.linalg.eigh(covariance)
    return np.asarray(residuals @ axes[:, -wanted:], np.float64)


def count_patients(number: float) -> str:
    """The number with its noun."""
    return f"{int(number)} patient{'' if int(number) == 1 else 's'}"


def _reasons(
    classes: tuple[str, ...], effective: Floats, patients: Floats, rule: SizeRule
) -> list[str]:
    found = []
    for name, e, p in zip(classes, effective, patients, strict=True):
        small = _shortage(e, p, rule.small_neff, rule.small_patients)
        short = _shortage(e, p, rule.large_neff, rule.large_patients)
        if small:
            found.append(f"{name} is small: {small}")
        elif short:
            found.append(f"{name} is neither small nor large: {short}")
        else:
            found.append(f"{name} is large: {int(e)} effective tiles, {count_patients(p)}")
    return found


def _shortage(effective: float, patients: float, neff: float, least_patients: int) -> str:
    parts = []
    if effective < neff:
        parts.append(f"{int(effective)} effective tiles, fewer than {neff:g}")
    if patients < least_patients:
        parts.append(f"{count_patients(patients)}, fewer than {least_patients}")
    return "; ".join(parts)
