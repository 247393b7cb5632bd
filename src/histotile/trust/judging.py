"""How far the tiles of a slide, and the slide itself, lie from what models were taught on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.trust.taught import FOREIGN, MPP_FACTOR, Flag, Reach, Taught

FLAGS: tuple[Flag, ...] = ("familiar", "unusual", "foreign")
_FEATURES, _LOOKS = "in what the network sees", "in colour and sharpness"


@dataclass(frozen=True)
class Familiarity:
    """Whether a slide is like those its models were taught on.

    Attributes:
        flag: "familiar", "unusual", "foreign", or "unknown".
        distance: Mean over the models; 1 is the limit beyond which a slide is foreign; None:
            unknown.
        unusual: Distance from which on a slide is unusual.
        reasons: Where it lies farthest out, and what else is odd.
        patients: Held-out training patients behind the limits; of several models the fewest.
        false_alarms: Share of slides of unseen patients of the same kind that may be called
            foreign; None: unknown, as patients are too few to say.
        tiles: Number of tiles by flag.
    """

    flag: Flag = "unknown"
    distance: float | None = None
    unusual: float | None = None
    reasons: Sequence[str] = ()
    patients: int = 0
    false_alarms: float | None = None
    tiles: Mapping[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able; `Familiarity(**data)` gives it back."""
        return {**vars(self), "reasons": list(self.reasons)}


class Watch:
    """Looks on while models judge the tiles of a slide.

    Args:
        taught: What each model carries; None: nothing.
        tile_ids: (N,) all tiles of the slide that may come.
        looks: (N, 7) of `tile_looks`, in their order.
    """

    def __init__(
        self,
        taught: Sequence[Taught | None],
        tile_ids: NDArray[np.int32],
        looks: NDArray[np.float64],
    ) -> None:
        self._taught = taught
        self._row = {int(tile_id): row for row, tile_id in enumerate(tile_ids)}
        self._looks = looks
        self._watchers = [_Watcher(one) if one else None for one in taught]

    def see(
        self, tile_ids: NDArray[np.int32], features: Sequence[NDArray[np.float32] | None]
    ) -> NDArray[np.float32]:
        """Distances of some tiles by the features each model has of them; NaN: unknown."""
        looks = self._looks[[self._row[int(tile_id)] for tile_id in tile_ids]]
        found = [
            watcher.see(values, looks)
            for watcher, values in zip(self._watchers, features, strict=True)
            if watcher is not None and values is not None
        ]
        none = np.full(len(tile_ids), np.nan)
        return np.asarray(np.mean(found, axis=0) if found else none, np.float32)

    def flags(self, distances: NDArray[np.floating]) -> list[Flag]:
        """Of tiles with these distances."""
        unusual = self._unusual([one.tile for one in self._known()])
        return [_flag(float(distance), unusual) for distance in distances]

    def slide(self, mpp: float | None, flags: Sequence[Flag]) -> Familiarity:
        """What is to be said of the slide after all its tiles.

        Args:
            mpp: At level 0; None: unknown.
            flags: Of its tiles.
        """
        watched = [w for w in self._watchers if w is not None and w.tiles]
        if not watched:
            return Familiarity()
        parts = np.mean([watcher.slide() for watcher in watched], axis=0)
        distance = float(np.mean([watcher.slide().max() for watcher in watched]))
        known = [watcher.taught for watcher in watched]
        unusual = self._unusual([one.slide for one in known])
        flag, reasons = _flag(distance, unusual), []
        if flag != "familiar":
            reasons.append(_FEATURES if parts[0] >= parts[1] else _LOOKS)
        if mpp is not None and (odd := _odd_scale(mpp, known)):
            reasons.append(odd)
            flag = "unusual" if flag == "familiar" else flag
        rates = [one.false_alarms for one in known]
        return Familiarity(
            flag=flag,
            distance=round(distance, 4),
            unusual=round(unusual, 4),
            reasons=reasons,
            patients=min(one.patients for one in known),
            false_alarms=None if None in rates else max(rate for rate in rates if rate is not None),
            tiles={name: Counter(flags)[name] for name in FLAGS},
        )

    def _known(self) -> list[Taught]:
        return [one for one in self._taught if one is not None]

    @staticmethod
    def _unusual(reaches: Sequence[Reach]) -> float:
        return float(np.mean([reach.unusual for reach in reaches])) if reaches else FOREIGN


class _Watcher:
    """Looks on for one model; keeps sums of coordinates, which do not grow with the slide."""

    def __init__(self, taught: Taught) -> None:
        self.taught = taught
        self.tiles = self._looked = 0
        self._features: NDArray[np.float64] = np.zeros(len(taught.features.mean))
        self._looks: NDArray[np.float64] = np.zeros(len(taught.looks.mean) if taught.looks else 0)

    def see(self, features: NDArray[np.float32], looks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distances of tiles."""
        reach, cloud = self.taught.tile, self.taught.features
        coordinates = cloud.coordinates(features)
        self._features += coordinates.sum(axis=0)
        self.tiles += len(features)
        found = cloud.distance(coordinates) / reach.features
        seen = np.isfinite(looks).all(axis=1)
        if self.taught.looks is not None and reach.looks and seen.any():
            coordinates = self.taught.looks.coordinates(looks[seen])
            self._looks += coordinates.sum(axis=0)
            self._looked += int(seen.sum())
            by_looks = self.taught.looks.distance(coordinates) / reach.looks
            found[seen] = np.maximum(found[seen], by_looks)
        return found

    def slide(self) -> NDArray[np.float64]:
        """Distances of the slide: in its features, and in its looks (0 where unknown)."""
        reach, taught = self.taught.slide, self.taught
        mean = self._features[None] / self.tiles
        found = [taught.features.distance(mean, self.tiles)[0] / reach.features, 0.0]
        if taught.looks is not None and reach.looks and self._looked:
            mean = self._looks[None] / self._looked
            found[1] = taught.looks.distance(mean, self._looked)[0] / reach.looks
        return np.array(found)


def _flag(distance: float, unusual: float) -> Flag:
    if np.isnan(distance):
        return "unknown"
    if distance > FOREIGN:
        return "foreign"
    return "unusual" if distance > unusual else "familiar"


def _odd_scale(mpp: float, known: Sequence[Taught]) -> str:
    """What is odd about the scale of a scan, if anything."""
    ranges = [one.mpps for one in known if one.mpps]
    if not ranges:
        return ""
    least, most = min(low for low, _ in ranges), max(high for _, high in ranges)
    if least / MPP_FACTOR <= mpp <= most * MPP_FACTOR:
        return ""
    taught = f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
    return f"scanned at {mpp:.3g} um/px, where those taught on had {taught}"
