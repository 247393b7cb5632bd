"""Explain a decision: its table as a picture, and its page."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from histotile.io.atomic import write_text
from histotile.reports.strategy.figure import draw_decision
from histotile.reports.strategy.page import render_decision_page
from histotile.strategy.record import read_decision


@dataclass(frozen=True)
class Inputs:
    """What `decide` wrote."""

    decision: Path


@dataclass(frozen=True)
class Outputs:
    """The table with this cohort on it, SVG; the page, HTML."""

    picture: Path
    page: Path


def run(inputs: Inputs, outputs: Outputs, accept: Collection[str]) -> None:
    """Writes picture and page; `accept`: ids of findings that the user accepts."""
    decision = read_decision(inputs.decision)
    write_text(outputs.picture, draw_decision(decision))
    write_text(outputs.page, render_decision_page(decision, accept))
