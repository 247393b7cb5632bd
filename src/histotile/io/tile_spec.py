"""What a tile table says of its slide and its tiles, read once from its footer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from histotile.errors import HistotileError
from histotile.io.identity import Identity
from histotile.io.tables import read_footer

IMAGES = "images"  # `source` of tables whose tiles are image files


@dataclass(frozen=True)
class TileSpec:
    """The slide of a tile table, and the three sizes of its tiles.

    A tile is asked for as `tile_px` px at `tile_mpp` um/px. On the slide it covers a square of
    `size_level0_px`: 224 px at 1.0 um/px cover 224 * 1.0 / 0.25 = 896 px of a slide scanned at
    0.25 um/px, and with a stride of 112 px the next tile begins 448 px on. Sizes at level 0 are
    exact, seldom whole; None where the slide could not be used, or where tiles are image files.

    Attributes:
        slide_id: Name of the slide, or of the group of images.
        tile_px: Side of a tile as networks see it.
        tile_mpp: Its scale, um/px.
        path: Where the slide was when it was tiled; None for image files.
        mpp: Scale of level 0, um/px; None if unknown.
        size_level0_px: Side of a tile on the slide.
        stride_level0_px: From one tile to the next on the slide.
        width: Of level 0; 0 where the slide could not be opened.
        height: Of level 0.
        bounds: x, y, width, height of the scanned area, level-0 px.
        source: `images` where tiles are image files.
        identity: What tells the slide from any other version of it.
        verdict: `ok`, or why the slide cannot be used, in one word.
        reason: Why no tile is used, if none is.
        labels_source: Where labels come from: `tile.labels.source`.
        classes: Names of the task.
        task: Its kind; None: by the number of names.
        task_options: What it needs beside, such as unit and range.
        counts: Tiles by label and by reason of exclusion.
    """

    slide_id: str
    tile_px: int
    tile_mpp: float
    path: Path | None = None
    mpp: float | None = None
    size_level0_px: float | None = None
    stride_level0_px: float | None = None
    width: int = 0
    height: int = 0
    bounds: tuple[int, int, int, int] = (0, 0, 0, 0)
    source: str = "slide"
    identity: Identity | None = None
    verdict: str = "ok"
    reason: str | None = None
    labels_source: str | None = None
    classes: tuple[str, ...] = ()
    task: str | None = None
    task_options: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, footer: Mapping[str, Any]) -> TileSpec:
        """What the footer of a tile table tells."""
        told = {f.name: footer[f.name] for f in fields(cls) if f.name in footer}
        told["tile_px"], told["tile_mpp"] = int(told["tile_px"]), float(told["tile_mpp"])
        told["path"] = Path(told["path"]) if told.get("path") else None
        told["bounds"] = tuple(told.get("bounds") or (0, 0, 0, 0))
        told["width"], told["height"] = told.get("width") or 0, told.get("height") or 0
        told["classes"] = tuple(told.get("classes", ()))
        return cls(**told)

    @property
    def is_of_images(self) -> bool:
        """Whether the tiles are image files rather than places of a slide."""
        return self.source == IMAGES

    def place(self, slide: Path | None) -> Path:
        """Where the slide is: there, or else where it was when it was tiled."""
        found = slide or self.path
        assert found is not None, "image files have no slide"
        return found


def read_spec(tiles: Path) -> TileSpec:
    """That of a tile table.

    Raises:
        HistotileError: The file is no tile table.
    """
    footer = read_footer(tiles)
    if missing := [name for name in ("slide_id", "tile_px", "tile_mpp") if name not in footer]:
        fact = f"no tile table: it does not tell {', '.join(missing)}"
        raise HistotileError(tiles, fact, "name what `histotile tile` wrote")
    return TileSpec.of(footer)
