"""Show how the decision fared against the other strategies."""

from dataclasses import dataclass
from pathlib import Path

from histotile.io.atomic import write_text
from histotile.reports.strategy.verification_page import render_verification_page
from histotile.strategy.entry import read_record
from histotile.strategy.verification.regret import Verification


@dataclass(frozen=True)
class Inputs:
    """What `verify` wrote."""

    verification: Path


@dataclass(frozen=True)
class Outputs:
    """The page, HTML."""

    page: Path


def run(inputs: Inputs, outputs: Outputs) -> None:
    """Writes the page."""
    found = read_record(inputs.verification, Verification, "verify")
    write_text(outputs.page, render_verification_page(found))
