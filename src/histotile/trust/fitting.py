"""What a model must carry to recognise slides unlike those it was taught on, from training tiles.

How far a slide of a new patient lies out is learnt from patients left out: the clouds are fitted
without them, and their slides are measured against these.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from histotile.trust.cloud import Cloud, Floats, fit_cloud
from histotile.trust.looks import UNITS
from histotile.trust.taught import Reach, Taught

FALSE_ALARMS = 0.01  # of slides of unseen patients of the same kind
ENOUGH = 99  # patients: the largest of n distances is exceeded by 1 of n + 1 new ones
_UNUSUAL = 0.05
_UNUSUAL_TILES, _FOREIGN_TILES = 0.01, 0.001
_PARTS = 10  # at most; patients are left out in so many parts
_FEWEST = 2  # slides of a cloud


@dataclass(frozen=True)
class Sample:
    """Some tiles of a model's training patients.

    Attributes:
        features: (N, D) what the network's head sees of them.
        looks: (N, 7) of `tile_looks`; None where unknown.
        slides: (N,) numbers.
        patients: (N,) numbers.
        learnt: (N,) whether the network's own weights learnt from the patient; then they lie closer
            than others do, and no rate of false alarms follows from them.
    """

    features: NDArray[np.floating]
    looks: Floats | None
    slides: NDArray[np.int64]
    patients: NDArray[np.int64]
    learnt: NDArray[np.bool_]

    def views(self) -> list[tuple[NDArray[np.floating], Floats | None]]:
        """The features, and the looks if there are any, with the units of `fit_cloud`."""
        looks = [] if self.looks is None else [(self.looks, np.array(UNITS))]
        return [(self.features, None), *looks]


def fit_taught(sample: Sample, mpps: Sequence[float]) -> Taught | None:
    """What the model must carry; None for one patient or tile alone, from which nothing follows.

    Args:
        sample: Tiles of training patients.
        mpps: mpp at level 0 of their slides, as far as known.
    """
    if len(np.unique(sample.patients)) < _FEWEST or len(sample.slides) < 2 * _FEWEST:
        return None
    held = [_held_out(values, units, sample) for values, units in sample.views()]
    clouds = [fit_cloud(values, sample.slides, units) for values, units in sample.views()]
    unseen = np.unique(sample.patients[~sample.learnt])
    many = len(unseen) >= ENOUGH
    slides, rows = np.unique(sample.slides, return_index=True)
    owners = sample.patients[rows]
    of_slides = [np.array([found[name] for name in slides.tolist()]) for _, found in held]
    counted = np.isin(owners, unseen) if many else np.ones(len(owners), bool)
    slide, margin = _slide_reach(of_slides, owners, counted, many)
    return Taught(
        features=clouds[0],
        looks=clouds[1] if len(clouds) > 1 else None,
        tile=_tile_reach([tile_distances for tile_distances, _ in held], margin),
        slide=slide,
        mpps=(min(mpps), max(mpps)) if len(mpps) else None,
        patients=len(unseen) if many else len(np.unique(sample.patients)),
        false_alarms=FALSE_ALARMS if many else None,
        margin=margin,
    )


def slide_means(
    cloud: Cloud, measures: NDArray[np.floating], slides: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats]:
    """Slides, and the distance of each."""
    names, of, counts = np.unique(slides, return_inverse=True, return_counts=True)
    columns = cloud.coordinates(measures).T
    means = np.stack([np.bincount(of, column) / counts for column in columns], axis=1)
    return names, cloud.distance(means, counts)


def _held_out(
    values: NDArray[np.floating], units: Floats | None, sample: Sample
) -> tuple[Floats, dict[int, float]]:
    """Distances of all tiles, and of all slides, from clouds without their patients."""
    patients = np.unique(sample.patients)
    part_of = np.random.default_rng(0).permutation(len(patients)) % min(_PARTS, len(patients))
    parts = part_of[np.searchsorted(patients, sample.patients)]
    tiles: Floats = np.zeros(len(parts))
    slides: dict[int, float] = {}
    for part in range(int(parts.max()) + 1):
        out = parts == part
        cloud = fit_cloud(values[~out], sample.slides[~out], units)
        tiles[out] = cloud.distance(cloud.coordinates(values[out]))
        names, distances = slide_means(cloud, values[out], sample.slides[out])
        slides |= dict(zip(names.tolist(), distances.tolist(), strict=True))
    return tiles, slides


def _slide_reach(
    distances: Sequence[Floats],
    owners: NDArray[np.int64],
    counted: NDArray[np.bool_],
    many: bool,
) -> tuple[Reach, float]:
    """From distances of slides, in each of the views, with the margin on the largest of them.

    A patient counts by its farthest slide.
    """
    names, of = np.unique(owners[counted], return_inverse=True)

    def farthest(values: Floats) -> Floats:
        found = np.zeros(len(names))
        np.maximum.at(found, of, values[counted])
        return found

    limits = [_exceeded_by(farthest(values), FALSE_ALARMS) for values in distances]
    joint = np.max(
        [values / limit for values, limit in zip(distances, limits, strict=True)], axis=0
    )
    margin = 1.0 if many else _margin(farthest(joint))
    foreign = _exceeded_by(farthest(joint), FALSE_ALARMS) * margin
    return _reach(limits, foreign, _exceeded_by(farthest(joint), _UNUSUAL)), margin


def _margin(distances: Floats) -> float:
    """Factor on the largest of few distances: from there to where 1 % of new ones may lie.

    The upper prediction limit of one more value, were their logarithms normally distributed: wide
    where patients are few or unlike each other, narrow where they are many and alike. A few alike
    by chance say little of others: the margin is at least 1 + 5 / patients, of ten and fewer 1.5.
    """
    logs = np.log(np.maximum(distances, 1e-6))
    count = len(logs)
    reach = stdtrit(count - 1, 1 - FALSE_ALARMS) * np.sqrt(1 + 1 / count)
    limit = logs.mean() + reach * logs.std(ddof=1)
    return float(max(np.exp(limit - logs.max()), min(1.5, 1 + 5 / count)))


def _tile_reach(distances: Sequence[Floats], margin: float) -> Reach:
    """From distances of tiles, in each of the views."""
    limits = [_exceeded_by(values, _FOREIGN_TILES) for values in distances]
    joint = np.max(
        [values / limit for values, limit in zip(distances, limits, strict=True)], axis=0
    )
    foreign = _exceeded_by(joint, _FOREIGN_TILES) * margin
    return _reach(limits, foreign, _exceeded_by(joint, _UNUSUAL_TILES))


def _reach(limits: Sequence[float], foreign: float, unusual: float) -> Reach:
    scaled = [limit * foreign for limit in limits]
    return Reach(scaled[0], scaled[1] if scaled[1:] else None, min(1.0, unusual / foreign))


def _exceeded_by(distances: Floats, share: float) -> float:
    """A distance that at most this share of new ones exceeds, or the largest where they are few.

    Among n + 1 distances drawn alike, the new one is as likely as any other to be the k-th.
    """
    rank = int(np.ceil((len(distances) + 1) * (1 - share)))
    return max(float(np.sort(distances)[min(rank, len(distances)) - 1]), 1e-6)
