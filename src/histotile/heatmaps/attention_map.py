"""The picture of where a model looked on a slide: attention, which is no probability."""

from typing import TYPE_CHECKING

import numpy as np

from histotile.config import Heatmap
from histotile.heatmaps.figure_frame import Caption
from histotile.heatmaps.heatmap import Rgb, paint_map
from histotile.heatmaps.probability_map import Layout, probability_map
from histotile.io.tile_spec import TileSpec
from histotile.tasks.regression import Regression

if TYPE_CHECKING:
    import pyarrow as pa

NAME, UNIT = "attention (where the model looked)", "rank"
COLOURS = "inferno"  # no probability has these
MOST = 0.9  # rank of the contour: the tenth of the tiles that was looked at most


def paint_attention(table: "pa.Table", spec: TileSpec, settings: Heatmap) -> Rgb | None:
    """The map of attention in a frame, from the least tile of the slide (0) to the most (1).

    Ranks, as weights of 1,000 tiles are all near 0. The contour surrounds the tenth of the tiles
    that weighs most. None where the slide has no tiles.

    Args:
        table: Columns x, y, attention.
        spec: Of the slide's tile table.
        settings: Size of the picture.
    """
    weights, layout = table["attention"].to_numpy(), Layout.of(spec)
    if layout is None or not len(weights):
        return None
    ranks = np.empty(len(weights))
    ranks[np.argsort(weights, kind="stable")] = np.linspace(0, 1, len(weights))
    _, same, counts = np.unique(weights, return_inverse=True, return_counts=True)
    ranks = (np.bincount(same, weights=ranks) / counts)[same]  # equal weights, one rank
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    found = probability_map(x, y, ranks[:, None], Regression((NAME,), unit=UNIT), layout)
    changes = {"colormap": COLOURS, "threshold": MOST, "class_name": None}
    caption = Caption(spec.slide_id, None, spec.mpp, spec.reason)
    return paint_map(found, settings.model_copy(update=changes), caption)
