"""Judge a cohort on what was found in its slides, or its groups of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Inspect
from histotile.io.cohort import Cohort, read_cohort
from histotile.io.text.csv_file import write_columns
from histotile.slides.triage import triage
from histotile.stages.inspections import read_inspection
from histotile.tiling.image_cohort.tile_table import triage_images


@dataclass(frozen=True)
class Inputs:
    """The cohort file, and the folder of inspections, or of tile tables where tiles are images."""

    cohort: Path
    found: Path


@dataclass(frozen=True)
class Outputs:
    """CSV ledger: one row per slide with its verdict and reason."""

    ledger: Path


def run(inputs: Inputs, outputs: Outputs, settings: Inspect, accept: Mapping[str, str]) -> None:
    """Writes the verdict of each slide.

    Raises:
        HistotileError: Slides without a known mpp, or one slide listed twice.
    """
    members = read_cohort(inputs.cohort)
    ids = [slide.slide_id for slide in members.slides]
    if members.of_images:
        rows = triage_images({name: inputs.found / f"{name}.parquet" for name in ids})
    else:
        found = [read_inspection(inputs.found / f"{name}.json") for name in ids]
        rows = triage(found, settings, accept)
    _name_vanished(rows, members)
    write_columns(outputs.ledger, {name: [row[name] for row in rows] for name in rows[0]})
    bad = [row for row in rows if row["verdict"] != "ok"]
    what = "groups" if members.of_images else "slides"
    click.echo(f"{len(rows) - len(bad)} of {len(rows)} {what} can be used")
    for row in bad:
        click.echo(f"  quarantined: {row['slide_id']}: {row['reason']}")
    for row in rows:
        if row["warnings"]:
            click.echo(f"  warning: {row['slide_id']}: {row['warnings']}")


def _name_vanished(rows: Sequence[dict[str, object]], members: Cohort) -> None:
    """Adds to the warnings of the slides of a patient of whom no slide is left, that it is so."""
    if not members.has_patients:
        return
    patient_of = {slide.slide_id: slide.patient_id for slide in members.slides}
    left = {patient_of[str(row["slide_id"])] for row in rows if row["verdict"] == "ok"}
    for row in rows:
        patient = patient_of[str(row["slide_id"])]
        if patient not in left:
            told = f"patient {patient} vanishes from the cohort: every slide is quarantined"
            row["warnings"] = "; ".join(filter(None, [str(row["warnings"] or ""), told]))
