"""Curves as lines, tables and pictures."""

import csv
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from histotile.tasks.registry import make_task
from histotile.training.learning_curve import Point, curve_line, draw_curve, kept_point, write_curve

TASK = make_task(("healthy", "tumour"))


@pytest.mark.parametrize(
    ("scores", "losses", "patience", "kept"),
    [
        ([0.7, 0.9, 0.8], [0.6, 0.5, 0.9], False, 2),  # the last one, for it ranks better
        ([0.7, 0.9, 0.8], [0.6, 0.5, 0.9], True, 1),
        ([0.7, 0.9, 0.7], [0.6, 0.5, 0.4], False, 0),  # no better than the probe
        ([None, None, None], [0.6, 0.5, 0.4], False, 2),
        ([None, None, None], [0.6, 0.5, 0.7], False, 0),
        ([0.7, 0.5, 0.8], [0.6, 0.5, math.nan], False, 0),  # it diverged
    ],
)
def test_the_last_point_is_kept_where_it_betters_the_first(
    scores: list[float | None], losses: list[float], patience: bool, kept: int
) -> None:
    points = [
        Point(n, None, 0.1, loss, score)
        for n, (score, loss) in enumerate(zip(scores, losses, strict=True))
    ]
    assert kept_point(points, patience).step == kept


@pytest.mark.parametrize("xlabel", ["epoch", "L2 strength"])
def test_curves_are_written_and_the_same_again(tmp_path: Path, xlabel: str) -> None:
    points = [Point(1, 0.5, 0.4, 0.5, None), Point(2, None, 0.3, 0.4, 0.8)]
    for name in ("a.svg", "b.svg"):
        draw_curve(tmp_path / name, points, points[1], xlabel, TASK)
    ElementTree.parse(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    write_curve(tmp_path / "c.csv", points)
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["val_score"] for row in rows] == ["", "0.8"]
    assert rows[1]["step"] == "2"


def test_a_line_tells_the_newest_point_and_shows_the_way_there() -> None:
    points = [Point(n, None, 1 - 0.25 * n, 1 - 0.125 * n, 0.7) for n in range(4)]
    line = curve_line(points, "epoch", "tile AUROC")
    assert line == ("epoch 3: loss on train 0.250 █▇▅▃  val 0.625 ██▇▆  tile AUROC on val 0.700")
    broken = [*points, Point(4, None, float("nan"), float("inf"), None)]
    assert curve_line(broken, "epoch", "tile AUROC").endswith("val inf ██▇▆!")
