"""What the viewer of a slide page needs, gathered from the slide and its results."""

import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.errors import HistotileError
from histotile.heatmaps.attention_map import paint_attention
from histotile.heatmaps.probability_map import slide_map
from histotile.heatmaps.regions import find_regions
from histotile.io.cohort import CohortSlide
from histotile.io.progress import Progress
from histotile.io.tables import read_table
from histotile.reports.facts import SlideFacts
from histotile.reports.images import TopTile, fit_jpeg
from histotile.reports.slide.deepzoom import TILE_PX, Pyramid, Read, write_pyramid
from histotile.reports.slide.viewer_data import Outline, Places, Scene
from histotile.stages.results_folder import MARKS, Gathered, SlideTiles
from histotile.tasks.registry import task_of
from histotile.tasks.task import Task, missing_columns, read_values

if TYPE_CHECKING:
    import pyarrow as pa

    from histotile.slides.slide import Slide

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_HEATMAP_BYTES = 1_500_000  # of the page's 25 MB
_GALLERY_BYTES = 5_000_000


def slide_facts(gathered: Gathered, slide: CohortSlide, folder: Path | None = None) -> SlideFacts:
    """All facts of a slide with what its viewer shows; there is none without predictions.

    Args:
        gathered: The results.
        slide: One of its cohort, not a group of images.
        folder: Where to write pictures down to level 0, replacing what is there; None: the page
            holds an overview.
    """
    facts = gathered.slide(slide)
    if facts.heatmap is not None:
        facts = replace(facts, heatmap=fit_jpeg(facts.heatmap, _HEATMAP_BYTES))
    known, table = gathered.tiles(slide.slide_id), gathered.predictions(slide.slide_id)
    if known is not None:
        facts = replace(facts, attention=_attention(gathered, known))
    if known is None or table is None or known.spec.verdict != "ok":
        return facts
    scene = _scene(gathered, slide, known, table)
    from histotile.slides.identity import check_table
    from histotile.slides.slide import Slide

    check_table(known.spec, slide.path)
    with Slide.open(slide.path, known.spec.mpp) as opened:
        top, uncertain = _galleries(gathered.settings.top_tiles, scene, gathered.task)
        return replace(
            facts,
            scene=scene,
            picture=_picture(opened, gathered.settings.overview_px, folder),
            regions=find_regions(scene.found, scene.shown, scene.threshold, scene.mpp),
            top_tiles=_tiles(opened, scene, known, top),
            uncertain_tiles=_tiles(opened, scene, known, uncertain),
        )


def _attention(gathered: Gathered, known: SlideTiles) -> NDArray[np.uint8] | None:
    """Where the model looked; None where another method scores the slide."""
    path = gathered.results / "learn_slides/attention" / f"{known.spec.slide_id}.parquet"
    if not gathered.config.aggregate.is_learnt or not path.is_file():
        return None
    return paint_attention(read_table(path), known.spec, gathered.config.heatmap)


def _scene(gathered: Gathered, slide: CohortSlide, known: SlideTiles, table: "pa.Table") -> Scene:
    spec, settings = known.spec, gathered.config.heatmap
    task = task_of(spec)
    if missing := missing_columns(task, table.column_names):
        fact = f"its predictions lack the columns {', '.join(missing)}"
        raise HistotileError(slide.slide_id, fact, "predict it again with this model")
    p = read_values(task, table)
    predicted = ~np.isnan(p).any(axis=1)
    x, y = (table[axis].to_numpy()[predicted] for axis in "xy")
    p, found = p[predicted], slide_map(table, spec)
    shown = gathered.shown_class
    if gathered.scale:  # the viewer counts from 0 to 1
        shown = f"{shown}, share of {gathered.scale.low:g} to {gathered.scale.high:g}"
        values = gathered.scale.share(found.values).astype(np.float32)
        found = replace(found, values=values, classes=(shown,), kind="multilabel", options={})
        p = gathered.scale.share(p)
    return Scene(
        width=spec.width,
        height=spec.height,
        mpp=spec.mpp,
        shown=shown,
        threshold=settings.threshold,
        opacity=settings.opacity,
        colormap=settings.colormap,
        found=found,
        side=spec.size_level0_px or 0.0,
        places=(x, y),
        probabilities=p,
        rejected=_rejected(known),
        marked=_marked(known),
        outlines=_outlines(gathered, slide, known),
        mask=_mask(gathered.results / "mask" / f"{slide.slide_id}.png"),
    )


def _rejected(known: SlideTiles) -> dict[str, Places]:
    x, y, why = (np.asarray(known.tiles[name].to_pylist()) for name in ("x", "y", "excluded"))
    reasons = sorted({reason for reason in why if reason is not None})
    return {reason: (x[why == reason], y[why == reason]) for reason in reasons}


def _marked(known: SlideTiles) -> dict[str, Places]:
    x, y, why = (np.asarray(known.tiles[name].to_pylist()) for name in ("x", "y", "excluded"))
    used = np.asarray([reason is None for reason in why], bool)
    marks = {name: used & known.tiles[name].to_numpy() for name in MARKS}
    return {name: (x[there], y[there]) for name, there in marks.items() if there.any()}


def _outlines(gathered: Gathered, slide: CohortSlide, known: SlideTiles) -> list[Outline]:
    if not slide.annotations:
        return []
    from histotile.slides.annotations.read import read_layers
    from histotile.slides.slide import Bounds
    from histotile.tiling.outline_names import meaning, names_of_classes

    size = (known.spec.width, known.spec.height)
    bounds = Bounds(*known.spec.bounds)
    found = read_layers(slide.annotations, bounds, size, slide.path)
    classes = names_of_classes(gathered.config.classes, gathered.config.tile.labels.names)
    meanings = ((a, meaning(a, classes)) for a in found)
    return [
        Outline(a.name, meant if isinstance(meant, str) else None, a.polygon)
        for a, meant in meanings
    ]


def _mask(path: Path) -> bytes | None:
    """The tissue mask with one bit per px."""
    if not path.is_file():
        return None
    from PIL import Image

    encoded = io.BytesIO()
    with Image.open(path) as image:
        image.convert("1", dither=Image.Dither.NONE).save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def _galleries(most: int, scene: Scene, task: Task) -> tuple[Ints, Ints]:
    """Rows of `scene.probabilities`: most probable tiles of the shown class, most uncertain ones.

    Uncertain is where the two most probable classes are closest, or a label nearest to 0.5; of
    numbers none is. Ties fall to the first tile.
    """
    p = scene.probabilities
    top = np.argsort(-p[:, scene.found.classes.index(scene.shown)], kind="stable")
    if task.kind == "regression":
        return top[:most], top[:0]
    ranked = np.sort(p, axis=1)
    gaps = ranked[:, -1] - ranked[:, -2] if task.is_exclusive else np.abs(p - 0.5).min(axis=1)
    return top[:most], np.argsort(gaps, kind="stable")[:most]


def _tiles(opened: "Slide", scene: Scene, known: SlideTiles, rows: Ints) -> Sequence[TopTile]:
    from histotile.data.source import SlideSource

    source = SlideSource(opened, known.spec.tile_mpp, known.spec.tile_px)
    classes, (x, y) = scene.found.classes, scene.places
    tiles = []
    for row in rows:
        p = scene.probabilities[row]
        rivals = [(classes[c], float(p[c])) for c in np.argsort(-p, kind="stable")[:2]]
        pixels = source.read(int(x[row]), int(y[row]), None)
        image = fit_jpeg(pixels, _GALLERY_BYTES // (2 * len(rows)))
        shown = float(p[classes.index(scene.shown)])
        tiles.append(TopTile(image, shown, int(x[row]), int(y[row]), rivals))
    return tiles


def _picture(opened: "Slide", max_px: int, folder: Path | None) -> NDArray[np.uint8] | Pyramid:
    if folder is None:
        from histotile.slides.overview import read_overview

        return read_overview(opened, max_px=max_px)[0]
    progress = Progress(f"pictures of {opened.path.name}", "pictures")
    return write_pyramid(folder, _reader(opened), opened.width, opened.height, progress)


def _reader(opened: "Slide") -> Read:
    """Reads level 0; what is damaged stays white and is logged."""
    from histotile.slides.slide import UnreadableTile
    from histotile.slides.tile_reader import known_mpp, read_tile

    def read(x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        try:
            return read_tile(opened, x, y, known_mpp(opened), TILE_PX)[:height, :width]
        except UnreadableTile as error:
            logging.getLogger(__name__).warning("shown white: %s", error)
            return np.full((height, width, 3), 255, np.uint8)

    return read
