import csv
from pathlib import Path

import numpy as np

from histotile.heatmaps.wsinfer_csv import write_wsinfer_csv


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_table_has_the_columns_of_wsinfer_in_whole_level_0_px(tmp_path: Path) -> None:
    x, y = np.array([1234, 1459, 1684], np.int32), np.array([567, 567, 567], np.int32)
    p = np.array([[0.1, 0.9], [np.nan, np.nan], [1e-7, 0.9999999]], np.float32)
    write_wsinfer_csv(tmp_path / "s.csv", x, y, 225.4, p, ("prob_healthy", "prob_tumour"))
    text = (tmp_path / "s.csv").read_text()
    assert text.splitlines() == [
        "minx,miny,width,height,prob_healthy,prob_tumour",
        "1234,567,225,225,0.1,0.9",
        "1684,567,225,225,1e-07,0.9999999",
    ]
    assert text.endswith("\n")
    assert [f.name for f in tmp_path.iterdir()] == ["s.csv"]


def test_probabilities_read_back_are_the_same_32_bit_floats(tmp_path: Path) -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(3), 500).astype(np.float32)
    place = np.arange(500)
    write_wsinfer_csv(tmp_path / "s.csv", place, place, 224, p, [f"prob_{c}" for c in "abc"])
    read_back = [[np.float32(row[f"prob_{c}"]) for c in "abc"] for row in read(tmp_path / "s.csv")]
    np.testing.assert_array_equal(np.array(read_back), p)


def test_names_of_classes_survive(tmp_path: Path) -> None:
    names = ('a,"b"', "رحم 😐\n<i>")
    one, columns = np.zeros(1, int), [f"prob_{name}" for name in names]
    write_wsinfer_csv(tmp_path / "s.csv", one, one, 10, np.array([[0.25, 0.75]]), columns)
    (row,) = read(tmp_path / "s.csv")
    assert [row[f"prob_{name}"] for name in names] == ["0.25", "0.75"]


def test_without_tiles_the_header_stands_alone(tmp_path: Path) -> None:
    nothing = np.empty(0, int)
    write_wsinfer_csv(
        tmp_path / "s.csv", nothing, nothing, 10, np.empty((0, 2)), ("prob_a", "prob_b")
    )
    assert (tmp_path / "s.csv").read_text() == "minx,miny,width,height,prob_a,prob_b\n"
