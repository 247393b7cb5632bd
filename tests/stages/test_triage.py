"""What `triage` says of patients of whom no slide is left."""

import csv
from pathlib import Path
from typing import Any

import pytest

from histotile.config import Config
from histotile.config.yaml_file import read_config
from histotile.slides.triage import LEDGER
from histotile.stages import triage as stage


@pytest.fixture
def config(repository: Path) -> Config:
    return read_config(repository / "config" / "config.yaml")


@pytest.mark.parametrize("column", ["patient_id,", ""])
def test_a_patient_who_vanishes_is_named(
    tmp_path: Path,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    column: str,
) -> None:
    verdicts = {"a": "ok", "b": "quarantined", "c": "quarantined", "d": "quarantined"}
    patients = {"a": "P1", "b": "P1", "c": "P2", "d": "P2"}
    cohort, ledger = tmp_path / "cohort.csv", tmp_path / "slides.csv"
    rows = [f"{s},{column and patients[s] + ','}{s}.svs" for s in verdicts]
    cohort.write_text("\n".join([f"slide_id,{column}path", *rows]) + "\n")

    def judged(*_: Any) -> list[dict[str, object]]:
        blank = dict.fromkeys(LEDGER)
        return [blank | {"slide_id": s, "verdict": v} for s, v in verdicts.items()]

    monkeypatch.setattr(stage, "triage", judged)
    monkeypatch.setattr(stage, "read_inspection", lambda path: None)
    stage.run(stage.Inputs(cohort, tmp_path), stage.Outputs(ledger), config.inspect, {})
    told = {row["slide_id"]: row["warnings"] for row in csv.DictReader(ledger.open())}
    named = [slide for slide, text in told.items() if "patient P2 vanishes" in text]
    assert named == (["c", "d"] if column else [])
    assert not told["b"]  # P1 has another slide
    assert ("P2" in capsys.readouterr().out) == bool(column)
