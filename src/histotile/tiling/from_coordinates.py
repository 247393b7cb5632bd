"""The tile table of a slide whose tiles another program has cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Tile
from histotile.data.source import SlideSource
from histotile.errors import HistotileError
from histotile.io.digests import digest
from histotile.io.ledger import Entry
from histotile.slides.inspection import Inspection
from histotile.slides.slide import Slide
from histotile.tiling.external_coordinates import Coordinates, read_coordinates
from histotile.tiling.labels import label_tiles
from histotile.tiling.ledger import keep_ledger
from histotile.tiling.mask_levels import inked_shares
from histotile.tiling.measures import Readers, mark_tiles, measure_tiles
from histotile.tiling.tile_table import count_tiles, make_columns, no_tiles, slide_facts
from histotile.tiling.truth import SlideTruth

_TWICE = "listed twice by the file"
MOST_OFF = 0.02  # of the scale: programs cut by nominal magnification, or at whole px


def tabulate_coordinates(
    inspection: Inspection,
    path: Path,
    truth: SlideTruth,
    settings: Tile,
    readers: Readers,
    levels: NDArray[np.uint8] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns of `tables.TILES` and the footer for the tiles that a file lists, as for a grid's.

    Labels, marks and colours are those of `tabulate`; the share of tissue is unknown, since the
    other program chose. Pixels are read from the tiles' corners at `tile.mpp`, the scale that
    models are trained at; `size_level0_px` is the other program's side, and what scale that would
    be stands in the footer under `coordinates` - within 2 % of `tile.mpp`, so that the network sees
    the same field of view. Tiles may reach over the edge of the slide, where it is white.

    Args:
        inspection: Facts about the slide, mpp included; the file is opened from its path.
        path: Coordinates of CLAM, TRIDENT or WSInfer.
        truth: Classes, label and outlines of the slide.
        settings: The tile section of the config.
        readers: What reads the tiles.
        levels: Of the slide's mask, for what lies under ink; None: nothing does.

    Raises:
        HistotileError: No such coordinates; tiles of another scale than `tile.mpp`, or finer than
            the slide; a tile wholly outside the slide; a label that is no class or contradicts the
            outlines.
    """
    footer = slide_facts(inspection, truth, settings) | {"code": digest(__name__)}
    if inspection.verdict != "ok" or inspection.mpp is None:
        return no_tiles(), footer | {"coordinates": {"file": str(path), "program": None}}
    found = read_coordinates(path)
    _check_places(path, found, inspection)
    _check_scale(path, found, inspection.mpp, settings)
    known = label_tiles(found.x, found.y, found.side, truth, settings.labels)
    with Slide.open(Path(inspection.path), inspection.mpp) as slide:
        source = SlideSource(slide, settings.mpp, settings.tile_px)
        source.expect(found.x, found.y)

        def read(tile: int) -> NDArray[np.uint8]:
            return source.read(int(found.x[tile]), int(found.y[tile]), None)

        measures = measure_tiles(read, len(found.x), readers)
    size = inspection.width, inspection.height
    measures[:, 1] += inked_shares(levels, found.x, found.y, found.side, size)
    marks, excluded = mark_tiles(measures, settings.quality, of_slide=True)
    unknown = np.full(len(found.x), np.nan, np.float32)
    columns = make_columns(found.x, found.y, unknown, known.labels, known.overlap, measures)
    footer |= _facts(path, found, inspection.mpp, settings)
    footer["counts"] = count_tiles(len(found.x), known.labels, excluded, truth.task)
    footer |= keep_ledger(footer, truth, known, settings)
    if twice := found.listed - len(found.x):
        footer["ledger"].append(Entry("tiles", _TWICE, twice, None, twice / found.listed).to_json())
    return columns | marks | {"excluded": excluded}, footer


def _facts(path: Path, found: Coordinates, mpp: float, settings: Tile) -> dict[str, Any]:
    """What the footer says otherwise than for a table of zero rows."""
    return {
        "stride_px": max(1, round(settings.tile_px * found.stride / found.side)),
        "size_level0_px": found.side,
        "stride_level0_px": found.stride,
        "reason": None if len(found.x) else f"{path.name} lists no tile",
        "coordinates": {
            "file": str(path),
            "program": found.program,
            "mpp": found.side * mpp / settings.tile_px,
            "listed": found.listed,
        },
    }


def _check_places(path: Path, found: Coordinates, inspection: Inspection) -> None:
    width, height = inspection.width, inspection.height
    beside = (found.x + found.side <= 0) | (found.x >= width)
    outside = np.flatnonzero(beside | (found.y + found.side <= 0) | (found.y >= height))
    if len(outside):
        x, y = int(found.x[outside[0]]), int(found.y[outside[0]])
        raise HistotileError(
            path,
            f"{len(outside)} of {len(found.x)} tiles lie outside slide {inspection.slide_id} of "
            f"{width} x {height} px, such as the one at x {x}, y {y}",
            "check that the file belongs to this slide and counts level-0 px",
        )


def _check_scale(path: Path, found: Coordinates, mpp: float, settings: Tile) -> None:
    side_um = found.side * mpp
    cut = f"its tiles are {found.side:g} level-0 px, {side_um:.4g} um wide"
    if settings.mpp / mpp < 1 - MOST_OFF:
        raise HistotileError(
            path,
            f"{cut}; at tile.mpp {settings.mpp:g} um/px they would have to be up-sampled, the "
            f"slide was scanned at {mpp:.4g} um/px",
            f"set tile.tile_px to {int(found.side)} and tile.mpp to {mpp:.4g}",
        )
    tile_mpp = side_um / settings.tile_px
    if abs(tile_mpp / settings.mpp - 1) > MOST_OFF:
        coarser = f", or tile.mpp to {tile_mpp:.4g}" if tile_mpp >= mpp else ""
        raise HistotileError(
            path,
            f"{cut}; tile.tile_px {settings.tile_px} at tile.mpp {settings.mpp:g} um/px is "
            f"{settings.tile_px * settings.mpp:.4g} um",
            f"set tile.tile_px to {round(side_um / settings.mpp)}{coarser}",
        )
