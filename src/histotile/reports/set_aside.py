"""What was set aside of a slide or cohort, as the pages tell it beside the counts of tiles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from histotile.io.ledger import WORDS, Entry, add_up, largest, read_ledger, tell_names
from histotile.reports.wording import percent

_KINDS = {
    "outlines": "outlines",
    "tiles": "tiles",
    "labels": "tiles without label",
    "tissue": "stained area",
}


@dataclass(frozen=True)
class SetAside:
    """The ledger of a slide.

    Attributes:
        entries: Its lines.
        unlisted: Names of outlines that are no class -> the class each is nearest to, or None.
        reason: Why no tile is used, if none is.
    """

    entries: Sequence[Entry] = ()
    unlisted: Mapping[str, str | None] = field(default_factory=dict)
    reason: str | None = None

    @classmethod
    def of(cls, footer: Mapping[str, Any] | None) -> "SetAside":
        """That of a tile table; empty without one."""
        told = footer or {}
        unlisted = told.get("unlisted_names", {})
        return cls(tuple(read_ledger(told)), unlisted, told.get("reason"))

    @property
    def cause(self) -> str:
        """The line with the largest share, in words; glass counts only where nothing else does."""
        losses = [entry for entry in self.entries if entry.reason != WORDS["no_tissue"]]
        entry = largest(losses or self.entries)
        if entry is None:
            return ""
        return f"{_KINDS[entry.kind]}: {entry.reason} {percent(entry.share, 1)}".strip()


@dataclass(frozen=True)
class Line:
    """A row of the table of what was set aside; `slides` is None on the page of one slide."""

    kind: str
    entry: Entry
    slides: int | None = None


def list_lines(slides: Iterable[SetAside], is_cohort: bool) -> list[Line]:
    """What was set aside of slides together, less the tiles that the tile counts hold."""
    every = list(slides)
    summed = add_up(found.entries for found in every)
    lines = summed if is_cohort else [(entry, None) for found in every for entry in found.entries]
    return [
        Line(_KINDS[entry.kind], entry, number)
        for entry, number in lines
        if entry.kind != "tiles" or entry.reason not in WORDS.values()
    ]


def names_to_add(slides: Iterable[SetAside]) -> str | None:
    """What to add to config.yaml for the names of outlines that are no class; None: nothing."""
    unlisted = {name: near for found in slides for name, near in found.unlisted.items()}
    return tell_names(unlisted) if unlisted else None
