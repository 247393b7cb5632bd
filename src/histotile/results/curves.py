"""ROC curves of the network and of colour alone, per fold and averaged, as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.results.metrics import roc_curve
from histotile.results.units import Units

GRID = np.linspace(0, 1, 401)  # false positive rates at which curves are kept

_LOOK = {"network": ("#00429d", "Network"), "colour": ("#b8860b", "Colour alone")}


@dataclass(frozen=True)
class RocCurve:
    """True positive rates of one model in one fold at the false positive rates `GRID`."""

    level: str
    model: str
    fold: str
    rates: NDArray[np.float64]


def roc_curves(units: Units, folds: Sequence[str]) -> list[RocCurve]:
    """One curve per model and fold that has both classes; for more than two classes their mean."""
    found = []
    for model in units.scores:
        for fold in folds:
            chosen = units.of_fold(fold).scored_by("network", model)
            rates = _rates(chosen.labels, chosen.scores[model])
            if not np.isnan(rates).any():
                found.append(RocCurve(units.level, model, fold, rates))
    return found


def _rates(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    n_classes = scores.shape[1]
    asked = [1] if n_classes == 2 else [c for c in range(n_classes) if (labels == c).any()]
    curves = []
    for c in asked:
        false, true = roc_curve(labels == c, scores[:, c])
        curves.append(np.interp(GRID, false, true))
    return np.mean(curves, axis=0) if curves else np.full(len(GRID), np.nan)


def draw_roc(curves: Sequence[RocCurve]) -> str:
    """An SVG with one panel per level: thin lines for folds, a thick one for their mean.

    The mean is over folds at equal false positive rate; scores of different folds are never
    ranked together.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    levels = list(dict.fromkeys(curve.level for curve in curves)) or ["tile"]
    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "roc", "font.size": 11}):
        figure = Figure(figsize=(4.2 * len(levels), 4.4), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(1, len(levels), squeeze=False)[0]
        for axis, level in zip(axes, levels, strict=True):
            _draw_panel(axis, level, [curve for curve in curves if curve.level == level])
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _draw_panel(axis: Any, level: str, curves: Sequence[RocCurve]) -> None:
    axis.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    for model, (colour, name) in _LOOK.items():
        rates = [curve.rates for curve in curves if curve.model == model]
        for each in rates:
            axis.plot([0, *GRID], [0, *each], color=colour, linewidth=0.8, alpha=0.4)
        if rates:
            plural = "fold" if len(rates) == 1 else "folds"
            label = f"{name} (mean of {len(rates)} {plural})"
            dashes = "-" if model == "network" else "--"
            mean = [0, *np.mean(rates, axis=0)]
            axis.plot([0, *GRID], mean, dashes, color=colour, linewidth=2.4, label=label)
    if curves:
        axis.legend(loc="lower right", fontsize=9, frameon=False)
    else:
        axis.text(0.5, 0.5, "No fold has both classes", ha="center", transform=axis.transAxes)
    axis.set(title=f"{level.capitalize()}s", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axis.set(xlabel="False positive rate", ylabel="True positive rate", aspect="equal")
    axis.spines[["top", "right"]].set_visible(False)
