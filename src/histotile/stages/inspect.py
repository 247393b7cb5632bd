"""Open a slide at every level: its scale, and whether it can be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Inspect
from histotile.io.atomic import write_json
from histotile.slides.opening.first_look import inspect_apart


@dataclass(frozen=True)
class Inputs:
    """The slide file, or the folder of a DICOM series."""

    slide: Path


@dataclass(frozen=True)
class Outputs:
    """JSON of what was found."""

    inspection: Path


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Inspect,
    slide_id: str,
    mpp: float | None = None,
    accept: Mapping[str, str] | None = None,
) -> None:
    """Writes what the slide is, and whether it can be used; a bad slide is a result, no error.

    Args:
        inputs: The slide.
        outputs: What is written.
        settings: Section `inspect`.
        slide_id: Its name in the cohort.
        mpp: um per level-0 px as the user gives it.
        accept: Ids of findings -> the user's reasons.
    """
    found = inspect_apart(inputs.slide, slide_id, settings, mpp, accept or {})
    write_json(outputs.inspection, found)
    scale = f", {found['mpp']:.4g} um/px ({found['mpp_source']})" if found["mpp"] else ""
    reason = f" - {found['reason']}" if found["reason"] else ""
    click.echo(f"{found['slide_id']}: {found['verdict']}{scale}{reason}")
    for warning in found["warnings"]:
        click.echo(f"  warning: {warning}")
