"""What jobs cost, measured and continued along a line."""

from pathlib import Path

import pytest

from histotile.checks.forecast.cost import Cost, line, measure, size_of
from histotile.checks.forecast.running import Running
from histotile.errors import HistotileError


def test_a_line_goes_through_both_measurements_and_on() -> None:
    few, many = Cost(3.0, 4.0, 200.0, 15e3), Cost(5.0, 8.0, 210.0, 25e3)
    found = line([(100, few), (200, many)])
    for number, cost in ((100, few), (200, many)):
        assert vars(found.at(number)) == pytest.approx(vars(cost))
    assert found.at(1000).cpu_s == pytest.approx(21.0)
    assert line([(1, Cost(1.0, 1.0, 1.0)), (2, Cost(9.0, 1.0, 1.0))]).at(0).cpu_s == 0.0


def test_what_shrinks_by_chance_is_constant() -> None:
    found = line([(10, Cost(3.0, 3.0, 210.0)), (20, Cost(2.9, 3.0, 200.0))])
    assert found.at(1e6).cpu_s == pytest.approx(2.9)
    assert found.at(1e6).memory_mb == pytest.approx(200.0)


def test_a_job_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    cost = measure("--version", folder=tmp_path, running=Running())
    assert 0 < cost.cpu_s < 60 and 5 < cost.memory_mb < 2000


def test_a_stage_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match=r"none\.svs"):
        measure("tile", "none.svs", "-o", "t.parquet", folder=tmp_path, running=Running())


def test_sizes_of_files_and_folders_add_up(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one").write_bytes(b"12345")
    (tmp_path / "two").write_bytes(b"123")
    assert size_of(tmp_path / "a", tmp_path / "two", tmp_path / "none") == 8
