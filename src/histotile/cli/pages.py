"""Verbs that write pages: one per slide, and one for the cohort."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile.cli.options import FILE, FOLDER, verb, whole_config
from histotile.cli.progress import Progress
from histotile.config import Report
from histotile.errors import HistotileError
from histotile.io import cohort as cohorts

if TYPE_CHECKING:
    from histotile.cli.gathering import Gathered
    from histotile.io.cohort import CohortSlide
    from histotile.reports.facts import SlideScore


@verb("report")
@click.argument("results", type=FOLDER)
@click.argument("slide_id")
@click.option("--cohort", type=FILE, required=True, help="The cohort file.")
@click.option(
    "--configuration", metavar="JSON", help="Sections of settings; default: those in force."
)
def report_slide(
    results: Path, slide_id: str, cohort: Path, configuration: str | None, settings: Report
) -> None:
    """Write the page of one slide: report/slides/SLIDE_ID.html in the folder RESULTS.

    It opens from disk. With full_resolution, it needs the folder SLIDE_ID_files beside it.
    """
    from histotile.cli.gathering import Gathered

    members = cohorts.read_cohort(cohort)
    slide = next((s for s in members.slides if s.slide_id == slide_id), None)
    if slide is None:
        raise HistotileError(cohort, f"it lists no slide {slide_id!r}", "mend the id")
    if slide.labels:
        fact = f"{slide_id!r} is a group of ready-made tiles, which has no page of its own"
        raise HistotileError(cohort, fact, "see its row on the cohort page (`histotile report`)")
    gathered = Gathered(results, members, whole_config(configuration), settings)
    click.echo(write_slide_page(gathered, slide))


@verb("report")
@click.argument("results", type=FOLDER)
@click.option("--cohort", type=FILE, required=True, help="The cohort file.")
@click.option("--configuration", metavar="JSON", help="All settings; default: those in force.")
def report(results: Path, cohort: Path, configuration: str | None, settings: Report) -> None:
    """Write the page of the cohort: report/index.html in the folder RESULTS.

    Beside it, model_card.html and reporting_checklist.html where a model was trained. It links
    the pages that `report-slide` writes; groups of ready-made tiles have none.
    """
    from histotile.cli.gathering import Gathered
    from histotile.io.atomic import write_text
    from histotile.reports.checklist.checklist import render_checklist
    from histotile.reports.cohort.page import render_cohort_page
    from histotile.reports.cohort.terminal_summary import summary_lines
    from histotile.reports.facts import summarise_slide
    from histotile.reports.model_card.model_card import render_model_card

    config = whole_config(configuration)
    gathered = Gathered(results, cohorts.read_cohort(cohort), config, settings)
    summaries = []
    progress = Progress("report", "slides")
    slides = gathered.cohort.slides
    for done, slide in enumerate(slides, 1):
        summaries.append(summarise_slide(gathered.slide(slide, pictured=False)))
        progress(done, len(slides))
    cohort_facts = gathered.whole(summaries)
    page = results / "report/index.html"
    write_text(page, render_cohort_page(cohort_facts))
    if cohort_facts.run.models:  # trained here, not only predicted
        write_text(page.with_name("model_card.html"), render_model_card(cohort_facts))
        write_text(page.with_name("reporting_checklist.html"), render_checklist(cohort_facts))
    lines = summary_lines(cohort_facts, page)
    write_text(results / "report/summary.txt", "\n".join(lines) + "\n")
    click.echo("\n".join(lines))


def write_slide_page(
    gathered: "Gathered",
    slide: "CohortSlide",
    score: "SlideScore | None" = None,
    of_cohort: bool = True,
) -> Path:
    """The page of a slide, written, and its thumbnail for the page of the cohort.

    Its folder of pictures too, or removed where none is asked for.

    Args:
        gathered: The results.
        slide: One of its cohort, not a group of images.
        score: Score of a slide predicted by itself; None: that of its cohort.
        of_cohort: Whether there is a page of the cohort to link to.
    """
    from histotile.cli.scenes import slide_facts
    from histotile.io.atomic import (
        replacing,
        write_text,
    )
    from histotile.reports.facts import summarise_slide
    from histotile.reports.slide.page import render_slide_page

    page = gathered.results / "report/slides" / f"{slide.slide_id}.html"
    folder = page.with_name(f"{slide.slide_id}_files")
    is_full = gathered.settings.full_resolution
    facts = slide_facts(gathered, slide, folder if is_full else None)
    facts = replace(
        facts,
        score=score or facts.score,
        cohort_page=facts.cohort_page if of_cohort else None,
        thumbnail=None,
    )
    write_text(page, render_slide_page(facts))
    thumbnail = summarise_slide(facts).thumbnail
    with replacing(page.with_suffix(".jpg")) as temporary:
        temporary.write_bytes(thumbnail or b"")  # empty: no picture at all
    if not is_full and folder.is_dir():
        shutil.rmtree(folder)
    return page


VERBS = (report_slide, report)
