"""The heatmap files of one slide."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from histotile.config import Heatmap
from histotile.errors import HistotileError
from histotile.heatmaps.figure_frame import Caption
from histotile.heatmaps.heatmap import (
    paint_heatmap,
    paint_map,
    write_picture,
)
from histotile.heatmaps.ome_tiff import (
    write_colour_map,
    write_map,
)
from histotile.heatmaps.probability_map import (
    Layout,
    ProbabilityMap,
    probability_map,
)
from histotile.heatmaps.qupath_objects import (
    Squares,
    write_region_objects,
    write_tile_objects,
)
from histotile.heatmaps.regions import (
    Region,
    find_regions,
)
from histotile.heatmaps.wsinfer_csv import write_wsinfer_csv
from histotile.io import tables
from histotile.io.identity import check_same

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

BLANK_PX = 512  # side of the picture of a slide that cannot be opened


def paint(tiles: Path, predictions: Path, output: Path, settings: Heatmap) -> None:
    """All heatmap files of a slide, beside each other and named after `output`.

    For S.png: S.png the probabilities over the slide, S.map.png alone, S.ome.tif as numbers,
    S.colour.ome.tif as colours, S.geojson the regions above the threshold and S.tiles.geojson.gz
    the tiles for QuPath, S.csv the tiles as WSInfer writes them.

    A slide that cannot be opened gives blank pictures with the reason of its quarantine, and files
    without tiles.

    Raises:
        HistotileError: The predictions are of other tiles, or lack a class of the tile table.
    """
    footer = tables.read_footer(tiles)
    facts = tables.read_footer(predictions)
    classes = tuple(footer["classes"])
    check_same(predictions, footer.get("identity"), facts.get("identity"))
    table = _predictions_of(tiles, predictions, classes)
    probabilities = np.stack([table[f"prob_{name}"].to_numpy() for name in classes], axis=1)
    found = slide_map(table, footer)
    overview, downsample = _overview(footer, settings)
    name = tables.name_models(facts["models"])
    caption = Caption(footer["slide_id"], name, footer["mpp"], footer["reason"])
    note = {"slide_id": footer["slide_id"], "models": facts["models"], "note": tables.RESEARCH_USE}
    write_picture(output, paint_heatmap(overview, downsample, found, settings, caption))
    write_picture(_beside(output, ".map.png"), paint_map(found, settings, caption))
    write_map(_beside(output, ".ome.tif"), found, footer["mpp"], note)
    write_colour_map(_beside(output, ".colour.ome.tif"), found, settings, footer["mpp"], note)
    regions = list_regions(found, settings, footer["mpp"])
    write_region_objects(
        _beside(output, ".geojson"), footer["slide_id"], regions, classes, _bounds(footer)
    )
    side = footer["size_level0_px"] or 0.0
    squares = Squares(table["x"].to_numpy(), table["y"].to_numpy(), side)
    objects = _beside(output, ".tiles.geojson.gz")
    slide_id, bounds = footer["slide_id"], _bounds(footer)
    write_tile_objects(objects, slide_id, squares, probabilities, classes, bounds)
    write_wsinfer_csv(_beside(output, ".csv"), *squares, probabilities, classes)


def _predictions_of(tiles: Path, predictions: Path, classes: tuple[str, ...]) -> "pa.Table":
    table = tables.read_table(predictions)
    missing = [name for name in classes if f"prob_{name}" not in table.column_names]
    if missing:
        fact = f"it has no probabilities of {', '.join(missing)}, classes of {tiles}"
        raise HistotileError(predictions, fact, "predict with a model of these classes")
    places, ids = tables.read_table(tiles, ["x", "y"]), table["tile_id"].to_numpy()
    if (ids >= len(places)).any() or any(
        (places[axis].to_numpy()[ids] != table[axis].to_numpy()).any() for axis in "xy"
    ):
        fact = f"its tiles lie elsewhere than those of {tiles}"
        raise HistotileError(predictions, fact, "predict these tiles again")
    return table


def slide_map(predictions: "pa.Table", footer: dict[str, Any]) -> ProbabilityMap:
    """The map of a slide from its predictions and the footer of its tile table."""
    classes = tuple(footer["classes"])
    if footer["verdict"] != "ok" or footer["size_level0_px"] is None:
        layer = np.full((len(classes), 1, 1), np.nan, np.float32)
        return ProbabilityMap(layer, classes, 0.0, 0.0, 1.0, 1.0)
    probabilities = np.stack([predictions[f"prob_{name}"].to_numpy() for name in classes], axis=1)
    x, y = predictions["x"].to_numpy(), predictions["y"].to_numpy()
    return probability_map(x, y, probabilities, classes, Layout.from_footer(footer))


def list_regions(found: ProbabilityMap, settings: Heatmap, mpp: float | None) -> list[Region]:
    """Regions above the threshold: of the class shown, then of others but the background."""
    shown = settings.class_name or found.classes[-1]
    others = [name for name in found.classes[1:] if name != shown]
    return [
        region
        for name in (shown, *others)
        for region in find_regions(found, name, settings.threshold, mpp)
    ]


def _beside(output: Path, ending: str) -> Path:
    return output.with_name(output.stem + ending)


def _bounds(footer: dict[str, Any]) -> tuple[int, int, int, int]:
    x, y, width, height = footer["bounds"] or (0, 0, 0, 0)
    return x, y, width, height


def _overview(footer: dict[str, Any], settings: Heatmap) -> "tuple[NDArray[np.uint8], float]":
    if footer["verdict"] != "ok":
        return np.full((BLANK_PX, BLANK_PX, 3), 255, np.uint8), 1.0
    from histotile.slides.identity import check_table
    from histotile.slides.overview import read_overview
    from histotile.slides.slide import Slide

    check_table(footer)
    with Slide.open(Path(footer["path"]), footer["mpp"]) as opened:
        return read_overview(opened, max_px=settings.overview_px)
