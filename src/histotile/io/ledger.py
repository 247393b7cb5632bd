"""The ledger of a slide: everything set aside, by kind and reason, with counts and areas."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["outlines", "tiles", "labels", "tissue"]
WORDS = {
    "blur": "blurred",
    "fold": "tissue fold",
    "no_tissue": "too little tissue",
    "pen": "pen ink",
    "unreadable": "unreadable",
}


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        kind: What was set aside: outlines of an annotation file, tiles of the grid, tiles that
            are used but have no label to learn from, or stained area of the overview.
        reason: Why, in words a reader understands, e.g. "name 'Necrosis' is no class",
            "taken for green ink", "too little tissue".
        count: How many outlines or tiles; None for areas.
        area_um2: Their area on the slide (um2); None if unknown.
        share: Of all that might have been used, 0-1 (of the stained area, of the grid, of the
            tiles with tissue, of all outlines); None if unknown.
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


def largest(entries: Iterable[Entry], kind: Kind | None = None) -> Entry | None:
    """The line with the largest share, of one kind or of all; None without any."""
    lines = [entry for entry in entries if kind in {None, entry.kind}]
    return max(lines, key=lambda e: (e.share or 0.0, e.count or 0), default=None)


def add_up(ledgers: Iterable[Iterable[Entry]]) -> list[tuple[Entry, int]]:
    """Each kind and reason once, with counts and areas of all slides and the number of slides.

    Args:
        ledgers: One for each slide. Shares are lost: their wholes differ.
    """
    lines: dict[tuple[Kind, str], list[Entry]] = defaultdict(list)
    for entries in ledgers:
        for entry in entries:
            lines[entry.kind, entry.reason].append(entry)
    return [
        (
            Entry(kind, reason, _total(e.count for e in own), _total(e.area_um2 for e in own)),
            len(own),
        )
        for (kind, reason), own in lines.items()
    ]


def tell(entries: Iterable[Entry]) -> list[str]:
    """Lines for a terminal: the total of each kind in one line, then each line on outlines."""
    found = list(entries)
    kinds = dict.fromkeys(entry.kind for entry in found)
    totals = [_told(kind, [e for e in found if e.kind == kind]) for kind in kinds]
    lines = [f"set aside: {'; '.join(totals)}"] if totals else []
    outlines = (entry for entry in found if entry.kind == "outlines")
    return lines + [f"outlines: {entry.reason}: {_amount(entry)}" for entry in outlines]


def tell_names(unlisted: Mapping[str, str | None]) -> str:
    """What to add to config.yaml, as YAML, so that names of outlines stand for classes.

    >>> tell_names({"Tumor 1": "tumour", "Fat": None})
    'tile.labels.names: {"Tumor 1": tumour, Fat: ...}'

    Args:
        unlisted: Name -> the class that it most likely stands for, or None.
    """
    pairs = (f"{_quoted(n)}: {_quoted(c) if c else '...'}" for n, c in unlisted.items())
    return f"tile.labels.names: {{{', '.join(pairs)}}}"


def _quoted(text: str) -> str:
    """A text as YAML takes it within braces."""
    if text.isalpha() and text.lower() not in _YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


_YAML_WORDS = {"y", "yes", "n", "no", "on", "off", "true", "false", "null"}


def _told(kind: Kind, entries: list[Entry]) -> str:
    """E.g. "42 tiles (40 too little tissue, 2 pen ink)"."""
    if kind == "outlines":
        number = sum(e.count or 0 for e in entries)
        return f"{number} outline{'' if number == 1 else 's'}"
    if kind == "tissue":
        total = sum(e.share or 0.0 for e in entries)
        parts = ", ".join(f"{100 * (e.share or 0):.1f} % {e.reason}" for e in entries)
        return f"{100 * total:.1f} % of the stained area ({parts})"
    parts = ", ".join(f"{e.count} {e.reason}" for e in entries)
    noun = "tiles" if kind == "tiles" else "tiles without label"
    return f"{sum(e.count or 0 for e in entries)} {noun} ({parts})"


def _amount(entry: Entry) -> str:
    number = [] if entry.count is None else [str(entry.count)]
    return ", ".join([*number, *([f"{entry.area_um2 / 1e6:.4g} mm2"] if entry.area_um2 else [])])


def _total(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
