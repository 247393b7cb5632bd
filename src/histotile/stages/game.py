"""Write the guess game: a person against a model that has not seen the pictures."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.errors import HistotileError
from histotile.io.atomic import write_text
from histotile.io.tables import read_footer, read_table
from histotile.reports.game.page import Card, Mode, render_game
from histotile.tasks.registry import read_task
from histotile.tasks.task import read_values


@dataclass(frozen=True)
class Inputs:
    """Lists of ready-made tiles (path, label); results of a run on each, in the same order."""

    cohorts: Sequence[Path]
    results: Sequence[Path] = ()


@dataclass(frozen=True)
class Outputs:
    """A page, .html."""

    page: Path


def run(inputs: Inputs, outputs: Outputs, healthy: str, rounds: int, seed: int) -> None:
    """Writes the page.

    Args:
        inputs: What is guessed, and by whom it was.
        outputs: Where the page goes.
        healthy: Label of the pictures on the left.
        rounds: Pictures of each cohort.
        seed: Of their draw.

    Raises:
        HistotileError: Another number of results than of cohorts, a list without path and label,
            results of other pictures, or no healthy picture.
    """
    if inputs.results and len(inputs.results) != len(inputs.cohorts):
        fact = f"{len(inputs.results)} for {len(inputs.cohorts)} cohorts"
        raise HistotileError("--results", fact, "give one of each cohort, in their order")
    modes: list[Mode] = []
    for number, cohort in enumerate(inputs.cohorts):
        guesses = _guesses(inputs.results[number]) if inputs.results else {}
        cards = [Card(path, label, guesses.get(path)) for path, label in _listed(cohort)]
        if guesses and not any(card.guess for card in cards):
            remedy = f"give those of a run on {cohort}"
            raise HistotileError(inputs.results[number], "guesses none of these pictures", remedy)
        modes.append(Mode(_name(cohort, {mode.name for mode in modes}), healthy, cards))
    write_text(outputs.page, render_game(modes, rounds, seed))
    click.echo(f"{outputs.page}: {', '.join(mode.name for mode in modes)}")


def _listed(cohort: Path) -> list[tuple[Path, str]]:
    """File and label of each picture."""
    with cohort.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if not rows or not {"path", "label"} <= set(rows[0]):
        remedy = "give a cohort of ready-made tiles: CSV of path and label"
        raise HistotileError(cohort, "lists no pictures with label", remedy)
    return [(Path(row["path"]).resolve(), row["label"]) for row in rows if row["label"]]


def _name(cohort: Path, taken: set[str]) -> str:
    """As hard as its truth says, else the name of its folder."""
    truth = cohort.with_name("truth.json")
    name = cohort.resolve().parent.name
    if truth.is_file():
        told = json.loads(truth.read_text(encoding="utf-8"))
        name = str(told.get("settings", {}).get("mode", name))
    if name not in taken:
        return name
    return next(f"{name} {n}" for n in range(2, len(taken) + 3) if f"{name} {n}" not in taken)


def _guesses(results: Path) -> dict[Path, str]:
    """What the model that had not seen it says of each picture."""
    tables = sorted((results / "predict").glob("*.parquet"))
    if not tables:
        remedy = "run the workflow on the cohort first"
        raise HistotileError(results, "has no predictions of tiles", remedy)
    found = {}
    for path in tables:
        task, predicted = read_task(read_footer(path)), read_table(path)
        tiles = read_table(results / "tile" / path.name, ["tile_id", "file"])
        files = dict(zip(tiles["tile_id"].to_pylist(), tiles["file"].to_pylist(), strict=True))
        said = task.preds(read_values(task, predicted))
        for tile_id, guess in zip(predicted["tile_id"].to_pylist(), said, strict=True):
            if guess is not None and files[tile_id] is not None:
                found[Path(files[tile_id]).resolve()] = guess
    return found
