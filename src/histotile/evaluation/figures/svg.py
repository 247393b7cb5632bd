"""Pictures as SVG text: words stay words, and the same numbers give the same bytes."""

from collections.abc import Callable
from io import StringIO
from typing import Any

# Okabe and Ito's blue and vermilion, told apart by the colour-blind; lines differ in dashes too.
BLUE, VERMILION, GREY = "#0072b2", "#d55e00", "#767676"


def draw_svg(salt: str, width: float, height: float, draw: Callable[[Any], None]) -> str:
    """The SVG of a figure of this size in inches.

    Args:
        salt: Where the ids within the SVG come from, so that they are the same each time and
            differ between pictures on one page.
        width: Inches.
        height: Inches.
        draw: Fills the matplotlib Figure.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    text = StringIO()
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": salt,
            "font.size": 11,
            "text.parse_math": False,  # a dollar in a name of a class is a dollar
        }
    ):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def say(axis: Any, sentence: str) -> None:
    """A sentence in the middle of a panel that has nothing else to show."""
    axis.text(0.5, 0.5, sentence, ha="center", va="center", transform=axis.transAxes)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
