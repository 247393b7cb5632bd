"""The pictures of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from histotile.evaluation.figures.confidence_bands import Band
from histotile.evaluation.figures.reliability import Reliability, draw_reliability
from histotile.evaluation.figures.roc_pr import Curve
from histotile.evaluation.figures.roc_pr_plot import draw_precision_recall, draw_roc
from histotile.evaluation.figures.score_distribution import Lane, draw_scores

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """What the pictures show.

    Args:
        curves: ROC and precision-recall curves per level, model and fold.
        bands: Those round the network's mean curves, per level.
        reliability: Bins per level.
        lanes: Scores of slides by label and fold.
    """

    curves: Sequence[Curve]
    bands: Sequence[Band]
    reliability: Sequence[Reliability]
    lanes: Sequence[Lane]


def draw_pictures(shown: Shown, summary: Row) -> dict[str, str]:
    """File name -> SVG: roc.svg, pr.svg, reliability.svg and scores.svg, whatever was measured.

    Where there is nothing to show, a picture says so.

    Args:
        shown: From `evaluation.evaluate`.
        summary: Likewise: names of classes, and the rows of metrics.
    """
    metrics: Sequence[Row] = summary["metrics"]
    return {
        "roc.svg": draw_roc(shown.curves, shown.bands, summary),
        "pr.svg": draw_precision_recall(shown.curves, shown.bands, summary),
        "reliability.svg": draw_reliability(shown.reliability, metrics, summary["positive"]),
        "scores.svg": draw_scores(shown.lanes, summary["classes"]),
    }
