"""Paint the probabilities of a slide, and write them for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from histotile.config import Heatmap
from histotile.errors import HistotileError
from histotile.heatmaps.figure_frame import Caption
from histotile.heatmaps.heatmap import paint_heatmap, paint_map, write_picture
from histotile.heatmaps.ome_tiff import write_colour_map, write_map
from histotile.heatmaps.probability_map import ProbabilityMap, slide_map
from histotile.heatmaps.qupath_objects import Squares, write_region_objects, write_tile_objects
from histotile.heatmaps.regions import Region, find_regions
from histotile.heatmaps.wsinfer_csv import write_wsinfer_csv
from histotile.io import tables
from histotile.io.identity import check_same
from histotile.io.tile_spec import TileSpec, read_spec
from histotile.tasks.registry import task_of
from histotile.tasks.task import Task, missing_columns, read_values

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

BLANK_PX = 512  # side of the picture of a slide that cannot be opened


@dataclass(frozen=True)
class Inputs:
    """Tile table and predictions of a slide; where it is, or None: where it was tiled."""

    tiles: Path
    predictions: Path
    slide: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """The files of a heatmap, beside each other.

    Attributes:
        overlay: PNG of the probabilities over the slide.
        map: PNG of the map alone.
        numbers: OME-TIFF of the probabilities.
        colours: OME-TIFF of the map as it is seen.
        regions: GeoJSON of the regions above the threshold, for QuPath.
        tiles: GeoJSON of the tiles, for QuPath, compressed.
        csv: Tiles as WSInfer writes them.
    """

    overlay: Path
    map: Path
    numbers: Path
    colours: Path
    regions: Path
    tiles: Path
    csv: Path

    @classmethod
    def beside(cls, overlay: Path) -> "Outputs":
        """All of them, named after the picture over the slide."""
        endings = (".map.png", ".ome.tif", ".colour.ome.tif", ".geojson", ".tiles.geojson.gz")
        stem = overlay.stem
        return cls(overlay, *(overlay.with_name(stem + end) for end in (*endings, ".csv")))


def run(inputs: Inputs, outputs: Outputs, settings: Heatmap) -> None:
    """Writes pictures, numbers and objects.

    A slide that cannot be opened gives blank pictures with the reason of its quarantine, and files
    without tiles.

    Raises:
        HistotileError: The predictions are of other tiles, or lack a class of the tile table.
    """
    spec = read_spec(inputs.tiles)
    facts = tables.read_footer(inputs.predictions)
    task = task_of(spec)
    check_same(inputs.predictions, spec.identity, facts.get("identity"))
    table = _predictions_of(inputs.tiles, inputs.predictions, task)
    values = read_values(task, table)
    found = slide_map(table, spec)
    overview, downsample = _overview(spec, inputs.slide, settings)
    name = tables.name_models(facts["models"])
    caption = Caption(spec.slide_id, name, spec.mpp, spec.reason)
    note = {"slide_id": spec.slide_id, "models": facts["models"], "note": tables.RESEARCH_USE}
    write_picture(outputs.overlay, paint_heatmap(overview, downsample, found, settings, caption))
    write_picture(outputs.map, paint_map(found, settings, caption))
    write_map(outputs.numbers, found, spec.mpp, note)
    write_colour_map(outputs.colours, found, settings, spec.mpp, note)
    regions = list_regions(found, settings, spec.mpp)
    slide_id, bounds = spec.slide_id, spec.bounds
    write_region_objects(outputs.regions, slide_id, regions, task.names, bounds)
    side = spec.size_level0_px or 0.0
    squares = Squares(table["x"].to_numpy(), table["y"].to_numpy(), side)
    write_tile_objects(outputs.tiles, slide_id, squares, values, task, bounds)
    write_wsinfer_csv(outputs.csv, *squares, values, task.columns)


def _predictions_of(tiles: Path, predictions: Path, task: Task) -> "pa.Table":
    table = tables.read_table(predictions)
    if missing := missing_columns(task, table.column_names):
        fact = f"it lacks the columns {', '.join(missing)} of {tiles}"
        raise HistotileError(predictions, fact, "predict with a model of these classes")
    places, ids = tables.read_table(tiles, ["x", "y"]), table["tile_id"].to_numpy()
    if (ids >= len(places)).any() or any(
        (places[axis].to_numpy()[ids] != table[axis].to_numpy()).any() for axis in "xy"
    ):
        fact = f"its tiles lie elsewhere than those of {tiles}"
        raise HistotileError(predictions, fact, "predict these tiles again")
    return table


def list_regions(found: ProbabilityMap, settings: Heatmap, mpp: float | None) -> list[Region]:
    """Regions above the threshold: of the class shown, then of others but the background."""
    shown = settings.class_name or found.classes[-1]
    beside = found.classes[1:] if found.kind in ("binary", "multiclass", "auto") else found.classes
    others = [name for name in beside if name != shown]
    return [
        region
        for name in (shown, *others)
        for region in find_regions(found, name, settings.threshold, mpp)
    ]


def _overview(
    spec: TileSpec, slide: Path | None, settings: Heatmap
) -> "tuple[NDArray[np.uint8], float]":
    if spec.verdict != "ok":
        return np.full((BLANK_PX, BLANK_PX, 3), 255, np.uint8), 1.0
    from histotile.slides.identity import check_table
    from histotile.slides.overview import read_overview
    from histotile.slides.slide import Slide

    check_table(spec, slide)
    with Slide.open(spec.place(slide), spec.mpp) as opened:
        return read_overview(opened, max_px=settings.overview_px)
