"""The fold table: survives the file, and leaks edited into it are named."""

from pathlib import Path
from typing import Any

import pytest

from histotile.errors import HistotileError
from histotile.splitting.fold_table import check_folds, read_folds, write_folds


def columns() -> dict[str, list[Any]]:
    roles = ["train", "val", "test", "train", "val", "test"]
    return {
        "fold": [0] * 6 + [1] * 6,
        "slide_id": [f"s{n}" for n in range(6)] * 2,
        "patient_id": [f"p{n}" for n in range(6)] * 2,
        "site": [None, "a, b", *["c"] * 4] * 2,
        "label": ["healthy", "tumour", None, "tumour", "healthy", "tumour"] * 2,
        "role": [*roles, *roles[::-1]],
    }


def test_comes_back_from_the_file_as_it_was(tmp_path: Path) -> None:
    write_folds(tmp_path / "folds.csv", columns())
    assert read_folds(tmp_path / "folds.csv") == columns()
    assert (tmp_path / "folds.csv").read_text().splitlines()[1] == "0,s0,p0,,healthy,train"


@pytest.mark.parametrize(
    ("column", "row", "value", "said"),
    [
        ("patient_id", 2, "p0", "fold 0: patient p0 is in test and train"),
        ("slide_id", 1, "s0", "fold 0: slide s0 is listed 2 times"),
        ("slide_id", 1, "s0", "fold 0: slide s1 is missing"),
        ("role", 0, "tset", "fold 0: slide s0 has the role 'tset'"),
    ],
)
def test_leaks_are_named(tmp_path: Path, column: str, row: int, value: str, said: str) -> None:
    edited = columns()
    edited[column][row] = value
    with pytest.raises(HistotileError) as caught:
        check_folds(edited)
    assert said in str(caught.value)
    write_folds(tmp_path / "folds.csv", edited)
    with pytest.raises(HistotileError) as caught:
        read_folds(tmp_path / "folds.csv")
    assert said in str(caught.value)
    assert "folds.csv" in str(caught.value)


def test_fold_without_validation_is_named() -> None:
    edited = columns()
    edited["role"][:6] = ["train"] * 6
    with pytest.raises(HistotileError, match="fold 0: no val slide"):
        check_folds(edited)


def test_files_that_are_no_fold_table(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="no such file"):
        read_folds(tmp_path / "folds.csv")
    (tmp_path / "folds.csv").write_text("fold,slide\n0,s1\n")
    with pytest.raises(HistotileError, match="columns are"):
        read_folds(tmp_path / "folds.csv")
    edited = columns()
    edited["fold"][3] = "first"
    write_folds(tmp_path / "folds.csv", edited)
    with pytest.raises(HistotileError, match="fold is no number in lines 5"):
        read_folds(tmp_path / "folds.csv")
