"""What the pictures of an evaluation show, and its file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from histotile.evaluation.figures.confidence_bands import Band
from histotile.evaluation.figures.reliability import Reliability
from histotile.evaluation.figures.roc_pr import Curve
from histotile.evaluation.figures.scatter import Points
from histotile.evaluation.figures.score_distribution import Lane


@dataclass(frozen=True)
class Shown:
    """What the pictures show.

    Args:
        curves: ROC and precision-recall curves per level, model and fold.
        bands: Those round the network's mean curves, per level.
        reliability: Bins per level.
        lanes: Scores of slides by label and fold.
        points: Of a regression, true and predicted numbers per level.
    """

    curves: Sequence[Curve]
    bands: Sequence[Band]
    reliability: Sequence[Reliability]
    lanes: Sequence[Lane]
    points: Sequence[Points] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-able facts; `from_json` gives the same back."""
        shown = (
            vars(self) if self.points else {k: v for k, v in vars(self).items() if k != "points"}
        )
        return {name: [_plain(part) for part in parts] for name, parts in shown.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Shown":
        """What `to_json` wrote."""
        kinds = {"curves": Curve, "bands": Band, "reliability": Reliability, "lanes": Lane}
        kinds |= {"points": Points} if "points" in data else {}
        return cls(**{n: [kind(**_whole(p)) for p in data[n]] for n, kind in kinds.items()})


def _plain(part: Any) -> dict[str, Any]:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(part).items()}


def _whole(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: np.array(v) if isinstance(v, list) else v for k, v in data.items()}
