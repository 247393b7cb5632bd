"""List the labelled images of a cohort of ready-made tiles, group by group."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.io.atomic import write_text
from histotile.io.cohort import cohort_csv
from histotile.io.cohort_checks import accepted_lines, check_cohort
from histotile.tasks.task import Task
from histotile.tiling.image_cohort.listing import list_images
from histotile.tiling.image_cohort.other_files import count_others_below, say_others


@dataclass(frozen=True)
class Inputs:
    """A folder per class, or a CSV of path and label."""

    cohort: Path


@dataclass(frozen=True)
class Outputs:
    """Cohort file: one row per group of images."""

    cohort: Path


def run(inputs: Inputs, outputs: Outputs, task: Task, accept: Mapping[str, str]) -> None:
    """Writes the groups of images where a cohort of slides lists slides."""
    cohort = inputs.cohort
    found = list_images(cohort, task)
    check_cohort(found.cohort, accept, cohort)
    write_text(outputs.cohort, cohort_csv(found.cohort))
    suffixes = Counter(Path(image.file).suffix.lower() for image in found.images)
    kinds = ", ".join(f"{suffix} {count}" for suffix, count in sorted(suffixes.items()))
    click.echo(f"{len(found.images)} images ({kinds}) in {len(found.cohort.slides)} groups")
    if others := say_others(count_others_below(str(cohort)) if cohort.is_dir() else {}):
        click.echo(f"Attention: {others}")
    click.echo(f"{len(found.images)} images in {len(found.cohort.slides)} groups")
    for line in (*accepted_lines(found.cohort, accept), *found.remarks):
        click.echo(f"Attention: {line}")
    if not found.cohort.has_patients:
        click.echo("Attention: no group given; leakage between tiles of a patient is possible")
