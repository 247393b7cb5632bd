from typing import Any

from histotile.evaluation.per_fold import COLOUR_ONLY, NETWORK
from histotile.reports.cohort.metrics_table import (
    Comparison,
    by_fold,
    compare,
    headline,
    overall,
    site_cells,
    value_text,
)


def test_network_and_baseline_stand_side_by_side(metrics: list[dict[str, Any]]) -> None:
    for comparison in compare(metrics):
        for row, model in ((comparison.network, NETWORK), (comparison.baseline, COLOUR_ONLY)):
            assert row is None or row["model"] == model
            assert row is None or (row["level"], row["fold"]) == (comparison.level, comparison.fold)


def test_no_row_is_lost(metrics: list[dict[str, Any]]) -> None:
    shown = [
        row
        for c in compare(metrics)
        for row in (c.network, c.baseline, c.difference)
        if row is not None
    ]
    assert sorted(map(str, shown)) == sorted(map(str, metrics))


def test_headline_is_auroc_mean_first_and_fixed_test_set_after(
    metrics: list[dict[str, Any]],
) -> None:
    heads = headline(compare(list(reversed(metrics))))
    assert [(c.level, c.fold) for c in heads][-1] == ("slide", "holdout")
    assert {(c.level, c.fold) for c in heads[:-1]} == {("slide", "mean"), ("tile", "mean")}
    assert all(c.metric == "auroc" for c in heads)


def test_single_folds_stand_apart_from_means(metrics: list[dict[str, Any]]) -> None:
    comparisons = compare(metrics)
    assert {fold for table in by_fold(comparisons) for fold in table.rows} == {"0", "1"}
    assert {c.fold for c in overall(comparisons)} == {"mean", "holdout"}


def test_undefined_value_gives_its_reason() -> None:
    assert value_text(None) == "not computed"
    assert value_text({"value": None, "note": "one class"}) == "not computed: one class"
    assert value_text({"value": 0.98765, "note": None}) == "0.988"


def test_notes_say_a_thing_once() -> None:
    row = {"value": 0.5, "note": "prevalence 0.5; rough"}
    other = {"value": 0.4, "note": "prevalence 0.5"}
    assert Comparison("tile", "auprc", "mean", row, other, None).notes == "prevalence 0.5; rough"


def test_measures_of_a_site_keep_their_order_and_reasons() -> None:
    cells = site_cells({"tile_auroc": 0.9, "tile_auroc_lower": 0.8, "slide_auroc_note": "none"})
    assert [cell["value"] for cell in cells] == [0.9, None, None, None]
    assert cells[0]["lower"] == 0.8 and cells[2]["note"] == "none"
