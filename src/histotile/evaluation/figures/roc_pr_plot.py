"""Pictures of ROC and precision-recall curves: folds, their mean, its band, the area below."""

from collections.abc import Mapping, Sequence
from textwrap import fill as fill_lines
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.evaluation.figures.confidence_bands import Band
from histotile.evaluation.figures.roc_pr import GRID, Curve, Kind
from histotile.evaluation.figures.svg import BLUE, GREY, VERMILION, draw_svg, say
from histotile.evaluation.per_fold import COLOUR_ONLY, MEAN, NETWORK

Row = Mapping[str, Any]

_AREAS = {"roc": "auroc", "pr": "auprc"}  # the metric that is the area under each kind
_LOOK = {NETWORK: (BLUE, "-", "Network"), COLOUR_ONLY: (VERMILION, "--", "Colour alone")}


def draw_roc(curves: Sequence[Curve], bands: Sequence[Band], summary: Row) -> str:
    """An SVG with one panel per level: thin lines for folds, a thick one for their mean.

    The mean is over folds at equal false positive rate; scores of different folds are never
    ranked together. The dotted diagonal is what a score that knows nothing reaches. The network's
    mean has its band; both models have their AUROC and its interval in the legend.

    Args:
        curves: From `fold_curves`, of all levels.
        bands: From `confidence_bands.mean_bands`, likewise.
        summary: From `evaluation.evaluate`: names of classes, and the rows of metrics.
    """
    return _draw("roc", curves, bands, summary)


def draw_precision_recall(curves: Sequence[Curve], bands: Sequence[Band], summary: Row) -> str:
    """An SVG as `draw_roc`'s: precision at equal recall, AUPRC, a dotted line at the prevalence.

    The prevalence, which a score that knows nothing reaches, is the mean over folds.
    """
    return _draw("pr", curves, bands, summary)


def _draw(kind: Kind, curves: Sequence[Curve], bands: Sequence[Band], summary: Row) -> str:
    curves = [curve for curve in curves if curve.kind == kind]
    levels = list(dict.fromkeys(curve.level for curve in curves)) or ["tile"]
    of_level = {band.level: band for band in bands if band.kind == kind}
    areas = {
        (row["level"], row["model"]): _area_words(row)
        for row in summary["metrics"]
        if row["metric"] == _AREAS[kind] and row["fold"] == MEAN and row["value"] is not None
    }
    caption = _caption(kind, list(of_level.values()), len(summary["classes"]))
    lines = fill_lines(caption, 58 * len(levels)) if curves else ""
    n_lines = len(lines.splitlines())

    def fill(figure: Any) -> None:
        axes = figure.subplots(1, len(levels), squeeze=False)[0]
        for axis, level in zip(axes, levels, strict=True):
            chosen = [curve for curve in curves if curve.level == level]
            _draw_panel(axis, kind, level, chosen, of_level.get(level), areas)
        if lines:
            figure.supxlabel(lines, x=0.01, ha="left", fontsize=9, color=GREY)

    return draw_svg(kind, 4.2 * len(levels), 5.6 + 0.2 * n_lines, fill)


def _draw_panel(
    axis: Any,
    kind: Kind,
    level: str,
    curves: Sequence[Curve],
    band: Band | None,
    areas: Mapping[tuple[str, str], str],
) -> None:
    if not curves:
        say(axis, "No fold has both classes")
        return
    for model, (colour, dashes, words) in _LOOK.items():
        rates = [_from_zero(kind, curve.rates) for curve in curves if curve.model == model]
        for each in rates:
            axis.plot([0, *GRID], each, dashes, color=colour, linewidth=0.8, alpha=0.4)
        if rates:
            plural = "fold" if len(rates) == 1 else "folds"
            label = f"{words} (mean of {len(rates)} {plural})"
            label += f"\n{areas[level, model]}" if (level, model) in areas else ""
            mean = np.mean(rates, axis=0)
            axis.plot([0, *GRID], mean, dashes, color=colour, linewidth=2.4, label=label)
        if model == NETWORK and band:
            _draw_band(axis, band, colour)
    _draw_blind(axis, kind, curves)
    axis.legend(
        loc="upper left", bbox_to_anchor=(-0.02, -0.17), fontsize=9, edgecolor="none", borderpad=0
    )
    axis.set(title=f"{level.capitalize()}s", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axis.set(xlabel="False positive rate" if kind == "roc" else "Recall (sensitivity)")
    axis.set(
        ylabel="True positive rate" if kind == "roc" else "Precision", aspect="equal", anchor="N"
    )
    axis.spines[["top", "right"]].set_visible(False)


def _draw_band(axis: Any, band: Band, colour: str) -> None:
    if band.lower is None or band.upper is None:
        axis.plot([], [], " ", label=f"No band: {band.reason}")
        return
    label = f"{100 * band.confidence:g} % band of the mean"
    look = {"color": colour, "alpha": 0.18, "linewidth": 0}
    axis.fill_between(GRID, band.lower, band.upper, label=label, **look)


def _draw_blind(axis: Any, kind: Kind, curves: Sequence[Curve]) -> None:
    """What a score that knows nothing reaches."""
    blind, name = [0.0, 1.0], "Score that knows nothing"
    if kind == "pr":
        prevalences = [c.prevalence for c in curves if c.model == NETWORK]
        blind = [float(np.mean(prevalences or [c.prevalence for c in curves]))] * 2
        name = f"Prevalence {blind[0]:.2g}"
    axis.plot([0, 1], blind, color=GREY, linewidth=1.2, linestyle=":", label=name)


def _area_words(row: Row) -> str:
    """E.g. `AUROC 0.912 [0.871, 0.944]`."""
    ends = "" if row["lower"] is None else f" [{row['lower']:.3f}, {row['upper']:.3f}]"
    return f"{row['metric'].upper()} {row['value']:.3f}{ends}"


def _caption(kind: Kind, bands: Sequence[Band], n_classes: int) -> str:
    """What the band is, where there is one, and what is averaged."""
    sentences = []
    drawn = [band for band in bands if band.lower is not None]
    if drawn:
        rate = "false positive rate" if kind == "roc" else "recall"
        share = f"{100 * drawn[0].confidence:g}\N{NO-BREAK SPACE}%"
        sentences.append(
            f"Band: at each {rate} by itself, the middle {share} of the network's mean curve over "
            f"{drawn[0].resamples} resamples of patients, drawn within fold and label."
        )
    if n_classes > 2:
        sentences.append("Mean over the classes, each against the rest.")
    return " ".join(sentences)


def _from_zero(kind: Kind, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve with its left end: ROC curves start at (0, 0), the others at their first value."""
    return np.concatenate([[0.0 if kind == "roc" else rates[0]], rates])
