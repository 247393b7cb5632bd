"""Tables of predictions, written and told; by `predict` of a cohort, by `apply` of a new slide."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.inference.engines.hardware import engine_words
from histotile.inference.ensemble import Ensemble
from histotile.inference.model_metadata import MOST_LOST
from histotile.inference.predict import Prediction, predict_slides
from histotile.io.atomic import write_json
from histotile.io.progress import Progress
from histotile.io.tables import prediction_schema, write_table
from histotile.trust.judging import Familiarity
from histotile.trust.sentences import tell, tell_rate


@dataclass(frozen=True)
class Slide:
    """A slide's tile table, where its predictions go, and the JSON of speed, if any.

    `slide` is where the slide is; None: where it was when it was tiled.
    """

    tiles: Path
    predictions: Path
    timing: Path | None = None
    slide: Path | None = None


def write_predictions(
    slides: Sequence[Slide], ensemble: Ensemble, start_s: float, batch_size: int | None = None
) -> None:
    """Write the prediction tables of slides, and say how fast it went.

    Speed stands on the terminal and in the timing, not in the table: the same tiles give the same
    bytes.

    Args:
        slides: What is read, and what is written.
        ensemble: Its members judge.
        start_s: Seconds it took to have the ensemble ready; the first slide's timing counts them.
        batch_size: Tiles at once; None: what suits the engine.
    """
    for note in ensemble.notes:
        click.echo(note, err=True)
    tables = [slide.tiles for slide in slides]
    places = {slide.tiles: slide.slide for slide in slides if slide.slide}
    progress = Progress(f"predict {tables[0].stem}" if len(tables) == 1 else "predict")
    found = predict_slides(places or tables, ensemble, batch_size, progress)
    for slide, prediction in zip(slides, found, strict=True):
        prediction.profiler.start_s, start_s = prediction.profiler.start_s + start_s, 0.0
        schema = prediction_schema(prediction.task.columns)
        write_table(slide.predictions, prediction.columns, schema, prediction.facts)
        if slide.timing:
            write_json(slide.timing, prediction.timing())
        _tell(prediction)


def _tell(prediction: Prediction) -> None:
    """Say how fast a slide was, and whether its score may mean nothing."""
    facts = prediction.facts
    name = facts["slide_id"]
    click.echo(f"{name}: {prediction.profiler.line()}; {engine_words(prediction.timing())}")
    found = Familiarity(**facts["familiarity"])
    if found.flag != "familiar" and len(prediction.columns["tile_id"]):
        rate = tell_rate(found)
        told = f"{tell(found)} ({rate})" if rate else tell(found)
        click.echo(f"Attention: {name} is {told}", err=True)
    if facts["lost_share"] > MOST_LOST:
        lost = f"{facts['lost_share']:.0%} of the tiles could not be read"
        click.echo(f"Attention: {name}: {lost}: the score stands for the rest alone", err=True)
