"""What a decision does without is counted, and who vanishes is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.io import tables
from histotile.strategy.left_out import find_left_out
from histotile.tasks.registry import make_task

TASK = make_task(("healthy", "tumour"))
Rows = list[tuple[str | None, str | None]]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a tile table of rows (label, excluded)."""

    def write_tiles(slide_id: str, rows: Rows, why_none: dict[str, int] | None = None) -> None:
        n = len(rows)
        columns: dict[str, Any] = {name: np.zeros(n) for name in tables.TILES.names}
        columns |= {name: [None] * n for name in ("file", "checksum")}
        columns |= {name: np.zeros(n, bool) for name in ("blur", "pen", "fold")}
        columns |= {name: np.zeros(n, np.int32) for name in ("tile_id", "x", "y")}
        columns |= {"label": [r[0] for r in rows], "excluded": [r[1] for r in rows]}
        ledger = [{"kind": "labels", "reason": w, "count": k} for w, k in (why_none or {}).items()]
        tables.write_table(
            tmp_path / f"{slide_id}.parquet", columns, tables.TILES, {"ledger": ledger}
        )

    return write_tiles


def folds(*slides: str, test: str = "") -> list[dict[str, Any]]:
    rows = [{"slide_id": s, "role": r} for s in slides for r in ("train", "val", "test")]
    return rows + [{"slide_id": test, "role": "test"}] * bool(test)


def test_excluded_tiles_are_counted_by_class_and_reason(tmp_path: Path, write: Any) -> None:
    write("a", [("healthy", None), ("healthy", "pen"), ("tumour", "blur"), ("tumour", None)])
    write("b", [("healthy", None), ("tumour", None), ("tumour", "blur"), (None, "pen")], {"x": 1})
    cohort = {"a": "P1", "b": "P2"}
    found = find_left_out(cohort, tmp_path, folds("a", "b"), TASK)
    assert found.tiles == {"healthy": {"pen ink": 1}, "tumour": {"blurred": 2}}
    assert found.unlabelled == {"x": 1}
    assert not found.slides and not found.patients
    assert found.of_class("tumour") == "2 (2 blurred)" and found.of_class("other") == "0"


def test_patients_who_vanish_are_named_with_the_reason(tmp_path: Path, write: Any) -> None:
    kept: Rows = [("healthy", None), ("tumour", None)]
    write("kept", kept)
    write("inked", [("healthy", "pen"), ("healthy", "pen"), ("tumour", "blur")])
    write("bare", [(None, None)], {"between the overlap limits": 1})
    write("half", [("healthy", None), ("tumour", "pen")])
    cohort = {"kept": "P1", "inked": "P2", "bare": "P3", "half": "P4", "broken": "P5", "held": "P6"}
    known = folds("kept", "inked", "bare", "half", test="held")
    found = find_left_out(cohort, tmp_path, known, TASK)
    assert found.slides == ["broken"]
    by_name = {line.split()[0]: line for line in found.patients}
    assert set(by_name) == {"P2", "P3", "P4", "P5"}  # P6 is tested by, which is no loss
    assert "healthy: all 2 labelled tiles" in by_name["P2"] and "1 blurred" in by_name["P2"]
    assert "between the overlap limits" in by_name["P3"]
    assert by_name["P4"].startswith("P4 shows no tumour any more")
    assert "quarantined: broken" in by_name["P5"]


def test_a_patient_with_another_slide_does_not_vanish(tmp_path: Path, write: Any) -> None:
    write("a", [("healthy", None), ("tumour", None)])
    write("b", [("healthy", "pen"), ("tumour", "pen")])
    found = find_left_out({"a": "P1", "b": "P1", "c": "P1"}, tmp_path, folds("a", "b"), TASK)
    assert found.slides == ["c"] and not found.patients
