"""What `apply` hands to the network."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from histotile.cli import cli
from histotile.cli.settings import config_in_force
from histotile.config import Engine
from histotile.errors import HistotileError
from histotile.inference.model_metadata import ModelMetadata
from histotile.io.tables import TILES, prediction_schema, write_table
from histotile.reports.facts import SlideScore
from histotile.stages import apply, heatmap, predictions
from histotile.tasks.registry import config_task
from histotile.tiling.tile_table import no_tiles


class FakeEnsemble:
    """An ensemble that notes when it is made ready."""

    facts = ModelMetadata(("healthy", "tumour"), 1.0, 64, "0" * 12, "linear_probe")

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def prepare(self) -> None:
        self.done.append("prepare")


def test_engine_is_that_of_the_configuration_and_the_start_ends_before_the_slide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    engines: list[Engine] = []

    def load(_: list[Path], settings: Engine, threads: int) -> FakeEnsemble:
        engines.append(settings)
        return FakeEnsemble(done)

    def age() -> float:
        done.append("age")
        return 3.0

    def predict(*given: Any) -> None:
        assert 3.0 in given
        raise HistotileError("predict", "reached", "nothing")

    monkeypatch.setattr(apply, "load_members", load)
    monkeypatch.setattr(apply, "process_age_s", age)
    monkeypatch.setattr(apply, "_tile", lambda *_: done.append("tile"))
    monkeypatch.setattr(predictions, "write_predictions", predict)
    config = config_in_force()
    assert config.engine.name == "auto"
    engine = config.engine.model_copy(update={"name": "onnxruntime", "max_difference": 0.05})
    given = config.model_copy(update={"engine": engine}).model_dump_json()
    line = ["apply", str(tmp_path), "slide.svs", str(tmp_path / "out"), "--configuration", given]
    with pytest.raises(HistotileError, match="reached"):
        CliRunner().invoke(cli, line, catch_exceptions=False)
    assert engines == [engine]
    assert done == ["prepare", "age", "tile"]


@pytest.mark.parametrize(
    ("share", "words", "code"), [(0.05, [], 0), (0.49, [], 3), (0.49, ["--of-cohort"], 0)]
)
def test_a_slide_that_lost_many_tiles_ends_with_a_status_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, words: list[str], code: int
) -> None:
    score = SlideScore({"healthy": 0.25, "tumour": 0.75}, "tumour")

    def predict(slides: list[predictions.Slide], *_: Any) -> None:
        (slide,) = slides
        columns: dict[str, list[float]] = {"tile_id": [], "x": [], "y": []}
        columns |= {"prob_healthy": [], "prob_tumour": [], "distance": [], "familiarity": []}
        schema = prediction_schema(("prob_healthy", "prob_tumour"))
        write_table(slide.predictions, columns, schema, {"lost_share": share})

    monkeypatch.setattr(apply, "load_members", lambda *_: FakeEnsemble([]))
    monkeypatch.setattr(predictions, "write_predictions", predict)

    def tile(inputs: apply.Inputs, outputs: apply.Outputs, *_: Any) -> None:
        counts = {"grid": 2, "no_tissue": 0, "tiles": 2, "excluded": {}}
        footer = {"slide_id": inputs.slide_id, "tile_px": 64, "tile_mpp": 0.5, "verdict": "ok"}
        footer |= {"reason": None, "counts": counts}
        write_table(outputs.tiles.tiles, no_tiles(), TILES, footer)

    monkeypatch.setattr(apply, "_tile", tile)
    monkeypatch.setattr(heatmap, "run", lambda *_: None)
    monkeypatch.setattr(apply, "_write_page", lambda *_: score)
    line = ["apply", str(tmp_path), "slide.svs", str(tmp_path / "out"), *words]
    done = CliRunner().invoke(cli, line)
    assert done.exit_code == code
    assert "report/slides/slide.html" in done.output


def test_the_task_is_that_of_the_model() -> None:
    config = config_in_force()
    mean = config.aggregate.model_copy(update={"method": "mean"})
    options = {"low": 0, "high": 50, "unit": "%", "is_bounded": True, "trained_by": "mean_square"}
    model = ModelMetadata(
        ("marked",), 1.0, 64, "0" * 12, "linear_probe", kind="regression", options=options
    )
    fitted = apply._fit(config.model_copy(update={"aggregate": mean}), model)
    assert config_task(fitted).metadata() == model.task.metadata()
    with pytest.raises(HistotileError, match=r"aggregate\.method"):
        apply._fit(config, model)
