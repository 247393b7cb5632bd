"""Slides that lost many tiles are named where people look."""

from pathlib import Path

import pytest

from histotile.io.tables import prediction_schema, write_table
from histotile.reports.cohort.unread_tiles import list_losses, loss_alarm, lost_share


def predicted(folder: Path, name: str, share: float | None) -> Path:
    columns: dict[str, list[float]] = {"tile_id": [], "x": [], "y": [], "prob_a": []}
    columns |= {"distance": [], "familiarity": []}
    footer = {} if share is None else {"lost_share": share}
    write_table(folder / f"{name}.parquet", columns, prediction_schema(("prob_a",)), footer)
    return folder / f"{name}.parquet"


@pytest.mark.parametrize(
    ("share", "flagged"), [(0.0, False), (0.1, False), (0.11, True), (1, True)]
)
def test_a_slide_is_flagged_by_the_share_it_lost(
    tmp_path: Path, share: float, flagged: bool
) -> None:
    file = predicted(tmp_path, "s", share)
    assert lost_share(file) == share
    alarm = loss_alarm(share)
    assert (alarm is not None) == flagged
    assert bool(list_losses(tmp_path, ["s"])) == flagged
    if alarm is not None:
        assert alarm.level == "error" and f"{share:.0%} of this slide" in alarm.fact


def test_the_worst_slides_of_a_cohort_are_named_first(tmp_path: Path) -> None:
    for name, share in (("a", 0.2), ("b", 0.0), ("c", 0.49), ("old", None)):
        predicted(tmp_path, name, share)
    (sentence,) = list_losses(tmp_path, ["a", "b", "c", "old", "never predicted"])
    assert "2 slides have lost more than 10%" in sentence
    assert "(c 49%, a 20%)" in sentence
