"""The reliability diagram: how often what a score announces comes true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Evaluate
from histotile.evaluation.figures.svg import BLUE, GREY, draw_svg, say
from histotile.evaluation.per_fold import MEAN, NETWORK
from histotile.evaluation.units import Units
from histotile.stats.bootstrap import interval
from histotile.stats.calibration import confidences, equal_mass_bins

Doubles = NDArray[np.float64]

_COLUMNS = 20  # of the histogram


@dataclass(frozen=True)
class Reliability:
    """Bins of equal mass over the held-out scores of all folds at one level.

    Args:
        level: `tile`, `slide` or `patient`.
        score: (K,) mean score of each bin, ascending.
        rate: (K,) share in which what the score announces is so.
        lower: (K,) end of the interval of the rate.
        upper: (K,) its other end.
        n: (K,) members.
        histogram: (20,) members between multiples of 0.05.
    """

    level: str
    score: Doubles
    rate: Doubles
    lower: Doubles
    upper: Doubles
    n: NDArray[np.int64]
    histogram: NDArray[np.int64]


def reliability(
    units: Units, folds: Sequence[str], weights: Doubles, settings: Evaluate
) -> Reliability | None:
    """The bins of one level; None where no fold has a labelled unit with a score.

    Scores of all folds stand together, each from the model that never saw its patient: they are
    compared with what happened, not ranked with each other. The fixed test set is left out.
    Intervals are by resampling patients; in a bin where all is one outcome, which no resample
    changes, by Wilson with patients counted, not units: tiles of one patient are one observation.

    Args:
        units: Labelled tiles, slides or patients.
        folds: Names of the folds.
        weights: (B, G) patients in resamples, from `draw_weights`.
        settings: Level of the intervals.
    """
    tested = units.where(np.isin(units.folds, list(folds))).scored_by(NETWORK)
    if not len(tested.labels):
        return None
    p, event = confidences(tested.labels, tested.scores[NETWORK])
    bins = equal_mass_bins(p)
    n_bins = int(bins.max()) + 1
    size = np.zeros((weights.shape[1], n_bins))
    events = np.zeros_like(size)
    np.add.at(size, (tested.patients, bins), 1)
    np.add.at(events, (tested.patients, bins), event)
    n, rate = size.sum(axis=0), events.sum(axis=0) / size.sum(axis=0)
    drawn = weights @ size
    shares = np.full(drawn.shape, np.nan)
    np.divide(weights @ events, drawn, out=shares, where=drawn > 0)
    ends = [_ends(shares[:, k], rate[k], size[:, k], settings) for k in range(n_bins)]
    lower, upper = np.array(ends).T
    counts, _ = np.histogram(p, bins=_COLUMNS, range=(0, 1))
    score = np.bincount(bins, weights=p) / n
    return Reliability(units.level, score, rate, lower, upper, n.astype(np.int64), counts)


def wilson(rate: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share seen in n independent observations."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def _ends(draws: Doubles, rate: float, size: Doubles, settings: Evaluate) -> tuple[float, float]:
    found = interval(draws, settings.confidence)
    if found.lower is None or found.upper is None or found.lower == found.upper:
        return wilson(rate, int((size > 0).sum()), settings.confidence)
    return found.lower, found.upper


def draw_reliability(
    levels: Sequence[Reliability], metrics: Sequence[Mapping[str, Any]], positive: str | None
) -> str:
    """An SVG with one panel per level: rate against score, a histogram of the scores below.

    The expected calibration error above a panel is the one of the metrics: the mean over folds.

    Args:
        levels: From `reliability`.
        metrics: Rows of the evaluation.
        positive: The class whose scores these are; None: of the class of the highest score.
    """
    errors = {
        row["level"]: row
        for row in metrics
        if row["metric"] == "ece" and row["fold"] == MEAN and row["value"] is not None
    }

    def fill(figure: Any) -> None:
        columns = max(1, len(levels))
        grid = {"height_ratios": [3.6, 1]}
        axes = figure.subplots(2, columns, squeeze=False, sharex=bool(levels), gridspec_kw=grid)
        if not levels:
            say(axes[0, 0], "No labelled tile has a score")
            axes[1, 0].set_visible(False)
        for found, (above, below) in zip(levels, axes.T, strict=False):
            _draw_bins(above, found, errors.get(found.level), positive)
            _draw_histogram(below, found, positive)

    return draw_svg("reliability", 4.2 * max(1, len(levels)), 5.6, fill)


def _draw_bins(
    axis: Any, found: Reliability, error: Mapping[str, Any] | None, positive: str | None
) -> None:
    axis.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1.2)
    reach = np.maximum([found.rate - found.lower, found.upper - found.rate], 0)
    axis.errorbar(
        found.score, found.rate, reach, fmt="o-", color=BLUE, ecolor=BLUE, capsize=2.5,
        linewidth=1.2, elinewidth=1, markersize=4.5,
    )  # fmt: skip
    title = f"{found.level.capitalize()}s"
    if error:
        title += f"\nECE {error['value']:.3f}"
        if error["lower"] is not None:
            title += f" [{error['lower']:.3f}, {error['upper']:.3f}]"
    axis.set(title=title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.set_ylabel(f"Share that is {_short(positive)}" if positive else "Share that is right")
    axis.spines[["top", "right"]].set_visible(False)


def _draw_histogram(axis: Any, found: Reliability, positive: str | None) -> None:
    edges = np.arange(_COLUMNS) / _COLUMNS
    axis.bar(edges, found.histogram, 1 / _COLUMNS, align="edge", color=BLUE, edgecolor="white")
    axis.set(
        ylabel=f"{found.level.capitalize()}s", ylim=(0, max(1, int(found.histogram.max())) * 1.1)
    )
    axis.set_xlabel(f"Score of {_short(positive)}" if positive else "Score of the pred")
    axis.yaxis.get_major_locator().set_params(nbins=3, integer=True)
    axis.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
