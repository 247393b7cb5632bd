"""The ledger of a slide: everything set aside, by kind and reason, with counts and areas."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["outlines", "tiles", "tissue"]


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        kind: What was set aside: outlines of an annotation file, tiles of the grid, or stained
            area of the overview.
        reason: Why, in words a reader understands, e.g. "name 'Necrosis' is no class",
            "taken for green ink", "no tissue".
        count: How many outlines or tiles; None for areas.
        area_um2: Their area on the slide (um2); None if unknown.
        share: Of all that might have been used, 0-1 (of the stained area, of the grid, of all
            outlines); None if unknown.
    """

    kind: Kind
    reason: str
    count: int | None = None
    area_um2: float | None = None
    share: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able; `Entry(**data)` gives the same line back."""
        return asdict(self)


def read_ledger(footer: Mapping[str, Any]) -> list[Entry]:
    """The lines in the footer of a tile table."""
    return [Entry(**line) for line in footer.get("ledger", [])]


def largest(entries: Iterable[Entry], kind: Kind) -> Entry | None:
    """The line of a kind with the largest share; None without any."""
    lines = [entry for entry in entries if entry.kind == kind]
    return max(lines, key=lambda e: (e.share or 0.0, e.count or 0), default=None)
