"""Options that several verbs share, and the line that tells how far work is."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from histotile.io import progress
from histotile.io.progress import Progress

Shown = Callable[[list[tuple[float, int]]], list[str]]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test sets."""
    clock = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


@pytest.fixture
def shown(now: list[float], capsys: pytest.CaptureFixture[str]) -> Shown:
    """What is shown, behind the bar, of calls at these times with so many of 100 tiles done."""

    def lines(calls: list[tuple[float, int]]) -> list[str]:
        tell = Progress("predict")
        for now[0], done in calls:
            tell(done, 100)
        return [line.split("] ")[1] for line in capsys.readouterr().err.splitlines()]

    return lines


def test_progress_is_shown_after_two_seconds(shown: Shown) -> None:
    calls = [(0.5, 10), (1.9, 38), (2.0, 40), (2.5, 50), (4.0, 80), (5.0, 100)]
    assert shown(calls) == [
        "40/100 tiles, 20/s, 3 s left",
        "80/100 tiles, 20/s, 1 s left",
        "100/100 tiles, 20/s, 0 s left",
    ]


def test_progress_begins_anew_with_each_slide(shown: Shown) -> None:
    assert shown([(5.0, 50), (10.0, 100), (11.0, 10), (12.0, 20), (13.0, 30)]) == [
        "50/100 tiles, 10/s, 5 s left",
        "100/100 tiles, 10/s, 0 s left",
        "20/100 tiles, 10/s, 8 s left",
        "30/100 tiles, 10/s, 7 s left",
    ]
