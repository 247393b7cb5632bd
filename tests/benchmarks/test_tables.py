"""Tables say what was measured, where and when; pictures have one unit."""

import csv
import os
from pathlib import Path

import pytest
from peers import tables

ROWS = [
    tables.Row("aligned", "histotile", [3.0, 1.0, 2.0], "ms", 0.5, "times theirs", "<= 1", "a\nb"),
    tables.Row("aligned", "theirs", [4.0], "ms"),
    tables.Row("memory", "histotile", [100.0], "MB"),
    tables.Row("not run", "absent", [], "", note="it crashed"),
]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_rows_hold_median_range_and_surroundings(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    tables.write(path, ROWS, [2.04, 0.5, 1.0])
    first, _, _, absent = read(path)
    assert (first["median"], first["low"], first["high"], first["rounds"]) == ("2", "1", "3", "3")
    assert (first["ratio"], first["against"], first["note"]) == ("0.5", "times theirs", "a b")
    assert first["load"] == "0.5-2.0"
    assert f"{os.cpu_count()} cores" in first["machine"]
    assert (absent["median"], absent["rounds"], absent["note"]) == ("", "0", "it crashed")
    assert {row["commit"] for row in read(path)} == {tables.commit()}


def test_the_commit_is_unknown_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    assert tables.commit() == ""
    monkeypatch.undo()
    monkeypatch.setattr(tables, "HERE", tmp_path / "benchmarks")
    assert tables.commit() == ""


def test_a_quick_run_keeps_what_a_full_one_wrote(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tables, "HERE", tmp_path / "benchmarks")
    assert tables.place("packs.csv", quick=False) == tmp_path / "benchmarks" / "packs.csv"
    assert tables.place("packs.csv", quick=True) == tmp_path / ".bench" / "quick" / "packs.csv"


def test_finish_draws_the_rows_of_each_unit_as_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tables, "HERE", tmp_path / "benchmarks")
    pictures = tables.Picture("time", "ms", "Tiles"), tables.Picture("memory", "MB", "All of it")
    tables.finish("both", ROWS, [1.0], False, *pictures)
    assert len(read(tmp_path / "benchmarks" / "both.csv")) == len(ROWS)
    time, memory = (
        (tmp_path / "benchmarks" / f"{picture.name}.svg").read_text(encoding="utf-8")
        for picture in pictures
    )
    assert ">aligned: theirs<" in time
    assert ">memory: histotile<" not in time
    assert ">memory: histotile<" in memory


def test_a_picture_has_one_unit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one unit"):
        tables.draw(tmp_path / "mixed.svg", "Mixed", ROWS)
