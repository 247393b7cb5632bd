"""What `inspect` found, as later stages read it; or finds now, for stages run by hand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from histotile.config import Inspect, Mask
from histotile.errors import HistotileError
from histotile.slides.identity import check_identity
from histotile.slides.inspection import Inspection, inspect_slide


@dataclass(frozen=True)
class Now:
    """How a slide is inspected and its tissue found where no file says what was found.

    Attributes:
        inspect: Section `inspect`.
        mask: Section `mask`.
        accept: Ids of findings -> the user's reasons.
        mpp: um per level-0 px as the user gives it.
    """

    inspect: Inspect
    mask: Mask
    accept: Mapping[str, str]
    mpp: float | None = None


def read_inspection(path: Path) -> Inspection:
    """What `inspect` wrote."""
    return Inspection.from_json(json.loads(path.read_text(encoding="utf-8")))


def look_at(slide: Path, inspection: Path | None, now: Now | None) -> Inspection:
    """What `inspect` found, or finds now; then a bad slide stops.

    Raises:
        HistotileError: The slide cannot be used, or is not the one that was inspected.
    """
    if inspection:
        found = read_inspection(inspection)
        if found.verdict == "ok":
            check_identity(slide, found.identity, found.slide_id)
        return replace(found, path=str(slide))

    assert now is not None, "one of the two is given"
    found = inspect_slide(slide, slide.stem, now.inspect, now.mpp, now.accept)
    for warning in found.warnings:
        click.echo(f"{found.slide_id}: warning: {warning}", err=True)
    if found.verdict != "ok":
        remedies = {"unreadable": "replace it"}
        remedies |= {} if now.mpp else {"mpp": "give it with --mpp"}
        by_id = "mend it, or accept the finding by its id: `accept: {id: reason}` in config.yaml"
        remedy = remedies.get(found.problem or "", by_id)
        raise HistotileError(slide, found.reason or "cannot be used", remedy)
    return found
