"""Where the tiles of taught slides lie among all that could be: a cloud of low rank."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.trust.packing import pack, unpack

Floats = NDArray[np.float64]

_RANK = 32  # directions that are told apart; what is left of a tile is one number
_LEAST_SPREAD = 0.01  # of the median spread: what never varied in training still may not jump
_LEAST_REST = 1e-4  # per dimension, of a variance of 1: below it, what is left is rounding
_PRIOR_SLIDES = 4  # how many slides' worth of faith in directions being alike


@dataclass(frozen=True)
class Cloud:
    """Measures of tiles as coordinates, and how these vary between slides and within them.

    Attributes:
        centre: (D,) mean of the measures.
        spread: (D,) their standard deviations.
        basis: (D, K) orthonormal directions of most variance of the standardised measures.
        mean: (K + 1,) mean of the coordinates; the last is that of the logarithm of what is left
            of a tile outside the directions.
        between: (K + 1,) variance of slide means.
        within: (K + 1,) variance of tiles about the mean of their slide.
    """

    centre: Floats
    spread: Floats
    basis: Floats
    mean: Floats
    between: Floats
    within: Floats

    @property
    def width(self) -> int:
        """Number of measures of a tile."""
        return len(self.centre)

    def coordinates(self, measures: NDArray[np.floating]) -> Floats:
        """(N, K + 1) of tiles with these measures (N, D)."""
        standard = (np.asarray(measures, np.float64) - self.centre) / self.spread
        return _coordinates(standard, self.basis)

    def distance(self, coordinates: Floats, tiles: int | NDArray[np.integer] = 1) -> Floats:
        """How far single tiles, or means over many, lie out, in standard deviations; (N,).

        Mean square over the coordinates; a tile of the cloud has about 1.

        Args:
            coordinates: (N, K + 1) of a tile each, or means over the tiles of a slide.
            tiles: How many tiles each is the mean of.
        """
        variance = self.between + self.within / np.reshape(tiles, (-1, 1))
        found: Floats = np.sqrt(np.mean((coordinates - self.mean) ** 2 / variance, axis=1))
        return found

    def to_json(self) -> dict[str, str]:
        """Its arrays as text, 16-bit floats; a few dozen kilobytes."""
        return {name: pack(values) for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Cloud":
        """What `to_json` gave."""
        return cls(**{name: unpack(text) for name, text in entry.items()})


def fit_cloud(
    measures: NDArray[np.floating], slides: NDArray[np.integer], units: Floats | None = None
) -> Cloud:
    """The cloud of tiles of several slides, each slide counting alike.

    Args:
        measures: (N, D), finite.
        slides: (N,) the slide of each tile.
        units: (D,) standard deviations that slides may differ by, however alike these are; None:
            measures count by how they vary here.
    """
    _, of, counts = np.unique(slides, return_inverse=True, return_counts=True)
    weights = 1 / counts[of]
    weights /= weights.sum()
    values = np.asarray(measures, np.float64)
    centre = weights @ values
    spread = np.sqrt(weights @ (values - centre) ** 2)
    floor = _LEAST_SPREAD * float(np.median(spread)) or 1.0
    spread = np.maximum(spread, floor) if units is None else units
    standard = (values - centre) / spread
    basis = _directions(standard * np.sqrt(weights)[:, None])
    found = _coordinates(standard, basis)
    means = np.stack([np.bincount(of, column) / counts for column in found.T], axis=1)
    within = weights @ (found - means[of]) ** 2
    # A slide's own mean took a degree of freedom.
    within *= len(of) / max(1, len(of) - len(counts))
    spread_of_means = means.var(axis=0, ddof=1 if len(counts) > 1 else 0)
    noise = within * np.mean(1 / counts)  # of means over few tiles
    between = _shrunk(np.maximum(spread_of_means - noise, 0.0), within, len(counts))
    between += 1e-6 if units is None else 1.0
    return Cloud(centre, spread, basis, means.mean(axis=0), between, within)


def _coordinates(standard: Floats, basis: Floats) -> Floats:
    along = standard @ basis
    lost = standard.shape[1] - basis.shape[1]
    if not lost:
        return along
    rest = np.sum(standard**2, axis=1) - np.sum(along**2, axis=1)
    return np.column_stack([along, np.log(np.maximum(rest / lost, _LEAST_REST))])


def _directions(weighted: Floats) -> Floats:
    """(D, K) of most variance."""
    dimensions = weighted.shape[1]
    rank = min(_RANK, dimensions, len(weighted) - 1)
    rng = np.random.default_rng(0)
    some = weighted.T @ rng.standard_normal((len(weighted), min(dimensions, rank + 8)))
    for _ in range(4):  # randomised subspace iteration (Halko et al. 2011, arXiv 0909.4061)
        some = weighted.T @ (weighted @ np.linalg.qr(some)[0])
    basis = np.linalg.qr(some)[0]
    order = np.linalg.eigh(np.cov(weighted @ basis, rowvar=False, bias=True))[1]
    found: Floats = basis @ order[:, ::-1][:, :rank]
    return found


def _shrunk(between: Floats, within: Floats, slides: int) -> Floats:
    """Variances of slide means, drawn towards the same share of the variance everywhere."""
    total = between + within
    share = between.sum() / max(total.sum(), 1e-12)
    faith = slides / (slides + _PRIOR_SLIDES)
    found: Floats = faith * between + (1 - faith) * share * total
    return found
