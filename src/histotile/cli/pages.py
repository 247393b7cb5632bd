"""Verbs that write pages and figures: of a slide, of an evaluation, of the cohort."""

from pathlib import Path

import click

from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    accept_option,
    configuration_option,
    output_option,
    prefix_option,
    verb,
)
from histotile.cli.settings import whole_config
from histotile.config import Report


@verb("report")
@click.argument("results", type=FOLDER)
@click.argument("slide_id")
@click.option("--cohort", type=FILE, required=True, help="The cohort file.")
@configuration_option
@prefix_option
def report_slide(
    results: Path,
    slide_id: str,
    cohort: Path,
    configuration: str | None,
    prefix: str,
    settings: Report,
) -> None:
    """Write the page of one slide: report/slides/SLIDE_ID.html in the folder RESULTS.

    It opens from disk. With full_resolution, it needs the folder SLIDE_ID_files beside it.
    """
    from histotile.stages import report_slide as stage

    outputs = stage.Outputs.of_slide(results, slide_id)
    config = whole_config(configuration)
    stage.run(stage.Inputs(cohort, results, prefix), outputs, settings, config, slide_id)


@verb()
@click.argument("decision", type=FILE)
@click.option("--picture", type=PATH, required=True, help="The table with this cohort on it, SVG.")
@click.option("--page", type=PATH, required=True, help="The page that explains it, HTML.")
@accept_option
def report_decision(decision: Path, picture: Path, page: Path, accept: dict[str, str]) -> None:
    """Explain what `decide` wrote: DECISION, a JSON file."""
    from histotile.stages import report_decision as stage

    stage.run(stage.Inputs(decision), stage.Outputs(picture, page), accept)


@verb()
@click.argument("verification", type=FILE)
@output_option("The page, HTML.")
def report_verification(verification: Path, output: Path) -> None:
    """Show what `verify` wrote: VERIFICATION, a JSON file."""
    from histotile.stages import report_verification as stage

    stage.run(stage.Inputs(verification), stage.Outputs(output))


@verb()
@click.argument("tuning", type=FILE)
@output_option("The page, HTML.")
def report_tuning(tuning: Path, output: Path) -> None:
    """Show what `tune` wrote: TUNING, a JSON file."""
    from histotile.stages import report_tuning as stage

    stage.run(stage.Inputs(tuning), stage.Outputs(output))


@verb()
@click.argument("evaluation", type=FILE)
@click.argument("figures", type=FILE)
@output_option("Folder to write roc.svg, pr.svg, reliability.svg and scores.svg in.")
def report_figures(evaluation: Path, figures: Path, output: Path) -> None:
    """Draw what `evaluate` measured: its files EVALUATION and FIGURES, both JSON."""
    from histotile.stages import report_figures as stage

    stage.run(stage.Inputs(evaluation, figures), stage.Outputs(output))


@verb("report")
@click.argument("results", type=FOLDER)
@click.option("--cohort", type=FILE, required=True, help="The cohort file.")
@configuration_option
def report(results: Path, cohort: Path, configuration: str | None, settings: Report) -> None:
    """Write the page of the cohort: report/index.html in the folder RESULTS.

    Beside it, model_card.html and reporting_checklist.html where a model was trained. It links
    the pages that `report-slide` writes; groups of ready-made tiles have none.
    """
    from histotile.stages import report as stage

    outputs = stage.Outputs.in_results(results)
    stage.run(stage.Inputs(cohort, results), outputs, settings, whole_config(configuration))


@verb()
@click.argument("cohorts", type=FILE, nargs=-1, required=True, metavar="COHORT...")
@click.option(
    "--results",
    type=FOLDER,
    multiple=True,
    help="Results of a run on each COHORT, for the guesses of its models; repeatable.",
)
@click.option("--healthy", default="Z", show_default=True, help="Label of the pictures shown left.")
@click.option(
    "--rounds", type=click.IntRange(2, 200), default=20, show_default=True, help="Per COHORT."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the pictures drawn.")
@output_option("The page, HTML.")
def game(
    cohorts: tuple[Path, ...],
    results: tuple[Path, ...],
    healthy: str,
    rounds: int,
    seed: int,
    output: Path,
) -> None:
    """Write a guess game of the ready-made tiles in COHORT, e.g. of easy ones and of hard ones.

    A person guesses the labels, and sees what models say that have not learnt from them.
    """
    from histotile.stages import game as stage

    inputs = stage.Inputs(cohorts, results)
    stage.run(inputs, stage.Outputs(output), healthy, rounds, seed)


VERBS = (
    report_slide,
    report_decision,
    report_verification,
    report_tuning,
    report_figures,
    report,
    game,
)
