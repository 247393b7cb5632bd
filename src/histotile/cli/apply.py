"""The verb for new slides: a trained model, a slide, and everything up to its page."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histotile.cli.inference import BATCH
from histotile.cli.options import PATH, mpp_option, threads_option, verb, whole_config
from histotile.cli.progress import Progress
from histotile.config import Config
from histotile.config.yaml_file import validate
from histotile.errors import HistotileError
from histotile.io.cohort import (
    Cohort,
    CohortSlide,
    is_file_name,
)

if TYPE_CHECKING:
    from histotile.cli.gathering import Gathered
    from histotile.inference.model_metadata import ModelFacts
    from histotile.reports.facts import SlideScore
    from histotile.trust.judging import Familiarity


@verb()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("slide", type=PATH)
@click.argument("output", type=PATH)
@click.option("--slide-id", help="Id of the slide; default: its file name without suffix.")
@click.option("--configuration", metavar="JSON", help="All settings; default: those in force.")
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
    from histotile.cli.files import read_familiarity
    from histotile.cli.inference import predict_to
    from histotile.cli.painting import paint
    from histotile.data.profiling.profiler import process_age_s
    from histotile.inference.ensemble import load_members
    from histotile.inference.model_metadata import MOST_LOST
    from histotile.io import tables
    from histotile.reports.cohort.unread_tiles import lost_share

    config = whole_config(configuration)
    ensemble = load_members([model], config.engine, threads)
    ensemble.prepare()
    start_s = process_age_s()  # before the work on the slide, which is no start
    config = _fit(config, ensemble.facts)
    name = slide_id or slide.stem
    if not is_file_name(name):
        raise HistotileError("--slide-id", f"{name!r} cannot name a file", "choose another id")
    tiles = output / "tile" / f"{name}.parquet"
    _tile(slide, name, output, config, mpp, threads)
    predictions = output / "predict" / f"{name}.parquet"
    timing = output / "predict" / f"{name}.timing.json"
    predict_to({tiles: predictions}, {tiles: timing}, ensemble, start_s, batch_size)
    picture = output / "heatmap" / f"{name}.png"
    paint(tiles, predictions, picture, config.heatmap)
    page, score = _write_page(slide, name, output, config, of_cohort)
    left_out = _tell(tables.read_footer(tiles), read_familiarity(predictions), score, page)
    # In a cohort the other slides go on, and `report` names this one.
    if (left_out or lost_share(predictions) > MOST_LOST) and not of_cohort:
        sys.exit(LEFT_OUT)


LEFT_OUT = 3  # exit status


def _tell(
    footer: dict[str, Any], familiarity: "Familiarity", score: "SlideScore", page: Path
) -> bool:
    """Says what became of the slide and where its page is; whether it was left out."""
    from histotile.reports.wording import excluded_tiles, terminal_safe, used_tiles

    name, counts = footer["slide_id"], footer["counts"]
    used, why = used_tiles(counts), footer["reason"] or "no tile is left to use"
    if used:
        told = ", ".join(f"{c} {p:.3f}" for c, p in score.scores.items() if p is not None)
        rest = f", {excluded_tiles(counts)} excluded" if excluded_tiles(counts) else ""
        doubt = ", foreign to the model: it means nothing" if familiarity.flag == "foreign" else ""
        click.echo(terminal_safe(f"{name}: {told}{doubt}; {used} tiles used{rest}"))
    else:
        kind = "no tiles" if footer["verdict"] == "ok" else footer["verdict"]
        click.echo(terminal_safe(f"Left out: {name}: {kind}: {why}"))
    click.echo(terminal_safe(f"Page to open: {page}"))
    return not used


def _fit(config: Config, model: "ModelFacts") -> Config:
    """The settings with the classes and the tiles the model was trained on; no labels."""
    data: dict[str, Any] = config.model_dump(mode="json")
    tile = data["tile"]
    tile["stride_px"] = max(1, round(tile["stride_px"] * model.tile_px / tile["tile_px"]))
    tile |= {"mpp": model.tile_mpp, "tile_px": model.tile_px}
    tile["labels"] |= {"source": "slide", "names": {}, "outside": None}
    data["classes"] = list(model.classes)
    if data["heatmap"]["class_name"] not in model.classes:
        data["heatmap"]["class_name"] = None
    return validate(Config, data, "settings for this model")


def _tile(
    slide: Path, name: str, output: Path, config: Config, mpp: float | None, threads: int
) -> None:
    from histotile.cli.masking import tell, write_mask
    from histotile.cli.slides import tissue_of, write_image
    from histotile.io import tables
    from histotile.io.atomic import write_json
    from histotile.slides.inspection import inspect_slide
    from histotile.slides.tissue.tissue import draw_overlay
    from histotile.tiling.labels import SlideTruth
    from histotile.tiling.ledger import (
        tell_ledger,
        with_tissue,
    )
    from histotile.tiling.measures import Readers
    from histotile.tiling.tile_table import tabulate

    found = inspect_slide(slide, name, config.inspect, mpp)
    write_json(output / "inspect" / f"{name}.json", found.to_json())
    levels, aside = None, []
    if found.verdict == "ok":
        overview, survey = tissue_of(slide, found, config.mask)
        levels, aside = survey.levels, survey.ledger
        write_mask(output / "mask" / f"{name}.png", survey)
        write_image(output / "mask" / f"{name}.overlay.jpg", draw_overlay(overview, levels))
        tell(name, survey, (found.mpp or 0.0) * found.width / levels.shape[1])
    else:
        click.echo(f"{name}: {found.verdict}: {found.reason}", err=True)
    truth = SlideTruth(name, config.classes)
    readers = Readers(threads, Progress(f"tile {name}"))
    columns, footer = tabulate(found, levels, truth, config.tile, readers)
    footer = with_tissue(footer, aside)
    tables.write_table(output / "tile" / f"{name}.parquet", columns, tables.TILES, footer)
    click.echo("\n".join([f"{name}: {footer['counts']}", *tell_ledger(footer)]))


def _write_page(
    slide: Path, name: str, output: Path, config: Config, of_cohort: bool
) -> tuple[Path, "SlideScore"]:
    from histotile.cli.gathering import Gathered
    from histotile.cli.pages import write_slide_page

    cohort = Cohort((CohortSlide(name, name, slide),), has_patients=False)
    gathered = Gathered(output, cohort, config, config.report)
    score = _score(gathered, name)
    return write_slide_page(gathered, cohort[name], score, of_cohort), score


def _score(gathered: "Gathered", name: str) -> "SlideScore":
    import numpy as np

    from histotile.aggregation.aggregate import (
        FoldSlide,
        PredictedTiles,
        aggregate_cohort,
    )
    from histotile.cli.scores import read_score
    from histotile.io.tables import read_table

    config = gathered.config
    table = read_table(gathered.results / "predict" / f"{name}.parquet")
    probabilities = np.stack([table[f"prob_{c}"].to_numpy() for c in config.classes], axis=1)
    tiles = PredictedTiles(table["x"].to_numpy(), table["y"].to_numpy(), probabilities)
    facts = [FoldSlide(name, name, None, None, "new")]
    columns, _ = aggregate_cohort(facts, [(name, tiles)], config.classes, config.aggregate)
    row = {column: "" if value is None else str(value) for column, (value,) in columns.items()}
    return read_score(row, config.classes)


VERBS = (apply,)
