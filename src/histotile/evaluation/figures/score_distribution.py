"""How the scores of slides lie, by label, in each fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import HOLDOUT
from histotile.evaluation.figures.svg import GREY, draw_svg, say
from histotile.evaluation.per_fold import NETWORK
from histotile.evaluation.units import Units
from histotile.io.palette import class_colours

_MOST_DOTS = 150  # in one lane; beyond, the lane shows quantiles of the scores instead
_MARKERS = "osD^vPX"


@dataclass(frozen=True)
class Lane:
    """Held-out scores for one class of the slides of one label in one fold.

    Args:
        fold: Number of the fold, or `holdout`.
        label: What the slides are.
        class_name: Whose score.
        scores: (N,) ascending.
    """

    fold: str
    label: str
    class_name: str
    scores: NDArray[np.float64]


def score_lanes(units: Units, folds: Sequence[str], classes: Sequence[str]) -> list[Lane]:
    """The lanes that hold slides: per score shown, fold (the fixed test set last) and label.

    With two classes the score of the positive one is shown, with more that of each. Folds stay
    apart, since every fold has a model of its own, and each slide is scored by the one that never
    saw its patient.
    """
    scored = units.scored_by(NETWORK)
    shown = classes[1:] if len(classes) == 2 else classes
    lanes = []
    for name in shown:
        for fold in [*folds, HOLDOUT]:
            own = scored.of_fold(fold)
            for c, label in enumerate(classes):
                scores = own.scores[NETWORK][own.labels == c, classes.index(name)]
                if len(scores):
                    lanes.append(Lane(fold, label, name, np.sort(scores)))
    return lanes


def draw_scores(lanes: Sequence[Lane], classes: Sequence[str]) -> str:
    """An SVG with a row per fold and a lane per label in it: a dot per slide, a bar at the median.

    Lanes of more than 150 slides show every 150th part of them. Labels differ in place, mark and
    colour. With more than two classes there is a column per class, with its score.
    """
    shown = list(dict.fromkeys(lane.class_name for lane in lanes)) or [""]
    folds = list(dict.fromkeys(lane.fold for lane in lanes))
    folds.sort(key=lambda fold: fold == HOLDOUT)
    labels = [name for name in classes if any(lane.label == name for lane in lanes)]
    rows = [(fold, label) for fold in folds for label in labels]

    def fill(figure: Any) -> None:
        axes = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        if not lanes:
            say(axes[0], "No labelled slide has a score")
            return
        for axis, name in zip(axes, shown, strict=True):
            _draw_column(axis, [k for k in lanes if k.class_name == name], rows, classes)
            axis.set(title="Slides, held-out", xlabel=f"Score of {_short(name)}")
        _name_rows(axes[0], rows)

    return draw_svg("scores", 2.4 + 4.2 * len(shown), max(2.2, 1 + 0.36 * len(rows)), fill)


def _draw_column(
    axis: Any, lanes: Sequence[Lane], rows: Sequence[tuple[str, str]], classes: Sequence[str]
) -> None:
    colours = class_colours(classes)
    if len(classes) == 2:
        axis.axvline(0.5, color=GREY, linewidth=1.2, linestyle=":")
    for lane in lanes:
        at = rows.index((lane.fold, lane.label))
        colour = [part / 255 for part in colours[lane.label]]
        scores = lane.scores
        if len(scores) > _MOST_DOTS:
            scores = np.quantile(scores, (np.arange(_MOST_DOTS) + 0.5) / _MOST_DOTS)
        mark = _MARKERS[classes.index(lane.label) % len(_MARKERS)]
        heights = at + _spread(scores)
        look = {"markersize": 4.5, "alpha": 0.7, "markeredgecolor": "white"}
        axis.plot(scores, heights, mark, color=colour, markeredgewidth=0.4, clip_on=False, **look)
        middle = [float(np.median(lane.scores))] * 2
        axis.plot(middle, [at - 0.36, at + 0.36], color=colour, linewidth=2.4)
    for k in range(1, len(rows)):
        if rows[k][0] != rows[k - 1][0]:
            axis.axhline(k - 0.5, color=GREY, linewidth=0.5)
    axis.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.4, -0.6))
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _name_rows(axis: Any, rows: Sequence[tuple[str, str]]) -> None:
    names = {fold: "fixed test set" if fold == HOLDOUT else f"fold {fold}" for fold, _ in rows}
    axis.set_yticks(range(len(rows)), [f"{names[f]}: {_short(label)}" for f, label in rows])


def _spread(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) offsets that set neighbours apart; the same for the same scores."""
    pattern = np.array([0.0, 0.16, -0.16, 0.28, -0.28])
    return pattern[np.arange(len(scores)) % len(pattern)] * (len(scores) > 1)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
