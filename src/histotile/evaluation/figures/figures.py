"""The pictures of an evaluation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from histotile.evaluation.figures.reliability import draw_reliability
from histotile.evaluation.figures.roc_pr_plot import draw_precision_recall, draw_roc
from histotile.evaluation.figures.scatter import draw_scatter
from histotile.evaluation.figures.score_distribution import draw_scores
from histotile.evaluation.figures.shown import Shown
from histotile.evaluation.figures.svg import draw_svg, say

Row = Mapping[str, Any]


def draw_pictures(shown: Shown, summary: Row) -> dict[str, str]:
    """File name -> SVG: roc.svg, pr.svg, reliability.svg and scores.svg, whatever was measured.

    Where there is nothing to show, a picture says so.

    Args:
        shown: From `evaluation.evaluate`.
        summary: Likewise: names of classes, and the rows of metrics.
    """
    metrics: Sequence[Row] = summary["metrics"]
    if summary.get("task") in ("multilabel", "regression"):
        none = f"A {summary['task']} task has no such picture"
        drawn = dict.fromkeys(
            ("roc.svg", "pr.svg", "reliability.svg"), draw_svg("none", 4, 1, _say(none))
        )
        if summary["task"] == "regression":
            return drawn | {"scores.svg": draw_scatter(shown.points, summary)}
        return drawn | {"scores.svg": draw_scores(shown.lanes, ("without", "with"))}
    return {
        "roc.svg": draw_roc(shown.curves, shown.bands, summary),
        "pr.svg": draw_precision_recall(shown.curves, shown.bands, summary),
        "reliability.svg": draw_reliability(shown.reliability, metrics, summary["positive"]),
        "scores.svg": draw_scores(shown.lanes, summary["classes"]),
    }


def _say(sentence: str) -> Callable[[Any], None]:
    return lambda figure: say(figure.subplots(), sentence)
