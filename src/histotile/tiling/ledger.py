"""The ledger of a tile table: everything set aside, and why a table ends up empty."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from histotile.config import Tile
from histotile.io.ledger import WORDS, Entry, largest, read_ledger, tell, tell_names
from histotile.slides.annotations.shapes import NO_AREA, OUTSIDE, PARTLY
from histotile.slides.tissue.mask_file import CHUNK
from histotile.tiling.outline_names import NoLabel, suggest
from histotile.tiling.truth import SlideTruth, TileLabels

_UNUSED = "not used, as tile.labels.source is `slide`"
_MOST_NAMES = 20
_TOLD_SHARE = 0.2  # of the stained area: less is no cause of an empty table


def keep_ledger(
    footer: Mapping[str, Any], truth: SlideTruth, found: TileLabels, settings: Tile
) -> dict[str, Any]:
    """What a footer gains: the ledger, names of outlines that are no class, and a reason.

    `ledger` is a list of entries; `unlisted_names` gives each name and the class that it is nearest
    to; `reason` says why no tile is left, if none is.

    Args:
        footer: With mpp, counts, and a reason if there is one.
        truth: Classes and outlines of the slide.
        found: The labels of its tiles.
        settings: The tile section of the config.
    """
    outlines: list[Entry] = []
    unlisted: list[str] = []
    if truth.annotations is not None and settings.labels.source == "annotation":
        outlines = _list_outlines(truth, found, settings, float(footer["mpp"]) ** 2)
        meanings = truth.meanings(settings.labels)
        unlisted = [a.name for a, meant in meanings if meant is NoLabel.UNLISTED]
    elif truth.annotations:
        outlines = [Entry("outlines", _UNUSED, len(truth.annotations), None, 1.0)]
    tile_um2 = (min(settings.tile_px, settings.stride_px) * settings.mpp) ** 2
    entries = [*outlines, *list_tiles(footer["counts"], tile_um2, found.why_none)]
    return {
        "ledger": [entry.to_json() for entry in entries],
        "unlisted_names": suggest(unlisted, truth.classes, settings.labels.names),
        "reason": footer.get("reason") or why_unused(footer["counts"], entries),
    }


def list_tiles(
    counts: Mapping[str, Any], tile_um2: float | None, why_none: Mapping[str, int]
) -> list[Entry]:
    """Tiles that are not used, by reason, and tiles without label.

    Args:
        counts: grid, no_tissue, tiles and excluded, as `tile_table.count_tiles` gives them.
        tile_um2: Area of a tile that no other covers; None: unknown.
        why_none: Why tiles have no label -> how many.
    """

    def entry(kind: Any, reason: str, count: int, whole: int) -> Entry:
        return Entry(kind, reason, count, tile_um2 and count * tile_um2, count / whole)

    aside = {"no_tissue": counts["no_tissue"], **counts["excluded"]}
    aside = {WORDS.get(why, why): n for why, n in aside.items() if n}
    return [
        *(entry("tiles", why, n, counts["grid"]) for why, n in aside.items()),
        *(entry("labels", why, n, counts["tiles"]) for why, n in sorted(why_none.items())),
    ]


def why_unused(counts: Mapping[str, Any], entries: Sequence[Entry]) -> str | None:
    """Why not one tile of the table is used; None where some are, or the table is empty.

    Args:
        counts: As for `list_tiles`.
        entries: What it gave.
    """
    aside = [entry for entry in entries if entry.kind == "tiles" and entry.reason in _EXCLUDED]
    if not aside or sum(entry.count or 0 for entry in aside) < counts["tiles"]:
        return None
    told = ", ".join(f"{entry.count} {entry.reason}" for entry in aside)
    return f"not one of {counts['tiles']} tiles with tissue can be used ({told})"


def of_mask(path: Path) -> list[Entry]:
    """What the making of a tissue mask set aside, as its PNG tells; empty if that tells nothing."""
    with Image.open(path) as image:
        image.load()  # the text may stand behind the pixels
        told = image.info.get(CHUNK, "[]")
    try:
        return [Entry(**line) for line in json.loads(told)]
    except (TypeError, ValueError):  # a mask by another hand
        return []


def with_tissue(footer: Mapping[str, Any], tissue: Iterable[Entry]) -> dict[str, Any]:
    """The footer of a slide whose tissue mask set these areas aside; its reason names the largest.

    Args:
        footer: Of its tile table.
        tissue: Entries that came with the mask.
    """
    entries = [*read_ledger(footer), *tissue]
    reason, cause = footer["reason"], largest(entries, "tissue")
    is_empty = footer["verdict"] == "ok" and footer["counts"]["tiles"] == 0 and reason
    if is_empty and cause is not None and (cause.share or 0) >= _TOLD_SHARE:
        reason = (
            f"{reason}: {100 * (cause.share or 0):.0f} % of the stained area was {cause.reason}"
        )
    return {**footer, "reason": reason, "ledger": [entry.to_json() for entry in entries]}


def tell_ledger(footer: Mapping[str, Any]) -> list[str]:
    """What the terminal shows of a ledger: its totals, each line on outlines, what to add."""
    entries = read_ledger(footer)
    reason = footer.get("reason")
    empty = [reason] if reason and footer["verdict"] == "ok" else []
    lines = [*empty, *tell(entries)]
    if footer.get("unlisted_names"):
        lines.append(f"to give those names a class, add {tell_names(footer['unlisted_names'])}")
    return [f"  {line}" for line in lines]


def _list_outlines(
    truth: SlideTruth, found: TileLabels, settings: Tile, px_um2: float
) -> list[Entry]:
    meanings = truth.meanings(settings.labels)
    passed = getattr(truth.annotations, "passed", None)
    counts, areas = (passed.counts, passed.areas) if passed else ({}, {})
    total = len(meanings) + sum(n for kind, n in counts.items() if kind != PARTLY)
    sums: dict[str, list[float]] = defaultdict(list)
    for annotation, meant in meanings:
        if isinstance(meant, NoLabel):
            sums[meant.value.format(repr(annotation.name))].append(annotation.polygon.area)
        elif found.labels and meant not in {settings.labels.outside, *found.labels}:
            sums[f"of class {meant!r}, which no tile takes"].append(annotation.polygon.area)
    entries = [
        Entry("outlines", reason, len(px), sum(px) * px_um2, len(px) / total)
        for reason, px in _longest(sums)
    ]
    if found.contested_px:
        reason = NoLabel.CONTESTED.value
        entries.append(Entry("outlines", reason, None, found.contested_px * px_um2))
    for kind, n in counts.items():
        reason = kind if kind in {NO_AREA, OUTSIDE, PARTLY} else f"{kind} (no outline)"
        entries.append(Entry("outlines", reason, n, areas.get(kind, 0) * px_um2, n / total))
    return entries


def _longest(sums: Mapping[str, Sequence[float]]) -> list[tuple[str, list[float]]]:
    """The names with the largest areas; the others together."""
    ordered = sorted(((why, list(px)) for why, px in sums.items()), key=lambda item: -sum(item[1]))
    rest = [px for _, own in ordered[_MOST_NAMES:] for px in own]
    more = f"{len(ordered) - _MOST_NAMES} more names that are no class, or left out"
    return [*ordered[:_MOST_NAMES], *([(more, rest)] if rest else [])]


_EXCLUDED = {WORDS[mark] for mark in ("blur", "pen", "fold", "unreadable")}
