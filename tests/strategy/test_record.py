"""Records of earlier versions are refused with what to run again."""

import json
from pathlib import Path
from typing import Any

import pytest

from histotile.errors import HistotileError
from histotile.io.tables import comparison_schema, write_table
from histotile.stages.verify import _comparison
from histotile.strategy.entry import read_record
from histotile.strategy.record import read_decision
from histotile.strategy.verification.regret import Verification
from histotile.tasks.registry import make_task


def test_a_decision_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    path.write_text(json.dumps({"strategy": "early_fixed", "controls": []}))
    with pytest.raises(HistotileError, match="run `histotile decide` again"):
        read_decision(path)
    path.write_text("{")
    with pytest.raises(HistotileError, match="not written by this version"):
        read_decision(path)


def test_a_verification_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "verification.json"
    path.write_text(json.dumps({"verdict": "confirmed", "cells": [], "controls": []}))
    with pytest.raises(HistotileError, match="run `histotile verify` again"):
        read_record(path, Verification, "verify")


def test_predictions_of_an_earlier_rehearsal_are_refused(tmp_path: Path) -> None:
    classes = ("healthy", "tumour")
    schema = comparison_schema(make_task(classes).columns, "int32")
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    footer = {"fold": "fold0", "cell": "finetune", "classes": list(classes), "seconds": 1.0}
    write_table(tmp_path / "finetune.parquet", columns, schema, footer)
    with pytest.raises(HistotileError, match="run `histotile compare` again"):
        _comparison(tmp_path / "finetune.parquet")
