"""The page of a search for settings."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from histotile.reports.strategy.tuning_page import best_so_far, draw_search, render_tuning_page
from histotile.strategy.entry import Estimate
from histotile.strategy.tuning.record import Gain, Parameter, Repeat, Trial, Tuning

Read = Callable[[str], Any]


def trial(score: float | None, **changes: Any) -> Trial:
    plain: dict[str, Any] = {
        "settings": {},
        "score": score,
        "folds": [score, None],
        "gave_way": 0,
        "reason": None if score is not None else "inner fold 1: <the loss> was nan",
        "seconds": 1800.0,
        "processor_seconds": 7200.0,
    }
    return Trial(**plain | changes)


def tuning(**changes: Any) -> Tuning:
    difference = Estimate(value=0.0304, low=0.0102, high=0.0501)
    plain: dict[str, Any] = {
        "histotile": "0",
        "research_use": "Research use only.",
        "fold": "fold0",
        "strategy": "finetune",
        "score_name": "tile AUROC",
        "patients": 12,
        "inner_folds": 2,
        "seed": 0,
        "asked": 4,
        "space": [Parameter(key="finetune.dropout", default=0, low=0, high=0.5, scale="linear")],
        "trials": [
            trial(0.8),
            trial(None, settings={"finetune.dropout": 0.5}, folds=[]),
            trial(0.9, settings={"finetune.dropout": 0.25}, gave_way=1),
            trial(0.85, settings={"augment.stain": "heavy"}),
        ],
        "chosen": 2,
        "importance": {"finetune.dropout": 1.0},
        "importance_missing": None,
        "repeats": [Repeat(in_force=trial(0.8), best=trial(0.83))],
        "gain": Gain(
            difference=difference,
            low_of_chosen=0.002,
            in_force=0.8,
            best=0.83,
            spread=0.01,
            difference_spread=0.02,
        ),
        "verdict": "worth it",
        "reasons": ["trial 2 minus the settings in force: +0.030"],
        "lines": "train:\n  finetune:\n    dropout: 0.25\n",
    }
    return Tuning(**plain | changes)


def test_it_shows_gain_trials_cost_and_lines(read: Read) -> None:
    page = read(render_tuning_page(tuning()))
    assert not page.faults
    assert page.terms["Trial 2 minus the settings in force"].startswith("+0.030")
    assert "+0.010 to +0.050" in page.terms["Trial 2 minus the settings in force"]
    rows = {row[0]: row[1:] for row in page.rows}
    assert rows["Search"] == ["2.00", "8.00"]  # 4 trials of half an hour on 4 cores
    assert rows["Comparison"] == ["1.00", "4.00"]
    found = [row for row in page.rows if len(row) == 7][1:]
    assert [row[:3] for row in found] == [
        ["0", "0.800", "0.800, none"],
        ["1", "failed", ""],
        ["2", "0.900", "0.900, none"],
        ["3", "0.850", "0.850, none"],
    ]
    assert found[1][3] == "inner fold 1: <the loss> was nan"
    assert found[2][3] == "best of the others; gave way to a probe: 1 of 2"
    assert [row[4:6] for row in found] == [["", ""], ["0.5", ""], ["0.25", ""], ["", "heavy"]]
    assert "dropout: 0.25" in "".join(page.words)


def test_what_is_not_known_is_said(read: Read) -> None:
    few = "4 finished trials are too few for it: 9 are needed"
    html = render_tuning_page(
        tuning(
            importance=None,
            importance_missing=few,
            asked=24,
            gain=None,
            repeats=[],
            chosen=None,
            lines="",
            verdict="not known",
        )
    )
    page = read(html)
    assert not page.faults
    text = " ".join(page.words)
    assert few in text and "4 of 24 trials were made: tune.max_hours" in text
    assert not page.terms


def test_the_curve_never_falls_and_begins_where_a_trial_has_a_score() -> None:
    found = best_so_far([None, 0.5, 0.4, None, 0.7])
    assert np.isnan(found[0]) and found[1:] == [0.5, 0.5, 0.5, 0.7]
    shares = ElementTree.fromstring(draw_search(tuning()))
    without = ElementTree.fromstring(draw_search(tuning(importance=None)))
    widths = [float(svg.attrib["width"].removesuffix("pt")) for svg in (shares, without)]
    assert widths[0] > widths[1]


@pytest.mark.parametrize("verdict", ["worth it", "perhaps", "not worth it", "not known"])
def test_every_verdict_has_its_words(read: Read, verdict: str) -> None:
    page = read(render_tuning_page(tuning(verdict=verdict)))
    assert verdict in " ".join(page.words)
