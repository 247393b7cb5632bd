"""The heatmap files of one slide."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from histotile import tables
from histotile.config import Heatmap
from histotile.results.frame import Caption
from histotile.results.heatmap import paint_heatmap, write_picture
from histotile.results.maps import Layout, ProbabilityMap, probability_map
from histotile.results.pyramid import write_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLANK_PX = 512  # side of the picture of a slide that cannot be opened


def paint(
    tiles: Path, predictions: Path, output: Path, raw: Path | None, settings: Heatmap
) -> None:
    """A PNG of the slide's probabilities over its overview and, if asked, the raw map as TIFF.

    A slide that cannot be opened gives a blank picture with the reason of its quarantine.
    """
    footer = tables.read_footer(tiles)
    facts = tables.read_footer(predictions)
    found = _map(predictions, footer, tuple(footer["classes"]))
    overview, downsample = _overview(footer, settings)
    name = tables.name_models(facts["models"])
    caption = Caption(footer["slide_id"], name, footer["mpp"], footer["reason"])
    write_picture(output, paint_heatmap(overview, downsample, found, settings, caption))
    if raw:
        note = {"slide_id": footer["slide_id"], "models": facts["models"]}
        write_map(raw, found, footer["mpp"], note | {"note": tables.RESEARCH_USE})


def _map(predictions: Path, footer: dict[str, Any], classes: tuple[str, ...]) -> ProbabilityMap:
    table = tables.read_table(predictions)
    probabilities = np.stack([table[f"prob_{name}"].to_numpy() for name in classes], axis=1)
    if footer["verdict"] != "ok":
        layer = np.full((len(classes), 1, 1), np.nan, np.float32)
        return ProbabilityMap(layer, classes, 0.0, 0.0, 1.0, 1.0)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    return probability_map(x, y, probabilities, classes, Layout.from_footer(footer))


def _overview(footer: dict[str, Any], settings: Heatmap) -> "tuple[NDArray[np.uint8], float]":
    if footer["verdict"] != "ok":
        return np.full((BLANK_PX, BLANK_PX, 3), 255, np.uint8), 1.0
    from histotile.slides.pixels import read_overview
    from histotile.slides.slide import Slide

    with Slide.open(Path(footer["path"]), footer["mpp"]) as opened:
        return read_overview(opened, max_px=settings.overview_px)
