"""What `inspect` found: judged over a cohort, and asked for by the verbs that read slides."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile.cli.options import (
    FILE,
    FOLDER,
    accept_option,
    config_in_force,
    output_option,
    section_settings,
    verb,
)
from histotile.config import Inspect
from histotile.errors import HistotileError
from histotile.io import cohort as cohorts

if TYPE_CHECKING:
    from histotile.slides.inspection import Inspection


@verb("inspect")
@click.argument("found", type=FOLDER)
@click.option("--cohort", type=FILE, required=True, help="The cohort file.")
@output_option("CSV ledger: one row per slide with its verdict and reason.")
@accept_option
def triage(
    found: Path, cohort: Path, output: Path, accept: dict[str, str], settings: Inspect
) -> None:
    """Judge the cohort on what was FOUND; stop on unknown mpp and on duplicates.

    FOUND is the folder of inspections, or that of tile tables where the tiles are images.
    """
    from histotile.io.atomic import write_text
    from histotile.slides.triage import triage as judge
    from histotile.tiling.image_cohort.tile_table import triage_images

    members = cohorts.read_cohort(cohort)
    ids = [slide.slide_id for slide in members.slides]
    if members.of_images:
        rows = triage_images({name: found / f"{name}.parquet" for name in ids})
    else:
        rows = judge([read_inspection(found / f"{name}.json") for name in ids], settings, accept)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(output, text.getvalue())
    bad = [row for row in rows if row["verdict"] != "ok"]
    what = "groups" if members.of_images else "slides"
    click.echo(f"{len(rows) - len(bad)} of {len(rows)} {what} can be used")
    for row in bad:
        click.echo(f"  quarantined: {row['slide_id']}: {row['reason']}")
    for row in rows:
        if row["warnings"]:
            click.echo(f"  warning: {row['slide_id']}: {row['warnings']}")


def read_inspection(path: Path) -> "Inspection":
    """What `inspect` wrote."""
    import json

    from histotile.slides.inspection import Inspection

    return Inspection.from_json(json.loads(path.read_text(encoding="utf-8")))


def look_at(slide: Path, inspection: Path | None, mpp: float | None = None) -> "Inspection":
    """What `inspect` found, or finds now with the settings in force; then a bad slide stops.

    Raises:
        HistotileError: The slide cannot be used, or is not the one that was inspected.
    """
    from dataclasses import replace

    from histotile.slides.identity import check_identity
    from histotile.slides.inspection import inspect_slide

    if inspection:
        found = read_inspection(inspection)
        if found.verdict == "ok":
            check_identity(slide, found.identity, found.slide_id)
        return replace(found, path=str(slide))

    accepted = config_in_force().accept
    found = inspect_slide(slide, slide.stem, section_settings("inspect", None), mpp, accepted)
    for warning in found.warnings:
        click.echo(f"{found.slide_id}: warning: {warning}", err=True)
    if found.verdict != "ok":
        remedies = {"unreadable": "replace it"} | ({} if mpp else {"mpp": "give it with --mpp"})
        by_id = "mend it, or accept the finding by its id: `accept: {id: reason}` in config.yaml"
        remedy = remedies.get(found.problem or "", by_id)
        raise HistotileError(slide, found.reason or "cannot be used", remedy)
    return found
