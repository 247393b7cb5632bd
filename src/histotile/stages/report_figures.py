"""Draw the figures of an evaluation."""

from dataclasses import dataclass
from pathlib import Path

from histotile.evaluation.figures.figures import draw_pictures
from histotile.evaluation.figures.shown import Shown
from histotile.io.atomic import write_text
from histotile.stages.files import read_json


@dataclass(frozen=True)
class Inputs:
    """What `evaluate` wrote: its JSON for the report, and that of what the figures show."""

    evaluation: Path
    figures: Path


@dataclass(frozen=True)
class Outputs:
    """Folder of roc.svg, pr.svg, reliability.svg and scores.svg."""

    folder: Path


def run(inputs: Inputs, outputs: Outputs) -> None:
    """Writes the figures; where there is nothing to show, one says so."""
    shown = Shown.from_json(read_json(inputs.figures))
    for name, svg in draw_pictures(shown, read_json(inputs.evaluation)).items():
        write_text(outputs.folder / name, svg)
