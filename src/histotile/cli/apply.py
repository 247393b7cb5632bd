"""The verb for new slides: a trained model, a slide, and everything up to its page."""

import sys
from pathlib import Path

import click

from histotile.cli.inference import BATCH
from histotile.cli.options import PATH, configuration_option, mpp_option, threads_option, verb
from histotile.cli.settings import whole_config
from histotile.errors import HistotileError
from histotile.io.cohort import is_file_name


@verb()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("slide", type=PATH)
@click.argument("output", type=PATH)
@click.option("--slide-id", help="Id of the slide; default: its file name without suffix.")
@configuration_option
@BATCH
@click.option(
    "--of-cohort", is_flag=True, help="Link the page to that of a cohort, which `report` writes."
)
@mpp_option
@threads_option
def apply(
    model: Path,
    slide: Path,
    output: Path,
    slide_id: str | None,
    configuration: str | None,
    batch_size: int | None,
    of_cohort: bool,
    mpp: float | None,
    threads: int,
) -> None:
    """Predict the new SLIDE with MODEL (all its folds): mask, tiles, heatmap and page in OUTPUT.

    Scale and size of the tiles come from the model; nothing is trained. The folder is laid out as
    results of the workflow are, so slides add up in it.

    Exit status: 0, the slide has a score; 3, it was left out (it cannot be used, or has no tile to
    use), or more than 10 % of its tiles could not be read, and its page says so; 2, a mistake,
    e.g. no such model.
    """
    from histotile.stages import apply as stage
    from histotile.stages.machine import Machine

    name = slide_id or slide.stem
    if not is_file_name(name):
        raise HistotileError("--slide-id", f"{name!r} cannot name a file", "choose another id")
    config = whole_config(configuration)
    inputs, outputs = stage.Inputs(model, slide, name, mpp), stage.Outputs.of_slide(output, name)
    is_scored = stage.run(
        inputs, outputs, config, Machine(config.engine, threads, batch_size), of_cohort
    )
    # In a cohort the other slides go on, and `report` names this one.
    if not is_scored and not of_cohort:
        sys.exit(LEFT_OUT)


LEFT_OUT = 3  # exit status
VERBS = (apply,)
