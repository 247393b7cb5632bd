"""What a reader must know of the images of a cohort without slides."""

from collections.abc import Mapping, Sequence
from typing import Any

from histotile.reports.facts import SlideSummary
from histotile.reports.wording import count

_NAMED = 10


def list_remarks(groups: Sequence[SlideSummary], ledger: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on images of another size than the tiles, and the remarks of `triage` on groups."""
    total = sum(int(group.counts.get("tiles", 0)) for group in groups)
    resized, cropped = (
        sum(int(group.counts.get(name, 0)) for group in groups) for name in ("resized", "cropped")
    )
    found = []
    if resized:
        found.append(
            f"{count(resized)} of {count(total)} images were resized to tile_px: what they show "
            f"has one scale only if they all had one size."
        )
    if cropped:
        found.append(f"{count(cropped)} images were not square: their middle was used.")
    noted = [row for row in ledger if row["verdict"] == "ok" and row["reason"]]
    found += [f"Group {row['slide_id']}: {row['reason']}." for row in noted[:_NAMED]]
    if len(noted) > _NAMED:
        found.append(f"{len(noted) - _NAMED} more groups have such remarks: see triage/slides.csv.")
    return found
