"""How slides were learnt, as the cohort page and the record say it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from histotile.aggregation.learners.record import Learning, MethodScore, Span, read_learning
from histotile.errors import HistotileError
from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.facts import CohortFacts


def learning(regret: tuple[float, float, float] | None = None, **changes: Any) -> Learning:
    span = None if regret is None else Span(value=regret[0], low=regret[1], high=regret[2])
    facts: dict[str, Any] = {
        "method": "auto",
        "chosen": {"0": "mean", "1": "attention"},
        "methods": [
            MethodScore(
                method=method,
                score=Span(value=value, low=value - 0.1, high=value + 0.1),
                inner={"0": value, "1": None},
                seconds=2.0,
            )
            for method, value in (("mean", 0.7), ("attention", 0.8))
        ],
        "own": Span(value=0.75, low=0.6, high=0.9),
        "rival": "attention" if regret else None,
        "regret": span,
        "margin": 0.02,
        "score_name": "slide AUROC",
        "importance": {"number of areas (b)": 0.2, "largest area (b)": 0.001},
    }
    return Learning.model_validate(facts | changes)


@pytest.mark.parametrize(
    ("regret", "verdict"),
    [
        ((0.0, -0.01, 0.01), "confirmed"),
        ((0.05, -0.02, 0.12), "not contradicted"),
        ((0.2, 0.1, 0.3), "contradicted"),
        (None, "not checked"),
    ],
)
def test_verdicts_are_those_of_the_decision(regret: Any, verdict: str) -> None:
    assert learning(regret).verdict == verdict


def test_the_page_shows_methods_choice_regret_and_attention(
    make_cohort: Callable[..., CohortFacts], read: Callable[[str], Any]
) -> None:
    found = {"value": 0.93, "lower": 0.9, "upper": 0.96, "slides": 7, "patients": 5}
    row = {"tiles": "tiles with a lesion", "share": 0.5, "share_of_tiles": 0.1, **found}
    facts = make_cohort(learning=learning((0.2, 0.1, 0.3)), attention=[row])
    page = read(render_cohort_page(facts))
    assert page.row("mean")[:3] == ["0.700 (0.600 to 0.800)", "0.700", "1"]
    assert page.row("auto")[0] == "0.750 (0.600 to 0.900)"
    text = " ".join(page.text.split())
    assert "+0.200, 95 % +0.100 to +0.300: use aggregate.method: attention" in text
    assert "AUROC of 0.930" in text
    assert "number of areas (b) (0.200)" in text
    assert "largest area (b)" not in text
    assert 'id="learning"' not in render_cohort_page(make_cohort())


def test_a_record_of_another_make_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "learning.json"
    path.write_text(learning((0.2, 0.1, 0.3)).model_dump_json())
    assert read_learning(path) == learning((0.2, 0.1, 0.3))
    path.write_text("{}")
    with pytest.raises(HistotileError, match="not written by this version"):
        read_learning(path)
