"""ROC and precision-recall curves of the network and of colour alone, per fold and averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histotile.results.foldwise import COLOUR_ONLY, NETWORK
from histotile.results.metrics import precision_recall, roc_curve
from histotile.results.svg import BLUE, GREY, VERMILION, draw_svg, say
from histotile.results.units import Units

GRID = np.linspace(0, 1, 401)  # where curves are kept: false positive rates, or recalls

Kind = Literal["roc", "pr"]

_LOOK = {NETWORK: (BLUE, "-", "Network"), COLOUR_ONLY: (VERMILION, "--", "Colour alone")}


@dataclass(frozen=True)
class Curve:
    """One model in one fold, at the abscissae `GRID`.

    Args:
        kind: `roc`: true positive rate at false positive rate; `pr`: precision at recall.
        level: `tile`, `slide` or `patient`.
        model: `network` or `colour`.
        fold: Number of the fold.
        rates: (401,) ordinates.
        prevalence: Share of positives, the precision of a score that knows nothing.
    """

    kind: Kind
    level: str
    model: str
    fold: str
    rates: NDArray[np.float64]
    prevalence: float


@dataclass(frozen=True)
class Band:
    """Where the network's mean curve lies on resamples of patients, at the abscissae `GRID`.

    Args:
        kind: As in `Curve`.
        level: `tile`, `slide` or `patient`.
        lower: (401,) lower end at each abscissa by itself; None if there is no band.
        upper: (401,) likewise.
        reason: Why there is no band; None if there is one.
        confidence: Share of the resamples between the ends, e.g. 0.95.
        resamples: How many were drawn.
    """

    kind: Kind
    level: str
    lower: NDArray[np.float64] | None
    upper: NDArray[np.float64] | None
    reason: str | None
    confidence: float
    resamples: int


def fold_curves(units: Units, folds: Sequence[str]) -> list[Curve]:
    """Both kinds per model and fold that has both classes; for more than two classes their mean.

    The area under a `pr` curve is `auprc`: precision holds from one recall up to the next, as it
    does in average precision, and is not drawn as a slope between them.
    """
    found: list[Curve] = []
    for model in units.scores:
        for fold in folds:
            chosen = units.of_fold(fold).scored_by(NETWORK, model)
            each = _one_against_rest(chosen.labels, chosen.scores[model])
            if each:
                roc, pr, prevalence = (
                    np.mean(values, axis=0) for values in zip(*each, strict=True)
                )
                key = units.level, model, fold
                found.append(Curve("roc", *key, roc, float(prevalence)))
                found.append(Curve("pr", *key, pr, float(prevalence)))
    return found


def _one_against_rest(
    labels: NDArray[np.int64], scores: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Per class asked: true positive rates, precisions and prevalence."""
    found = []
    for c in asked_classes(labels, scores.shape[1]):
        positive = labels == c
        rates = roc_on_grid(*roc_curve(positive, scores[:, c]))
        precisions = precision_on_grid(*precision_recall(positive, scores[:, c]))
        found.append((rates, precisions, float(positive.mean())))
    return found


def asked_classes(labels: NDArray[np.int64], n_classes: int) -> list[int]:
    """The classes that have members and others: of two the positive one, else each in turn."""
    asked = [1] if n_classes == 2 else range(n_classes)
    return [c for c in asked if 0 < (labels == c).sum() < len(labels)]


def roc_on_grid(
    false: NDArray[np.float64], true: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(401,) true positive rate at each false positive rate of `GRID`.

    Args:
        false: (K,) ascending false positive rates from 0 to 1.
        true: (K,) true positive rates beside them.
    """
    return np.interp(GRID, false, true)


def precision_on_grid(
    recall: NDArray[np.float64], precision: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(401,) precision at each recall of `GRID`: of the highest threshold that reaches it.

    Args:
        recall: (K,) ascending, up to 1.
        precision: (K,) beside it.
    """
    return precision[np.searchsorted(recall, np.maximum(GRID - 1e-12, 1e-12))]


def draw_roc(curves: Sequence[Curve]) -> str:
    """An SVG with one panel per level: thin lines for folds, a thick one for their mean.

    The mean is over folds at equal false positive rate; scores of different folds are never
    ranked together. The dotted diagonal is what a score that knows nothing reaches.
    """
    return _draw("roc", curves)


def draw_precision_recall(curves: Sequence[Curve]) -> str:
    """An SVG as `draw_roc`'s: precision at equal recall, with a dotted line at the prevalence.

    The prevalence, which a score that knows nothing reaches, is the mean over folds.
    """
    return _draw("pr", curves)


def _draw(kind: Kind, curves: Sequence[Curve]) -> str:
    curves = [curve for curve in curves if curve.kind == kind]
    levels = list(dict.fromkeys(curve.level for curve in curves)) or ["tile"]

    def fill(figure: Any) -> None:
        axes = figure.subplots(1, len(levels), squeeze=False)[0]
        for axis, level in zip(axes, levels, strict=True):
            _draw_panel(axis, kind, level, [curve for curve in curves if curve.level == level])

    return draw_svg(kind, 4.2 * len(levels), 4.4, fill)


def _draw_panel(axis: Any, kind: Kind, level: str, curves: Sequence[Curve]) -> None:
    if not curves:
        say(axis, "No fold has both classes")
        return
    blind = [0.0, 1.0]
    if kind == "pr":
        prevalences = [c.prevalence for c in curves if c.model == NETWORK]
        blind = [float(np.mean(prevalences or [c.prevalence for c in curves]))] * 2
    name = f"Prevalence {blind[0]:.2g}" if kind == "pr" else None
    axis.plot([0, 1], blind, color=GREY, linewidth=1.2, linestyle=":", label=name)
    for model, (colour, dashes, words) in _LOOK.items():
        rates = [_from_zero(kind, curve.rates) for curve in curves if curve.model == model]
        for each in rates:
            axis.plot([0, *GRID], each, dashes, color=colour, linewidth=0.8, alpha=0.4)
        if rates:
            plural = "fold" if len(rates) == 1 else "folds"
            label = f"{words} (mean of {len(rates)} {plural})"
            mean = np.mean(rates, axis=0)
            axis.plot([0, *GRID], mean, dashes, color=colour, linewidth=2.4, label=label)
    axis.legend(loc="lower right" if kind == "roc" else "best", fontsize=9, edgecolor="none")
    axis.set(title=f"{level.capitalize()}s", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axis.set(xlabel="False positive rate" if kind == "roc" else "Recall (sensitivity)")
    axis.set(ylabel="True positive rate" if kind == "roc" else "Precision", aspect="equal")
    axis.spines[["top", "right"]].set_visible(False)


def _from_zero(kind: Kind, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve with its left end: ROC curves start at (0, 0), the others at their first value."""
    return np.concatenate([[0.0 if kind == "roc" else rates[0]], rates])
