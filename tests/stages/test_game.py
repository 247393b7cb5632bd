"""The guess game from cohort files, with guesses from the results of a run."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from histotile.config.yaml_file import read_synthetic
from histotile.errors import HistotileError
from histotile.io.tables import TILES, prediction_schema, write_table
from histotile.stages import game
from histotile.synthetic.syndromes.cohort import write_syndrome_cohort
from histotile.tasks.multiclass import Multiclass

TASK = Multiclass(("Z", "A", "B", "C"))


def draw(folder: Path, mode: str, repository: Path) -> Path:
    settings = read_synthetic(repository / "config" / "synthetic.yaml").synthesize.tiles
    some = settings.model_copy(update={"count": 16, "patients": 4, "mode": mode})
    return write_syndrome_cohort(folder, some, (48, 64), 0)


def write_results(folder: Path, cohort: Path) -> Path:
    """A run whose model calls everything C, and says nothing of the first picture."""
    rows = [line.split(",") for line in cohort.read_text().splitlines()[1:]]
    count = len(rows)
    columns: dict[str, object] = {column: [None] * count for column in TILES.names}
    place = {"x": np.zeros(count), "y": np.zeros(count)}
    columns |= {"tile_id": np.arange(count), "file": [row[0] for row in rows], **place}
    footer = {"slide_id": "all", "tile_px": 48, "tile_mpp": 1.0}
    write_table(folder / "tile" / "all.parquet", columns, TILES, footer)
    values = np.full((count, 4), [0.1, 0.1, 0.1, 0.7], np.float32)
    values[0] = np.nan
    said = dict(zip(TASK.columns, values.T, strict=True))
    known = {"distance": np.full(count, np.nan), "familiarity": ["unknown"] * count}
    predicted = {"tile_id": np.arange(count), **place, **said, **known}
    schema = prediction_schema(TASK.columns)
    write_table(folder / "predict" / "all.parquet", predicted, schema, TASK.metadata())
    return folder


def test_easy_and_hard_cohorts_become_one_page(tmp_path: Path, repository: Path) -> None:
    cohorts = [draw(tmp_path / mode, mode, repository) for mode in ("easy", "hard")]
    results = [write_results(tmp_path / f"results{n}", c) for n, c in enumerate(cohorts)]
    page = tmp_path / "game.html"
    game.run(game.Inputs(cohorts, results), game.Outputs(page), "Z", 16, 0)
    found = re.search(r'id="decks">(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    decks = json.loads(found[1])
    assert [deck["name"] for deck in decks] == ["easy", "hard"]
    for deck in decks:
        assert deck["labels"] == ["A", "B", "C", "Z"]
        guesses = [card["guess"] for card in deck["cards"]]
        assert (guesses.count("C"), guesses.count(None)) == (15, 1)


def test_without_results_there_is_a_game_without_a_model(tmp_path: Path, repository: Path) -> None:
    cohort, page = draw(tmp_path / "easy", "easy", repository), tmp_path / "game.html"
    game.run(game.Inputs([cohort, cohort]), game.Outputs(page), "Z", 8, 0)
    assert '"guess": null' in page.read_text() and '"easy 2"' in page.read_text()


def test_results_of_something_else_are_refused(tmp_path: Path, repository: Path) -> None:
    one, other = (draw(tmp_path / name, "easy", repository) for name in ("one", "other"))
    results, page = write_results(tmp_path / "results", other), game.Outputs(tmp_path / "game.html")
    for given, fact in (
        (game.Inputs([one], [results]), "guesses none of these pictures"),
        (game.Inputs([one], [results, results]), "2 for 1 cohorts"),
        (game.Inputs([one], [tmp_path]), "has no predictions"),
        (game.Inputs([one.with_name("truth.json")]), "lists no pictures"),
    ):
        with pytest.raises(HistotileError, match=fact):
            game.run(given, page, "Z", 8, 0)
    assert not page.page.exists()
