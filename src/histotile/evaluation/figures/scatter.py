"""Predicted numbers over true ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.evaluation.figures.svg import BLUE, GREY, draw_svg, say


@dataclass(frozen=True)
class Points:
    """Held-out numbers of one level: true and predicted, at most some thousand of `count`."""

    level: str
    truth: NDArray[np.float64]
    guesses: NDArray[np.float64]
    count: int


def draw_scatter(points: Sequence[Points], summary: Mapping[str, Any]) -> str:
    """An SVG with a panel per level: a dot per tile, slide or patient, and the line of no error."""
    options = summary["task_options"]
    low, high, unit = options["low"], options["high"], options["unit"]
    name = summary["classes"][0] + (f" ({unit})" if unit else "")

    def fill(figure: Any) -> None:
        axes = figure.subplots(1, max(len(points), 1), squeeze=False)[0]
        if not points:
            say(axes[0], "Nothing labelled has a score")
        for axis, own in zip(axes, points, strict=False):
            axis.plot([low, high], [low, high], color=GREY, linewidth=1.2, linestyle=":")
            size = 2.5 if len(own.truth) > 200 else 4.5
            look = {"markersize": size, "alpha": 0.5, "markeredgewidth": 0}
            axis.plot(own.truth, own.guesses, "o", color=BLUE, **look)
            shown = len(own.truth)
            some = f"{shown:,} of {own.count:,}" if shown < own.count else f"{own.count:,}"
            axis.set(title=f"{own.level.capitalize()}s, held-out ({some})", xlabel=f"Label: {name}")
            axis.set(xlim=(low, high), aspect="equal", anchor="N")
            axis.spines[["top", "right"]].set_visible(False)
        axes[0].set_ylabel(f"Predicted: {name}" if points else "")

    return draw_svg("scores", 1 + 4.0 * max(len(points), 1), 4.4, fill)
