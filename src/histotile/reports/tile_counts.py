"""What became of the tiles of a slide or cohort: used, or rejected and why."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from histotile.reports.wording import reason, used_tiles


@dataclass(frozen=True)
class TileCount:
    """How many tiles of the grid are of one kind; `kind` is used, excluded or no_tissue."""

    kind: str
    words: str
    tiles: int


def list_tile_counts(counts: Mapping[str, Any]) -> list[TileCount]:
    """Where the tiles of the grid went; the numbers add up to the grid. Empty: no grid was laid."""
    used = used_tiles(counts)
    if used is None:
        return []
    excluded = sorted((counts.get("excluded") or {}).items(), key=lambda item: -item[1])
    return [
        TileCount("used", "used", used),
        *(TileCount("excluded", f"excluded: {reason(why)}", int(n)) for why, n in excluded),
        TileCount("no_tissue", f"rejected: {reason('no_tissue')}", int(counts.get("no_tissue", 0))),
    ]


def add_counts(slides: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of several slides as one; empty if none of them was tiled."""
    total: Counter[str] = Counter()
    excluded: Counter[str] = Counter()
    for counts in slides:
        total.update({k: counts[k] for k in ("grid", "no_tissue", "tiles") if k in counts})
        excluded.update(counts.get("excluded") or {})
    return {**total, "excluded": dict(excluded)} if total or excluded else {}


def covered_mm2(tiles: Mapping[str, Any]) -> float | None:
    """Area of the used tiles (mm2), each counted as the square of its stride, so no area twice."""
    used = used_tiles(tiles.get("counts") or {})
    side_px, stride_px = tiles.get("tile_px"), tiles.get("stride_px")
    if used is None or not side_px or not stride_px or not tiles.get("tile_mpp"):
        return None
    return float(used * (min(side_px, stride_px) * float(tiles["tile_mpp"]) / 1000) ** 2)
