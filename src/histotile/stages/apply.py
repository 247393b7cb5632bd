"""Predict a new slide with a trained model: everything from the file to its page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from histotile.aggregation.aggregate import FoldSlide
from histotile.aggregation.cohort import aggregate_cohort
from histotile.config import Config
from histotile.config.yaml_file import validate
from histotile.data.profiling.profiler import process_age_s
from histotile.errors import HistotileError
from histotile.inference.ensemble import load_members
from histotile.inference.model_metadata import MOST_LOST, ModelMetadata
from histotile.io.cohort import Cohort, CohortSlide
from histotile.io.tile_spec import TileSpec, read_spec
from histotile.reports.cohort.unread_tiles import lost_share
from histotile.reports.facts import SlideScore
from histotile.reports.wording import excluded_tiles, terminal_safe, used_tiles
from histotile.stages import heatmap, inspect, mask, predictions, report_slide, tile
from histotile.stages.aggregate import read_tiles
from histotile.stages.files import read_familiarity
from histotile.stages.machine import Machine
from histotile.stages.results_folder import Gathered
from histotile.stages.scores import read_score
from histotile.tasks.registry import config_task, settings_of
from histotile.trust.judging import Familiarity


@dataclass(frozen=True)
class Inputs:
    """The model with all its folds, and the new slide.

    Attributes:
        model: Folder of folds, a fold, or a file.
        slide: The slide file.
        slide_id: Its name.
        mpp: um per level-0 px as the user gives it.
    """

    model: Path
    slide: Path
    slide_id: str
    mpp: float | None = None


@dataclass(frozen=True)
class Outputs:
    """The files of a slide, in a folder laid out as results of the workflow are."""

    folder: Path
    inspection: inspect.Outputs
    mask: mask.Outputs
    tiles: tile.Outputs
    predictions: Path
    timing: Path
    heatmap: heatmap.Outputs
    page: report_slide.Outputs

    @classmethod
    def of_slide(cls, folder: Path, slide_id: str) -> "Outputs":
        """Those of a slide."""
        masks, guesses = folder / "mask", folder / "predict"
        return cls(
            folder,
            inspect.Outputs(folder / "inspect" / f"{slide_id}.json"),
            mask.Outputs(masks / f"{slide_id}.png", masks / f"{slide_id}.overlay.jpg"),
            tile.Outputs(folder / "tile" / f"{slide_id}.parquet"),
            guesses / f"{slide_id}.parquet",
            guesses / f"{slide_id}.timing.json",
            heatmap.Outputs.beside(folder / "heatmap" / f"{slide_id}.png"),
            report_slide.Outputs.of_slide(folder, slide_id),
        )


def run(
    inputs: Inputs, outputs: Outputs, config: Config, machine: Machine, of_cohort: bool
) -> bool:
    """Writes mask, tiles, predictions, heatmap and page of the slide.

    Args:
        inputs: The model and the slide.
        outputs: What is written.
        config: All settings; classes, scale and size of the tiles are those of the model.
        machine: What computes.
        of_cohort: Whether there is a page of the cohort to link to.

    Returns:
        Whether the slide has a score that stands for nearly all of its tiles.
    """
    if config.aggregate.is_learnt:
        fact = f"{config.aggregate.method} learns the slides of a cohort, and keeps no learner"
        remedy = "set a method that pools tiles for new slides, e.g. top_k"
        raise HistotileError("aggregate.method", fact, remedy)
    ensemble = load_members([inputs.model], machine.engine, machine.threads)
    ensemble.prepare()
    start_s = process_age_s()  # before the work on the slide, which is no start
    config = _fit(config, ensemble.facts)
    _tile(inputs, outputs, config, machine.threads)
    tiles, guesses = outputs.tiles.tiles, outputs.predictions
    slide = predictions.Slide(tiles, guesses, outputs.timing, inputs.slide)
    predictions.write_predictions([slide], ensemble, start_s, machine.batch_size)
    heatmap.run(heatmap.Inputs(tiles, guesses, inputs.slide), outputs.heatmap, config.heatmap)
    score = _write_page(inputs, outputs, config, of_cohort)
    used = _tell(read_spec(tiles), read_familiarity(guesses), score, outputs.page.page)
    return used and lost_share(guesses) <= MOST_LOST


def _fit(config: Config, model: ModelMetadata) -> Config:
    """The settings with the classes and the tiles the model was trained on; no labels."""
    data: dict[str, Any] = config.model_dump(mode="json")
    settings = data["tile"]
    stride_px = settings["stride_px"] * model.tile_px / settings["tile_px"]
    settings |= {"mpp": model.tile_mpp, "tile_px": model.tile_px}
    settings["stride_px"] = max(1, round(stride_px))
    settings["labels"] |= {"source": "slide", "names": {}, "outside": None}
    data["classes"] = list(model.classes)
    data["task"] |= settings_of(model.task)
    if data["heatmap"]["class_name"] not in model.classes:
        data["heatmap"]["class_name"] = None
    return validate(Config, data, "settings for this model")


def _tile(inputs: Inputs, outputs: Outputs, config: Config, threads: int) -> None:
    slide, found = inputs.slide, outputs.inspection.inspection
    given = (inputs.slide_id, inputs.mpp)
    inspect.run(inspect.Inputs(slide), outputs.inspection, config.inspect, *given)
    mask.run(mask.Inputs(slide, found), outputs.mask, config.mask)
    labels = tile.Labels(config_task(config))
    known = tile.Inputs(slide, found, outputs.mask.mask)
    tile.run(known, outputs.tiles, config.tile, labels, threads)


def _write_page(inputs: Inputs, outputs: Outputs, config: Config, of_cohort: bool) -> SlideScore:
    name = inputs.slide_id
    slide = CohortSlide(name, name, inputs.slide)
    cohort = Cohort((slide,), has_patients=False)
    gathered = Gathered(outputs.folder, cohort, config, config.report)
    score = _score(outputs.predictions.parent, name, config)
    report_slide.write_slide_page(outputs.page, gathered, slide, score, of_cohort)
    return score


def _score(folder: Path, name: str, config: Config) -> SlideScore:
    task = config_task(config)
    facts = [FoldSlide(name, name, None, None, "new")]
    columns, _ = aggregate_cohort(
        facts, [(name, read_tiles(folder, name, task))], task, config.aggregate
    )
    row = {column: "" if value is None else str(value) for column, (value,) in columns.items()}
    return read_score(row, task)


def _tell(spec: TileSpec, familiarity: Familiarity, score: SlideScore, page: Path) -> bool:
    """Says what became of the slide and where its page is; whether any tile was used."""
    name, counts = spec.slide_id, spec.counts
    used, why = used_tiles(counts), spec.reason or "no tile is left to use"
    if used:
        told = ", ".join(f"{c} {p:.3f}" for c, p in score.scores.items() if p is not None)
        rest = f", {excluded_tiles(counts)} excluded" if excluded_tiles(counts) else ""
        doubt = ", foreign to the model: it means nothing" if familiarity.flag == "foreign" else ""
        click.echo(terminal_safe(f"{name}: {told}{doubt}; {used} tiles used{rest}"))
    else:
        kind = "no tiles" if spec.verdict == "ok" else spec.verdict
        click.echo(terminal_safe(f"Left out: {name}: {kind}: {why}"))
    click.echo(terminal_safe(f"Page to open: {page}"))
    return bool(used)
