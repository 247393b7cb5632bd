"""The tile table of a slide: where its tiles lie, what they show, which are used."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Tile
from histotile.data.source import SlideSource
from histotile.errors import HistotileError
from histotile.io.digests import digest
from histotile.slides.inspection import Inspection
from histotile.slides.slide import Slide
from histotile.tasks.registry import tile_facts
from histotile.tasks.task import Task, counts
from histotile.tiling.grid import Grid, plan_grid, tissue_fractions
from histotile.tiling.labels import label_tiles
from histotile.tiling.ledger import keep_ledger
from histotile.tiling.mask_levels import Levels, inked_shares, is_tissue, why_empty
from histotile.tiling.measures import MEASURES, Readers, mark_tiles, measure_tiles
from histotile.tiling.truth import SlideTruth


def tabulate(
    inspection: Inspection,
    levels: Levels | None,
    truth: SlideTruth,
    settings: Tile,
    readers: Readers,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns of `tables.TILES` and the footer that later stages read instead of the config.

    1. Lay the grid over the scanned area; keep tiles with enough tissue.
    2. Label them from outlines or from the slide.
    3. Read each once, in reading order; measure colour, sharpness, pen and folds.
    4. Mark artefacts; note in `excluded` the first mark of `quality.exclude` that applies.

    Damaged tiles stay in the table with null measures and excluded = "unreadable". A quarantined
    slide, one smaller than a tile, or one without tissue gives a table of zero rows and the reason
    in the footer. Memory does not grow with the slide beyond the table itself.

    Args:
        inspection: Facts about the slide, mpp included; the file is opened from its path.
        levels: Of `slides.tissue`, covering the whole slide, or True for tissue; None: all is.
        truth: Classes, label and outlines of the slide.
        settings: The tile section of the config.
        readers: What reads the tiles.

    Raises:
        HistotileError: Tiles finer than the slide; a mask of another shape than the slide; a label
            that is no class or contradicts the outlines.
    """
    footer = slide_facts(inspection, truth, settings)
    if inspection.verdict != "ok" or inspection.mpp is None:
        return no_tiles(), footer
    name, bounds, mpp = inspection.slide_id, inspection.bounds, inspection.mpp
    grid = plan_grid(name, bounds, mpp, inspection.usable_downsamples, settings)
    x, y, tissue = _tissue_tiles(inspection, levels, grid, settings.min_tissue_fraction)
    found = label_tiles(x, y, grid.size_level0_px, truth, settings.labels)
    with Slide.open(Path(inspection.path), mpp) as slide:
        source = SlideSource(slide, settings.mpp, settings.tile_px)
        source.expect(x, y)

        def read(tile: int) -> NDArray[np.uint8]:
            return source.read(int(x[tile]), int(y[tile]), None)

        measures = measure_tiles(read, len(x), readers)
    measures[:, 1] += inked_shares(levels, x, y, grid.size_level0_px, (slide.width, slide.height))
    marks, excluded = mark_tiles(measures, settings.quality, of_slide=True)
    footer |= {
        "size_level0_px": grid.size_level0_px,
        "stride_level0_px": grid.stride_level0_px,
        "reason": grid.empty_reason or (None if len(x) else why_empty(levels, settings)),
        "counts": count_tiles(grid.count, found.labels, excluded, truth.task),
    }
    footer |= keep_ledger(footer, truth, found, settings)
    columns = make_columns(x, y, tissue, found.labels, found.overlap, measures)
    return columns | marks | {"excluded": excluded}, footer


def _tissue_tiles(
    inspection: Inspection, levels: Levels | None, grid: Grid, least: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    if levels is None:
        x, y = grid.positions()
        return x, y, np.ones(len(x), np.float32)
    mask = is_tissue(levels)
    expected = mask.shape[1] * inspection.height / inspection.width
    if abs(mask.shape[0] - expected) > 1.5 + 0.01 * expected:
        raise HistotileError(
            f"mask of slide {inspection.slide_id}",
            f"{mask.shape[1]} x {mask.shape[0]} px do not cover a slide of {inspection.width} x "
            f"{inspection.height} px",
            "make the mask again from this slide",
        )
    fractions = tissue_fractions(mask, (inspection.width, inspection.height), grid)
    rows, columns = np.nonzero(fractions >= least - 1e-6)
    return grid.columns[columns], grid.rows[rows], fractions[rows, columns]


def no_tiles() -> dict[str, Any]:
    """The columns of a table of zero rows."""
    ints, floats = np.empty(0, np.int32), np.empty(0, np.float32)
    measures = np.empty((0, len(MEASURES)), np.float32)
    return make_columns(ints, ints, floats, [], floats, measures)


def make_columns(
    x: NDArray[np.int32],
    y: NDArray[np.int32],
    tissue: NDArray[np.float32],
    labels: list[str | None],
    overlap: NDArray[np.float32],
    measures: NDArray[np.float32],
) -> dict[str, Any]:
    """The columns of unmarked tiles; unknown numbers are masked: the table holds null, not NaN."""
    return {
        "tile_id": np.arange(len(x), dtype=np.int32),
        "x": x,
        "y": y,
        "tissue_fraction": np.ma.masked_invalid(tissue),
        "label": labels,
        "overlap": np.ma.masked_invalid(overlap),
        **{n: np.ma.masked_invalid(v) for n, v in zip(MEASURES, measures.T, strict=True)},
        **{name: np.zeros(len(x), bool) for name in ("blur", "pen", "fold")},
        **{name: [None] * len(x) for name in ("excluded", "file", "checksum")},
    }


def slide_facts(inspection: Inspection, truth: SlideTruth, settings: Tile) -> dict[str, Any]:
    """The footer of a slide's tile table, as for zero rows."""
    return {
        "slide_id": inspection.slide_id,
        "path": str(inspection.path),
        "identity": inspection.identity,
        "mpp": inspection.mpp,
        "mpp_source": inspection.mpp_source,
        "tile_mpp": settings.mpp,
        "tile_px": settings.tile_px,
        "stride_px": settings.stride_px,
        "size_level0_px": None,
        "stride_level0_px": None,
        "width": inspection.width,
        "height": inspection.height,
        "bounds": list(inspection.bounds),
        **tile_facts(truth.task),
        "labels_source": settings.labels.source,
        "slide_label": truth.label,
        "settings": settings.model_dump(mode="json"),
        "counts": count_tiles(0, [], [], truth.task),
        "ledger": [],
        "verdict": inspection.verdict,
        "reason": inspection.reason,
        "code": digest(__name__),
    }


def count_tiles(
    grid: int, labels: list[str | None], excluded: list[str | None], task: Task
) -> dict[str, Any]:
    """How many tiles there are, of which labels, and why some are not used, for the footer.

    Args:
        grid: Tiles before those without tissue were left out.
        labels: Of the tiles in the table.
        excluded: Why each is not used.
        task: What is learnt; of tasks without classes, tiles are counted by stratum.
    """
    by_label = counts(task, task.labels(labels))
    none = "no label" if "none" in by_label else "none"  # a class may be called so
    return {
        "grid": grid,
        "no_tissue": grid - len(labels),
        "tiles": len(labels),
        "excluded": dict(sorted(Counter(e for e in excluded if e is not None).items())),
        "labels": {**by_label, none: len(labels) - sum(by_label.values())},
    }
