from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.reports import wording


@pytest.mark.parametrize("nothing", [None, float("nan"), ""])
def test_nothing_is_never_shown_as_a_number(nothing: Any) -> None:
    assert wording.score(nothing) == "none"
    assert wording.mpp(nothing) == "unknown"
    assert wording.count(nothing) == "unknown"
    assert wording.interval(nothing, 0.5) == ""


def test_a_fit_is_told_with_its_remedies_and_budget() -> None:
    found = {"verdict": "overfit", "reason": "val rises", "remedies": ["more patients", "less"]}
    model = {"diagnosis": found, "independent_samples": 40.4, "icc": 0.2, "trained_weights": 1234}
    assert wording.fit_of(model) == (
        ": overfit, val rises. Try: more patients; less. 1,234 trained weights for 40 independent "
        "samples."
    )
    assert "for at least 40" in wording.fit_of(model | {"icc": None})
    assert wording.fit_of({}) == wording.fit_of({"diagnosis": None}) == ""


def test_zero_is_a_number() -> None:
    assert wording.score(0.0) == "0.000"
    assert wording.count(0) == "0"
    assert wording.interval(0.0, 0) == "0.000 to 0.000"


@pytest.mark.parametrize(
    ("part", "shown"), [(0, "0 %"), (1, "<1 %"), (500, "50 %"), (999, ">99 %"), (1000, "100 %")]
)
def test_only_nothing_is_0_percent_and_only_all_is_100(part: int, shown: str) -> None:
    assert wording.percent(part, 1000) == shown


def test_percent_of_nothing_is_not_shown() -> None:
    assert wording.percent(0, 0) == ""
    assert wording.percent(None, 5) == ""


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_links_lead_back_to_the_slide(slide_id: str) -> None:
    link = wording.page_name(slide_id)
    assert link.isascii()
    assert link.count("/") == 1
    assert not set(link) & set(" \"'<>&?#\\:")
    assert unquote(link) == f"slides/{slide_id}.html"


@given(st.text())
def test_terminal_lines_are_lines(text: str) -> None:
    safe = wording.terminal_safe(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in safe)
