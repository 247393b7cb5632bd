"""The verb that names everything wrong, before the first job."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile.cli.options import verb
from histotile.config.yaml_file import merged_settings, standard_config
from histotile.io.progress import Progress

if TYPE_CHECKING:
    from histotile.checks.whole import Report


@verb()
@click.option("--json", "as_json", is_flag=True, help="For programs: all of it as JSON.")
@click.option(
    "--forecast/--no-forecast",
    default=True,
    help="Whether to try every stage on a few tiles, which takes a minute or some.",
)
@click.pass_context
def check(context: click.Context, as_json: bool, forecast: bool) -> None:
    """Name everything wrong with settings, cohort, slides, network and machine, all at once.

    Of at most 20 slides the overviews are looked at. It ends with a forecast of tiles, processor
    time, memory and disk. Exit status: 0 if nothing stands in the way of a run, 2 otherwise.
    """
    from histotile.checks.problem import errors, tell
    from histotile.checks.start import look
    from histotile.checks.whole import examine

    overlay: Path | None = context.find_root().obj
    files = [file for file in (standard_config(), overlay) if file is not None]
    found = look(merged_settings(files), files)
    report = examine(found, forecast, Progress("check", "slides"))
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        _tell(report, tell(report.problems))
    if errors(report.problems):
        sys.exit(2)


def _tell(report: "Report", lines: list[str]) -> None:
    import os

    from histotile.checks.forecast.wording import tell_forecast
    from histotile.checks.machine import describe_machine

    click.echo("\n".join(lines))
    click.echo(f"This machine: {describe_machine()}")
    if report.forecast is not None:
        click.echo("\n".join(tell_forecast(report.forecast, os.cpu_count() or 1)))
    else:
        click.echo(f"No forecast: {report.no_forecast}")


VERBS = (check,)
