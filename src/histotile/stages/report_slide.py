"""Write the page of one slide."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import click

from histotile.config import Config, Report
from histotile.errors import HistotileError
from histotile.io.atomic import replacing, write_text
from histotile.io.cohort import CohortSlide, placed, read_cohort
from histotile.reports.facts import SlideScore, summarise_slide
from histotile.reports.slide.page import render_slide_page
from histotile.stages.results_folder import Gathered
from histotile.stages.slide_viewer import slide_facts


@dataclass(frozen=True)
class Inputs:
    """The cohort file, and the folder of results; all that is there of the slide is shown.

    `prefix` is what comes before the paths in the cohort file, see `placed`.
    """

    cohort: Path
    results: Path
    prefix: str = ""


@dataclass(frozen=True)
class Outputs:
    """A page, its picture for the page of the cohort, and, if asked for, a folder of pictures."""

    page: Path
    thumbnail: Path
    pictures: Path

    @classmethod
    def of_slide(cls, results: Path, slide_id: str) -> "Outputs":
        """Those of a slide in a folder of results."""
        page = results / "report/slides" / f"{slide_id}.html"
        return cls(page, page.with_suffix(".jpg"), page.with_name(f"{slide_id}_files"))


def run(inputs: Inputs, outputs: Outputs, settings: Report, config: Config, slide_id: str) -> None:
    """Writes the page of a slide.

    Raises:
        HistotileError: The cohort does not list it, or it is a group of images.
    """
    members = placed(read_cohort(inputs.cohort), inputs.prefix)
    slide = next((s for s in members.slides if s.slide_id == slide_id), None)
    if slide is None:
        raise HistotileError(inputs.cohort, f"it lists no slide {slide_id!r}", "mend the id")
    if slide.labels:
        fact = f"{slide_id!r} is a group of ready-made tiles, which has no page of its own"
        remedy = "see its row on the cohort page (`histotile report`)"
        raise HistotileError(inputs.cohort, fact, remedy)
    write_slide_page(outputs, Gathered(inputs.results, members, config, settings), slide)
    click.echo(outputs.page)


def write_slide_page(
    outputs: Outputs,
    gathered: Gathered,
    slide: CohortSlide,
    score: SlideScore | None = None,
    of_cohort: bool = True,
) -> None:
    """The page of a slide, written, and its thumbnail for the page of the cohort.

    Its folder of pictures too, or removed where none is asked for.

    Args:
        outputs: What is written.
        gathered: The results.
        slide: One of its cohort, not a group of images.
        score: Score of a slide predicted by itself; None: that of its cohort.
        of_cohort: Whether there is a page of the cohort to link to.
    """
    is_full = gathered.settings.full_resolution
    facts = slide_facts(gathered, slide, outputs.pictures if is_full else None)
    facts = replace(
        facts,
        score=score or facts.score,
        cohort_page=facts.cohort_page if of_cohort else None,
        thumbnail=None,
    )
    write_text(outputs.page, render_slide_page(facts))
    if is_full:
        outputs.pictures.mkdir(parents=True, exist_ok=True)  # empty: a slide without tiles
    thumbnail = summarise_slide(facts).thumbnail
    with replacing(outputs.thumbnail) as temporary:
        temporary.write_bytes(thumbnail or b"")  # empty: no picture at all
    if not is_full and outputs.pictures.is_dir():
        shutil.rmtree(outputs.pictures)
