"""What `apply` hands to the network."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from histotile.cli import apply, cli, inference
from histotile.cli.options import config_in_force
from histotile.config import Engine
from histotile.errors import HistotileError
from histotile.models import members
from histotile.models.facts import ModelFacts
from histotile.tiles import pace


class Judges:
    """An ensemble that notes when it is made ready."""

    facts = ModelFacts(("healthy", "tumour"), 1.0, 64, "0" * 12, "fixed")

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def prepare(self) -> None:
        self.done.append("prepare")


def test_engine_is_that_of_the_configuration_and_the_start_ends_before_the_slide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    engines: list[Engine] = []

    def load(_: list[Path], settings: Engine, threads: int) -> Judges:
        engines.append(settings)
        return Judges(done)

    def age() -> float:
        done.append("age")
        return 3.0

    def predict_to(*given: Any) -> None:
        assert 3.0 in given
        raise HistotileError("predict", "reached", "nothing")

    monkeypatch.setattr(members, "load_members", load)
    monkeypatch.setattr(pace, "process_age_s", age)
    monkeypatch.setattr(apply, "_tile", lambda *_: done.append("tile"))
    monkeypatch.setattr(inference, "predict_to", predict_to)
    config = config_in_force()
    assert config.engine.name == "auto"
    engine = config.engine.model_copy(update={"name": "onnxruntime", "max_difference": 0.05})
    given = config.model_copy(update={"engine": engine}).model_dump_json()
    line = ["apply", str(tmp_path), "slide.svs", str(tmp_path / "out"), "--configuration", given]
    with pytest.raises(HistotileError, match="reached"):
        CliRunner().invoke(cli, line, catch_exceptions=False)
    assert engines == [engine]
    assert done == ["prepare", "age", "tile"]
