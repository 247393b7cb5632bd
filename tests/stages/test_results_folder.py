"""The verbs that write pages, called wrongly, and the reading of scores."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from histotile.cli import cli
from histotile.cli.settings import config_in_force
from histotile.errors import HistotileError
from histotile.io.cohort import Cohort
from histotile.stages.results_folder import LIBRARIES, Gathered
from histotile.stages.scores import read_score
from histotile.tasks.registry import make_task


@pytest.mark.parametrize(
    ("slide_id", "words"),
    [("absent", "it lists no slide 'absent'"), ("group", "no page of its own")],
)
def test_slides_without_a_page_are_refused(tmp_path: Path, slide_id: str, words: str) -> None:
    cohort = tmp_path / "slides.csv"
    cohort.write_text('slide_id,path,labels\ngroup,a.png,"[""healthy""]"\n')
    line = ["report-slide", str(tmp_path), slide_id, "--cohort", str(cohort)]
    with pytest.raises(HistotileError, match=words):
        CliRunner().invoke(cli, line, catch_exceptions=False)


def test_versions_name_what_decides_pixels_and_probabilities(tmp_path: Path) -> None:
    config = config_in_force()
    found = Gathered(tmp_path, Cohort((), False), config, config.report).versions
    assert list(found) == LIBRARIES.split()
    assert {"openvino", "onnxruntime", "simplejpeg", "imagecodecs", "numba", "torch"} <= set(found)


def test_score_is_read_with_what_the_table_has() -> None:
    plain = {"pred": "b", "fold": "1", "score_a": "0.25", "score_b": "0.75"}
    score = read_score(plain, make_task(("a", "b")))
    assert score.scores == {"a": 0.25, "b": 0.75}
    assert (score.pred, score.fold) == ("b", "1")
    assert not score.intervals
    assert not score.calibrated
    more = {"low_a": "0.2", "high_a": "0.3", "low_b": "", "high_b": "", "calibrated_b": "0.6"}
    score = read_score(plain | more, make_task(("a", "b")))
    assert score.intervals == {"a": (0.2, 0.3)}
    assert score.calibrated == {"b": 0.6}


def test_slide_without_tiles_has_no_numbers() -> None:
    row = {"pred": "", "fold": "", "score_a": "", "score_b": ""}
    score = read_score(row, make_task(("a", "b")))
    assert score.scores == {"a": None, "b": None}
    assert (score.pred, score.fold) == (None, None)
