"""Show what a search for settings found, and what it cost."""

from dataclasses import dataclass
from pathlib import Path

from histotile.io.atomic import write_text
from histotile.reports.strategy.tuning_page import render_tuning_page
from histotile.strategy.entry import read_record
from histotile.strategy.tuning.record import Tuning


@dataclass(frozen=True)
class Inputs:
    """What `tune` wrote."""

    tuning: Path


@dataclass(frozen=True)
class Outputs:
    """The page, HTML."""

    page: Path


def run(inputs: Inputs, outputs: Outputs) -> None:
    """Writes the page."""
    write_text(outputs.page, render_tuning_page(read_record(inputs.tuning, Tuning, "tune")))
