"""Write the page of the cohort, the model card and the reporting checklist."""

from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Config, Report
from histotile.io.atomic import write_text
from histotile.io.cohort import read_cohort
from histotile.io.progress import Progress
from histotile.reports.checklist.checklist import render_checklist
from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.cohort.terminal_summary import summary_lines
from histotile.reports.facts import summarise_slide
from histotile.reports.model_card.model_card import render_model_card
from histotile.stages.results_folder import Gathered


@dataclass(frozen=True)
class Inputs:
    """The cohort file, and the folder of results, of which all that is there is shown."""

    cohort: Path
    results: Path


@dataclass(frozen=True)
class Outputs:
    """Page and summary; model card and checklist where a model was trained, not only used."""

    page: Path
    model_card: Path
    checklist: Path
    summary: Path

    @classmethod
    def in_results(cls, results: Path) -> "Outputs":
        """Those of a folder of results."""
        names = ("index.html", "model_card.html", "reporting_checklist.html", "summary.txt")
        return cls(*(results / "report" / name for name in names))


def run(inputs: Inputs, outputs: Outputs, settings: Report, config: Config) -> None:
    """Writes the pages."""
    gathered = Gathered(inputs.results, read_cohort(inputs.cohort), config, settings)
    summaries = []
    progress = Progress("report", "slides")
    slides = gathered.cohort.slides
    for done, slide in enumerate(slides, 1):
        summaries.append(summarise_slide(gathered.slide(slide, pictured=False)))
        progress(done, len(slides))
    facts = gathered.whole(summaries)
    write_text(outputs.page, render_cohort_page(facts))
    if facts.run.models:
        write_text(outputs.model_card, render_model_card(facts))
        write_text(outputs.checklist, render_checklist(facts))
    lines = summary_lines(facts, outputs.page)
    write_text(outputs.summary, "\n".join(lines) + "\n")
    click.echo("\n".join(lines))
